/* checksum.c -- the Internet checksum (RFC 1071): pure functions over bytes. */
#include "checksum.h"

#include <arpa/inet.h>
#include <string.h>

/* Words are summed in the machine's byte order, since the sum may be swapped
 * afterwards (RFC 1071, 2.B); 32 bits at a time into 64, which cannot wrap
 * below 2^34 bytes. */
uint32_t checksum(const unsigned char *bytes, size_t n, uint64_t initial)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; n >= 4; n -= 4, bytes += 4) {
		memcpy(&word, bytes, 4);
		sum += word;
	}
	if (n >= 2) {
		memcpy(&half, bytes, 2);
		sum += half;
		n -= 2;
		bytes += 2;
	}
	if (n) {
		half = htons((uint16_t)(*bytes << 8));
		sum += half;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = initial + ntohs((uint16_t)sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

uint32_t checksum_copy(unsigned char *to, const unsigned char *from, size_t n,
		       uint64_t sum)
{
	memcpy(to, from, n);
	return checksum(to, n, sum);
}
