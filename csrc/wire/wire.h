/* wire.h -- the headers that the files of this folder read and write: offsets
 * and sizes of fields in bytes, and flags; and numbers at any address. */
#ifndef TUN_WIRE_WIRE_H
#define TUN_WIRE_WIRE_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(hidden)

enum { LENGTH_MAX = 65535 }; /* what a length field of 16 bits can hold */

/* IEEE 802.1Q; the size of a tag */
enum { VLAN_SIZE = 4 };

/* IPv4: RFC 791, section 3.1 */
enum {
	IP4_PLAIN = 0x45, /* the first byte of a header without options */
	IP4_SIZE = 20,	  /* without options */
	IP4_LENGTH = 2,
	IP4_ID = 4,
	IP4_FRAGMENT = 6, /* flags, and the offset of a fragment: */
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET = 0x1fff,
	IP4_TTL = 8,
	IP4_PROTO = 9,
	IP4_CHECKSUM = 10,
	IP4_SRC = 12,
	IP4_ADDRESS = 4, /* the size of one */
};

/* IPv6: RFC 8200, section 3 */
enum {
	IP6_SIZE = 40,
	IP6_LENGTH = 4, /* of what follows the header */
	IP6_NEXT = 6,
	IP6_HOP_LIMIT = 7,
	IP6_SRC = 8,
	IP6_ADDRESS = 16,
};

/* TCP: RFC 9293, section 3.1 */
enum {
	TCP_SIZE = 20, /* without options */
	TCP_SEQ = 4,
	TCP_ACK_NUMBER = 8,
	TCP_DATA_OFFSET = 12, /* the size, in its upper four bits, in words */
	TCP_FLAGS = 13,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40, /* RFC 3168, section 6.1 */
	TCP_CWR = 0x80,
	TCP_CHECKSUM = 16,
	TCP_URGENT = 18,
};

/* UDP: RFC 768 */
enum { UDP_SIZE = 8, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };

/* ICMP: RFC 792; RFC 4443, section 2.1 */
enum { ICMP_SIZE = 4, ICMP_CHECKSUM = 2 };

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

/* End the process where a bound of an array does not hold that has to: in every
 * build, as writing behind the array is worse. */
static inline void ensure(bool holds)
{
	if (!holds)
		abort();
}

#pragma GCC visibility pop

#endif
