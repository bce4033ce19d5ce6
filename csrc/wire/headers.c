/* headers.c -- where the headers of a packet are. */
#include "headers.h"

#include "checksum.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

size_t headers_ethernet_ip(const unsigned char *bytes, size_t size)
{
	size_t at = ETH_HLEN;
	uint32_t type;

	for (; at < size; at += VLAN_SIZE) {
		type = get16(bytes + at - 2);
		if (type == ETH_P_IP)
			return bytes[at] >> 4 == 4 ? at : 0;
		if (type == ETH_P_IPV6)
			return bytes[at] >> 4 == 6 ? at : 0;
		if (type != ETH_P_8021Q && type != ETH_P_8021AD)
			return 0;
	}
	return 0;
}

/* Note where the IP packet ends: length bytes from ip. A length field of 0
 * stands for more than it can hold (RFC 2675; BIG TCP of Linux). */
static bool set_end(struct headers *h, size_t size, uint32_t least,
		    uint32_t field, uint32_t length)
{
	size_t there = size - h->ip;

	h->cut = false;
	if (field == 0 && there > LENGTH_MAX)
		length = (uint32_t)there;
	if (length < least)
		return false;
	if (length > there) {
		h->cut = true;
		length = (uint32_t)there;
	}
	h->end = h->ip + length;
	return true;
}

/* RFC 791, section 3.1 */
static bool parse_ip4(const unsigned char *b, size_t size, struct headers *h)
{
	uint32_t length = (b[0] & 0xfu) * 4, offset;

	if (size - h->ip < IP4_SIZE || length < IP4_SIZE ||
	    length > size - h->ip)
		return false;
	if (!set_end(h, size, length, get16(b + IP4_LENGTH),
		     get16(b + IP4_LENGTH)))
		return false;
	offset = get16(b + IP4_FRAGMENT) & (IP4_MF | IP4_OFFSET);
	h->transport = h->ip + length;
	h->proto = b[IP4_PROTO];
	h->fragment = offset != 0;
	h->payload = offset & IP4_OFFSET ? 0 : h->transport;
	return true;
}

/* Whether the protocol is an extension header that can be stepped over. Not so
 * the authentication header, as nothing behind it may be changed. */
static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_MH;
}

/* What a fragment header says: its offset, reserved bits, "more fragments". */
static void set_fragment(uint32_t field, struct headers *h)
{
	if (field & 0xfff9)
		h->fragment = true;
	if (field >> 3)
		h->payload = 0;
}

/* Step over one extension header. False when it is not whole. */
static bool skip_extension(const unsigned char *bytes, struct headers *h)
{
	const unsigned char *b = bytes + h->transport;
	uint32_t room = h->end - h->transport, length = 8;

	if (room < length)
		return false;
	if (h->proto != IPPROTO_FRAGMENT)
		length = (b[1] + 1u) * 8;
	else
		set_fragment(get16(b + 2), h);
	if (length > room)
		return false;
	h->proto = b[0];
	h->transport += length;
	return true;
}

/* RFC 8200, sections 3 and 4. A chain that is not whole ends at the header that
 * is not, as proto says. */
static bool parse_ip6(const unsigned char *bytes, size_t size,
		      struct headers *h)
{
	const unsigned char *b = bytes + h->ip;

	if (size - h->ip < IP6_SIZE ||
	    !set_end(h, size, IP6_SIZE, get16(b + IP6_LENGTH),
		     get16(b + IP6_LENGTH) + IP6_SIZE))
		return false;
	h->proto = b[IP6_NEXT];
	h->transport = h->payload = h->ip + IP6_SIZE;
	h->fragment = false;
	while (h->payload && is_extension(h->proto) && skip_extension(bytes, h))
		;
	if (h->payload)
		h->payload = h->transport;
	return true;
}

/* Step over a TCP (RFC 9293, section 3.1) or UDP header (RFC 768). */
static uint32_t payload_of(const unsigned char *bytes, const struct headers *h)
{
	uint32_t room = h->end - h->transport, length = 0;

	if (h->proto == IPPROTO_TCP) {
		if (room < TCP_SIZE)
			return 0;
		length =
			(uint32_t)(bytes[h->transport + TCP_DATA_OFFSET] >> 4) *
			4;
		if (length < TCP_SIZE)
			return 0;
	} else if (h->proto == IPPROTO_UDP) {
		length = UDP_SIZE;
	}
	return length > room ? 0 : h->transport + length;
}

bool headers_at(const unsigned char *bytes, size_t size, size_t ip,
		struct headers *h)
{
	if (ip >= size || size > UINT32_MAX)
		return false;
	h->ip = (uint32_t)ip;
	h->version = bytes[ip] >> 4;
	if (h->version == 4 && !parse_ip4(bytes + ip, size, h))
		return false;
	if (h->version == 6 && !parse_ip6(bytes, size, h))
		return false;
	if (h->version != 4 && h->version != 6)
		return false;
	if (h->payload)
		h->payload = payload_of(bytes, h);
	return true;
}

uint32_t headers_pseudo(const unsigned char *ip, uint8_t version,
			uint64_t proto_and_length)
{
	if (version == 4)
		return checksum(ip + IP4_SRC, (size_t)2 * IP4_ADDRESS,
				proto_and_length);
	return checksum(ip + IP6_SRC, (size_t)2 * IP6_ADDRESS,
			proto_and_length);
}
