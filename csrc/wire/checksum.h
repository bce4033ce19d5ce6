/* checksum.h -- the Internet checksum (RFC 1071). */
#ifndef TUN_WIRE_CHECKSUM_H
#define TUN_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* The ones' complement sum, 0 to 65535, of n bytes as big-endian 16-bit words
 * and of an initial sum below 2^48. An odd last byte is the high half of a word
 * whose low half is 0. */
uint32_t checksum(const unsigned char *bytes, size_t n, uint64_t sum);

/* The same, and the bytes copied to where they do not overlap: one pass, which
 * costs hardly more than memcpy(). */
uint32_t checksum_copy(unsigned char *to, const unsigned char *from, size_t n,
		       uint64_t sum);

/* The same sum, 0 to 65535, of 32 bits. */
static inline uint32_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The name of a way in which this processor can do it, which are numbered from
 * 0 to the best one; NULL beyond. */
const char *checksum_way(size_t way);

/* The same in such a way, for comparing them: checksum() where to is NULL. */
uint32_t checksum_by(size_t way, unsigned char *to, const unsigned char *from,
		     size_t n, uint64_t sum);

#pragma GCC visibility pop

#endif
