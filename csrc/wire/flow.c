/* flow.c -- a packet in a flow.
 *
 * What can be in one super-packet with others is what can be so in the kernel's
 * GRO (Linux: inet_gro_receive(), ipv6_gro_receive(), tcp_gro_receive(),
 * udp_gro_receive_segment(), and include/net/gro.h). */
#include "flow.h"

#include "checksum.h"
#include "headers.h"

#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <netinet/in.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* What a right checksum makes of the sum of all that it covers. */
enum { SUM_RIGHT = 0xffff };

static uint64_t load64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint32_t load32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* -- Reading --------------------------------------------------------------- */

/* Only data, acknowledged; pushed, the last of it, or with an ECN echo. */
static bool tcp_joins(struct flow_packet *m)
{
	const unsigned char *tcp = m->bytes + m->transport;
	uint32_t flags = tcp[TCP_FLAGS];

	m->seq = get32(tcp + TCP_SEQ);
	m->ends = (flags & (TCP_PSH | TCP_FIN)) != 0;
	flags &= ~(uint32_t)(TCP_PSH | TCP_FIN | TCP_ECE);
	return flags == TCP_ACK;
}

/* The right length, and a checksum. */
static bool udp_joins(struct flow_packet *m)
{
	const unsigned char *udp = m->bytes + m->transport;

	m->seq = 0;
	m->ends = false;
	return get16(udp + UDP_LENGTH) == UDP_SIZE + (uint32_t)m->length &&
	       get16(udp + UDP_CHECKSUM) != 0;
}

/* Where the IP header of nearly every packet ends, which has neither options
 * nor extension headers, is no fragment, and has its true length, n; 0 when
 * it is another one. */
static uint16_t plain_ip(const unsigned char *ip, size_t n,
			 struct flow_packet *m)
{
	if (n < IP4_SIZE || n > LENGTH_MAX)
		return 0;
	if (ip[0] == IP4_PLAIN) {
		m->version = 4;
		m->proto = ip[IP4_PROTO];
		return get16(ip + IP4_LENGTH) == n &&
				       !(get16(ip + IP4_FRAGMENT) &
					 ~(uint32_t)IP4_DF)
			       ? IP4_SIZE
			       : 0;
	}
	m->version = 6;
	m->proto = ip[IP6_NEXT];
	return ip[0] >> 4 == 6 && n >= IP6_SIZE &&
			       get16(ip + IP6_LENGTH) == n - IP6_SIZE
		       ? IP6_SIZE
		       : 0;
}

/* How long the header of TCP or UDP is, of which n bytes are there; 0 when it
 * is not whole or another one. */
static uint16_t plain_transport(const unsigned char *bytes, size_t n,
				uint8_t proto)
{
	uint16_t size = UDP_SIZE;

	if (proto == IPPROTO_TCP) {
		if (n < TCP_SIZE)
			return 0;
		size = (uint16_t)((bytes[TCP_DATA_OFFSET] >> 4) * 4);
		return size < TCP_SIZE || size > n ? 0 : size;
	}
	return proto != IPPROTO_UDP || size > n ? 0 : size;
}

/* Read a packet without anything unusual. */
static bool read_plain(const unsigned char *bytes, size_t size, size_t ip,
		       struct flow_packet *m)
{
	uint16_t length = plain_ip(bytes + ip, size - ip, m), header;

	if (!length)
		return false;
	m->ip = (uint32_t)ip;
	m->transport = m->ip + length;
	header = plain_transport(bytes + m->transport, size - m->transport,
				 m->proto);
	if (!header)
		return false;
	m->payload = m->transport + header;
	m->length = (uint16_t)(size - m->payload);
	m->joins = m->length && m->payload <= HEADERS_MOST &&
		   (m->proto == IPPROTO_TCP ? tcp_joins(m) : udp_joins(m));
	return true;
}

/* Multiplicative hashing, by 2^64 over the golden ratio (Knuth, volume 3, 6.4).
 */
static uint64_t mix(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15u;
	return value ^ value >> 32;
}

static inline uint32_t mix_addresses(const struct flow_packet *m)
{
	const unsigned char *ip = m->bytes + m->ip;
	uint64_t value;

	if (m->version == 4)
		return (uint32_t)mix(load64(ip + IP4_SRC));
	value = mix(load64(ip + 8) ^ load64(ip + 32));
	return (uint32_t)mix(value ^ load64(ip + 16) ^ mix(load64(ip + 24)));
}

uint32_t flow_hash_addresses(const struct flow_packet *m)
{
	return mix_addresses(m);
}

static uint32_t hash_flow(const struct flow_packet *m)
{
	uint64_t ports = load32(m->bytes + m->transport);

	return (uint32_t)mix((ports | (uint64_t)m->proto << 32) ^
			     (uint64_t)mix_addresses(m) << 24);
}

/* Read any packet. */
static enum reading read_other(const unsigned char *bytes, size_t size,
			       bool ethernet, struct flow_packet *m)
{
	struct headers h;

	if (!headers_find(bytes, size, ethernet, &h))
		return IN_NO_FLOW;
	m->version = h.version;
	m->proto = h.proto;
	m->ip = h.ip;
	m->transport = h.transport;
	m->payload = h.payload;
	m->length = 0;
	m->joins = false;
	if (h.fragment || (!h.payload && (h.proto == IPPROTO_TCP ||
					  h.proto == IPPROTO_UDP))) {
		m->hash = mix_addresses(m);
		return IN_ANY;
	}
	if (h.proto != IPPROTO_TCP && h.proto != IPPROTO_UDP)
		return IN_NO_FLOW;
	m->hash = hash_flow(m);
	return IN_FLOW;
}

enum reading flow_read(const unsigned char *bytes, size_t size, bool ethernet,
		       struct flow_packet *m)
{
	size_t ip = 0;

	m->bytes = bytes;
	if (ethernet)
		ip = headers_ethernet_ip(bytes, size);
	if ((ethernet && !ip) || !read_plain(bytes, size, ip, m))
		return read_other(bytes, size, ethernet, m);
	m->hash = hash_flow(m);
	return IN_FLOW;
}

unsigned int flow_feature(const struct flow_packet *m)
{
	if (m->proto == IPPROTO_TCP)
		return m->version == 4 ? TUN_F_TSO4 : TUN_F_TSO6;
	return m->version == 4 ? TUN_F_USO4 : TUN_F_USO6;
}

/* -- Comparing ------------------------------------------------------------- */

static bool same_addresses6(const unsigned char *a, const unsigned char *b)
{
	return ((load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8)) |
		(load64(a + 16) ^ load64(b + 16)) |
		(load64(a + 24) ^ load64(b + 24))) == 0;
}

bool flow_equal(const struct flow_packet *a, const struct flow_packet *b)
{
	const unsigned char *one = a->bytes + a->ip, *two = b->bytes + b->ip;

	if (a->hash != b->hash || a->version != b->version ||
	    a->proto != b->proto ||
	    load32(a->bytes + a->transport) != load32(b->bytes + b->transport))
		return false;
	return a->version == 4 ? load64(one + IP4_SRC) == load64(two + IP4_SRC)
			       : same_addresses6(one + IP6_SRC, two + IP6_SRC);
}

/* Whether 8 bytes are the same, in the bits of a mask. */
static inline bool alike(const unsigned char *a, const unsigned char *b,
			 const unsigned char *mask)
{
	return ((load64(a) ^ load64(b)) & load64(mask)) == 0;
}

/* All but lengths, the IPv4 ID and checksum. */
static inline bool same_ip(const unsigned char *a, const unsigned char *b,
			   uint8_t version)
{
	static const unsigned char v4[] = { 255, 255, 0, 0, 0, 0, 255, 255 };
	static const unsigned char v4_middle[] = { 255, 255, 0,	  0,
						   255, 255, 255, 255 };
	static const unsigned char v6[] = {
		255, 255, 255, 255, 0, 0, 255, 255
	};

	if (version == 4)
		return alike(a, b, v4) && alike(a + 8, b + 8, v4_middle) &&
		       load32(a + 16) == load32(b + 16);
	return alike(a, b, v6) && same_addresses6(a + IP6_SRC, b + IP6_SRC);
}

/* All but the sequence number, FIN, PSH and the checksum, and n bytes of
 * options. */
static inline bool same_tcp(const unsigned char *a, const unsigned char *b,
			    size_t n)
{
	static const unsigned char flags[] = {
		255, 255, 255, 255, 255, 255 - TCP_FIN - TCP_PSH, 255, 255
	};

	if (load32(a) != load32(b) || !alike(a + 8, b + 8, flags) ||
	    get16(a + TCP_URGENT) != get16(b + TCP_URGENT))
		return false;
	a += TCP_SIZE;
	b += TCP_SIZE;
	if (n == 12) /* timestamps */
		return load64(a) == load64(b) && load32(a + 8) == load32(b + 8);
	return n == 0 || memcmp(a, b, n) == 0;
}

static inline bool same_bytes(const struct flow_packet *a,
			      const unsigned char *b)
{
	size_t n = a->payload - a->transport;

	if (!same_ip(a->bytes + a->ip, b + a->ip, a->version))
		return false;
	if (a->proto == IPPROTO_UDP ? load32(a->bytes + a->transport) !=
					      load32(b + a->transport)
				    : !same_tcp(a->bytes + a->transport,
						b + a->transport, n - TCP_SIZE))
		return false;
	return a->ip == 0 || memcmp(a->bytes, b, a->ip) == 0;
}

bool flow_same_headers(const struct flow_packet *a, const struct flow_packet *b)
{
	return a->ip == b->ip && a->transport == b->transport &&
	       a->payload == b->payload && same_bytes(a, b->bytes);
}

bool flow_read_alike(const struct flow_packet *a, const unsigned char *bytes,
		     size_t size, struct flow_packet *m)
{
	const unsigned char *ip = bytes + a->ip;
	size_t n = size - a->ip;

	if (!a->joins || size <= a->payload || n > LENGTH_MAX ||
	    !same_bytes(a, bytes) ||
	    (a->version == 4 ? get16(ip + IP4_LENGTH) != n
			     : get16(ip + IP6_LENGTH) != n - IP6_SIZE))
		return false;
	*m = *a;
	m->bytes = bytes;
	m->length = (uint16_t)(size - a->payload);
	return m->proto == IPPROTO_TCP ? tcp_joins(m) : udp_joins(m);
}

/* -- Checksums ------------------------------------------------------------- */

/* Whether the sum of an IPv4 header is 0 in ones' complement: modulo 65535, as
 * which its words may be of 32 bits and in any byte order (RFC 1071, 2). A
 * checksum of 0xffff is as good as one of 0, but not what comes back when it is
 * computed anew. */
static bool right_header(const unsigned char *ip)
{
	uint64_t sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) +
		       load32(ip + 12) + load32(ip + 16);

	return sum % SUM_RIGHT == 0 && get16(ip + IP4_CHECKSUM) != SUM_RIGHT;
}

/* Summed from the addresses on, which stand in front of the header and are the
 * same as in the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1). */
static bool right_transport(const struct flow_packet *m)
{
	const unsigned char *transport = m->bytes + m->transport;
	size_t addresses = m->version == 4 ? 2 * IP4_ADDRESS : 2 * IP6_ADDRESS;
	size_t n = (size_t)(m->payload - m->transport) + m->length;

	if (m->proto == IPPROTO_TCP &&
	    get16(transport + TCP_CHECKSUM) == SUM_RIGHT)
		return false;
	return checksum(transport - addresses, addresses + n, n + m->proto) ==
	       SUM_RIGHT;
}

bool flow_verify(const struct flow_packet *m, const struct vnet *vnet)
{
	uint16_t offset = m->proto == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;

	if (m->version == 4 && !right_header(m->bytes + m->ip))
		return false;
	if (vnet && vnet->flags & VNET_NEEDS_CSUM)
		return vnet->csum_start == m->transport &&
		       vnet->csum_offset == offset;
	return (vnet && vnet->flags & VNET_DATA_VALID) || right_transport(m);
}
