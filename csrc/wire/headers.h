/* headers.h -- where the headers of a packet are. Pure functions over bytes,
 * which may be anything. */
#ifndef TUN_WIRE_HEADERS_H
#define TUN_WIRE_HEADERS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC visibility push(hidden)

/* Offsets are counted from the first byte that was looked at. */
struct headers {
	uint32_t ip;	    /* the IP header */
	uint32_t transport; /* what follows it and IPv6 extension headers */
	uint32_t payload; /* what follows a TCP or UDP header; transport itself
			   * for other protocols; 0 when a header of these two
			   * is not whole, or not in this fragment */
	uint32_t end;	  /* behind the last byte of the IP packet */
	uint8_t version;  /* 4 or 6 */
	uint8_t proto;	  /* at transport: IPPROTO_* */
	bool fragment;	  /* not the whole of a datagram */
	bool cut;	  /* end is not where the IP header says, but before */
};

/* Find the headers of the packet that begins with an IP header at an offset.
 * False when no whole IP header is there. */
bool headers_at(const unsigned char *bytes, size_t size, size_t ip,
		struct headers *h);

/* Where the IP header of an Ethernet frame is, behind VLAN tags; 0 when it has
 * none. */
size_t headers_ethernet_ip(const unsigned char *bytes, size_t size);

/* Find the headers of a packet; it begins with an Ethernet header where
 * ethernet is true. False when it is no IP packet. */
static inline bool headers_find(const unsigned char *bytes, size_t size,
				bool ethernet, struct headers *h)
{
	size_t ip = ethernet ? headers_ethernet_ip(bytes, size) : 0;

	return (ip || !ethernet) && headers_at(bytes, size, ip, h);
}

/* Big-endian numbers at any address. */
static inline uint32_t get16(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t get32(const unsigned char *bytes)
{
	return get16(bytes) << 16 | get16(bytes + 2);
}

static inline void put16(unsigned char *bytes, uint32_t value)
{
	uint16_t number = htons((uint16_t)value);

	memcpy(bytes, &number, sizeof(number));
}

static inline void put32(unsigned char *bytes, uint32_t value)
{
	value = htonl(value);
	memcpy(bytes, &value, sizeof(value));
}

/* Write a checksum of which the sum is known, 0 to 65535. UDP's is never 0,
 * which says that there is none (RFC 768). */
static inline void checksum_put(unsigned char *field, uint32_t sum, bool udp)
{
	put16(field, udp && sum == 0xffff ? 0xffff : 0xffff ^ sum);
}

#pragma GCC visibility pop

#endif
