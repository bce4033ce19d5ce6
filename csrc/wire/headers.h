/* headers.h -- where the headers of a packet are. Pure functions over bytes,
 * which may be anything. */
#ifndef TUN_WIRE_HEADERS_H
#define TUN_WIRE_HEADERS_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* The sum of a pseudo header (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1): of the
 * addresses of the IP header of a version, and of protocol plus length. */
uint32_t headers_pseudo(const unsigned char *ip, uint8_t version,
			uint64_t proto_and_length);

/* Write a checksum of which the sum is known, 0 to 65535. UDP's is never 0,
 * which says that there is none (RFC 768). */
static inline void checksum_put(unsigned char *field, uint32_t sum, bool udp)
{
	put16(field, udp && sum == 0xffff ? 0xffff : 0xffff ^ sum);
}

#pragma GCC visibility pop

#endif
