/* rewrite.c -- changing headers of a packet, and the checksums with them
 * (RFC 1624). What a device is to complete stays partial: the sum of the pseudo
 * header. */
#include "rewrite.h"

#include "checksum.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

/* Transport protocols: where the checksum is, whether it covers addresses, and
 * whether source and destination port come first. */
static const struct transport {
	uint8_t proto, size, checksum;
	bool addresses, ports;
} transports[] = {
	{ IPPROTO_TCP, TCP_SIZE, TCP_CHECKSUM, true, true },
	{ IPPROTO_UDP, UDP_SIZE, UDP_CHECKSUM, true, true },
	{ IPPROTO_ICMP, ICMP_SIZE, ICMP_CHECKSUM, false, false },
	{ IPPROTO_ICMPV6, ICMP_SIZE, ICMP_CHECKSUM, true, false },
};

/* -- Looking --------------------------------------------------------------- */

static const struct transport *transportof(const struct headers *h)
{
	size_t i;

	if (!h->payload)
		return NULL;
	for (i = 0; i < sizeof(transports) / sizeof *(transports); i++)
		if (transports[i].proto == h->proto &&
		    transports[i].size <= h->end - h->transport)
			return &transports[i];
	return NULL;
}

/* Whether a TCP or UDP header should be there, and is not whole. */
static bool is_cut(const struct headers *h)
{
	return !h->payload && !h->fragment &&
	       (h->proto == IPPROTO_TCP || h->proto == IPPROTO_UDP);
}

bool rewrite_begin(struct rewrite *t, unsigned char *bytes, size_t size,
		   const struct vnet *vnet, bool ethernet)
{
	if (!headers_find(bytes, size, ethernet, &t->h) || is_cut(&t->h))
		return false;
	t->bytes = bytes;
	t->ip = bytes + t->h.ip;
	t->src = t->ip + (t->h.version == 6 ? IP6_SRC : IP4_SRC);
	t->width = t->h.version == 6 ? IP6_ADDRESS : IP4_ADDRESS;
	t->vnet = vnet;
	t->transport = transportof(&t->h);
	t->ethernet = ethernet;
	t->header = t->addresses = t->ports = 0;
	return true;
}

/* The address of the pseudo header: the last one of a routing header that has
 * some to be visited yet (RFC 8200, 8.1; RFC 8754, 2), else the destination. */
static const unsigned char *pseudo_dst(const struct rewrite *t)
{
	const unsigned char *b = t->ip + IP6_SIZE;
	uint8_t proto = t->ip[IP6_NEXT];
	size_t size;

	if (t->h.version == 4)
		return t->src + t->width;
	for (; b < t->bytes + t->h.transport; b += size) {
		size = proto == IPPROTO_FRAGMENT ? 8 : (b[1] + 1u) * 8;
		if (proto == IPPROTO_ROUTING && b[3] > 0 && size >= 24)
			return b + (b[2] == 4 ? 8 : size - 16);
		proto = b[0];
	}
	return t->src + t->width;
}

/* Whether a device is to complete the transport's checksum. */
static bool partial(const struct rewrite *t)
{
	const struct vnet *vnet = t->vnet;

	if (!vnet)
		return false;
	if (vnet->gso_type & GSO_TUNNEL && vnet->flags & VNET_TUNNEL_CSUM &&
	    vnet->outer_th_offset == t->h.transport)
		return true;
	return vnet->flags & VNET_NEEDS_CSUM &&
	       vnet->csum_start == t->h.transport &&
	       vnet->csum_offset == t->transport->checksum;
}

/* -- Changing -------------------------------------------------------------- */

/* Replace n bytes, an even number. Returns the change of a sum. */
static uint32_t replace(unsigned char *at, const void *bytes, size_t n)
{
	uint32_t old = checksum(at, n, 0);

	memcpy(at, bytes, n);
	return checksum(at, n, 0xffff ^ old);
}

/* Let a checksum know of changes, as a sum. */
static void adjust(unsigned char *field, uint32_t change, bool udp)
{
	checksum_put(field, checksum_fold((0xffff ^ get16(field)) + change),
		     udp);
}

void rewrite_end(struct rewrite *t)
{
	unsigned char *field = t->ip + IP4_CHECKSUM;
	bool udp = t->h.proto == IPPROTO_UDP;
	uint32_t addresses = 0;

	if (t->h.version == 4 && t->header)
		adjust(field, t->header, false);
	if (t->transport && t->transport->addresses)
		addresses = t->addresses;
	if (!t->transport || !(addresses | t->ports))
		return;
	field = t->bytes + t->h.transport + t->transport->checksum;
	if (partial(t))
		put16(field, checksum_fold(get16(field) + addresses));
	else if (!udp || get16(field))
		adjust(field, addresses + t->ports, udp);
}

void rewrite_set_ttl(struct rewrite *t, uint32_t ttl)
{
	unsigned char word[2] = { (unsigned char)ttl, t->ip[IP4_TTL + 1] };

	if (t->h.version == 6)
		t->ip[IP6_HOP_LIMIT] = word[0];
	else
		t->header += replace(t->ip + IP4_TTL, word, 2);
}

/* The traffic class of IPv6, which the version and the flow label enclose. */
void rewrite_set_tos(struct rewrite *t, uint32_t tos)
{
	unsigned char word[2] = { t->ip[0], (unsigned char)tos };

	if (t->h.version == 6)
		put16(t->ip, (get16(t->ip) & 0xf00f) | tos << 4);
	else
		t->header += replace(t->ip, word, 2);
}

void rewrite_set_src(struct rewrite *t, const unsigned char *bytes)
{
	uint32_t change = replace(t->src, bytes, t->width);

	t->header += change;
	t->addresses += change;
}

void rewrite_set_dst(struct rewrite *t, const unsigned char *bytes)
{
	unsigned char *dst = t->src + t->width;
	bool covered = pseudo_dst(t) == dst;
	uint32_t change = replace(dst, bytes, t->width);

	t->header += change;
	if (covered)
		t->addresses += change;
}

/* Set the source port, or the destination port behind it. */
static void set_port(struct rewrite *t, size_t at, uint32_t port)
{
	unsigned char bytes[2] = { (unsigned char)(port >> 8),
				   (unsigned char)port };

	if (t->transport && t->transport->ports)
		t->ports += replace(t->bytes + t->h.transport + at, bytes, 2);
}

void rewrite_set_sport(struct rewrite *t, uint32_t port)
{
	set_port(t, 0, port);
}

void rewrite_set_dport(struct rewrite *t, uint32_t port)
{
	set_port(t, 2, port);
}

uint32_t rewrite_ttl(const struct rewrite *t)
{
	return t->ip[t->h.version == 6 ? IP6_HOP_LIMIT : IP4_TTL];
}

static void swap(unsigned char *a, unsigned char *b, size_t n)
{
	unsigned char old[16];

	memcpy(old, a, n);
	memcpy(a, b, n);
	memcpy(b, old, n);
}

/* The sums stay, unless there is an address that counts instead of the one that
 * becomes the source. */
void rewrite_reflect(struct rewrite *t)
{
	unsigned char *src = t->src, *dst = src + t->width;
	unsigned char *ports = t->bytes + t->h.transport;
	bool covered = pseudo_dst(t) == dst;
	uint32_t old = covered ? 0 : checksum(src, t->width, 0);

	if (t->ethernet)
		swap(t->bytes, t->bytes + ETH_ALEN, ETH_ALEN);
	swap(src, dst, t->width);
	if (!covered)
		t->addresses = checksum(src, t->width, 0xffff ^ old);
	if (t->transport && t->transport->ports)
		swap(ports, ports + 2, 2);
	rewrite_end(t);
}

/* -- Computing ------------------------------------------------------------- */

/* A length, or 0 for one that its field cannot hold (RFC 2675, section 4; BIG
 * TCP of Linux). */
static void put_length(unsigned char *field, size_t n)
{
	put16(field, n > LENGTH_MAX ? 0 : (uint32_t)n);
}

static void fix_ip(const struct rewrite *t)
{
	size_t n = t->h.end - t->h.ip;

	if (t->h.version == 6) {
		put_length(t->ip + IP6_LENGTH, n - IP6_SIZE);
		return;
	}
	put_length(t->ip + IP4_LENGTH, n);
	put16(t->ip + IP4_CHECKSUM, 0);
	checksum_put(t->ip + IP4_CHECKSUM,
		     checksum(t->ip, (size_t)(t->ip[0] & 0xfu) * 4, 0), false);
}

/* The sum of the pseudo header (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1). */
static uint32_t rewrite_pseudo(const struct rewrite *t)
{
	uint64_t rest = (uint64_t)t->h.end - t->h.transport + t->h.proto;

	return checksum(t->src, t->width,
			checksum(pseudo_dst(t), t->width, rest));
}

/* The sum from the transport header on. A partial checksum that lies in it will
 * make all it covers the complement of what it is now: what the device is to do
 * to it need not be known (linux/Documentation/networking/
 * checksum-offloads.rst, "LCO"). */
static uint32_t body(const struct rewrite *t, uint32_t sum)
{
	size_t from = t->h.transport, inner = 0, field = 0;

	if (t->vnet && t->vnet->flags & VNET_NEEDS_CSUM) {
		inner = t->vnet->csum_start;
		field = inner + t->vnet->csum_offset;
	}
	if (inner <= from || field + 2 > t->h.end)
		return checksum(t->bytes + from, t->h.end - from, sum);
	sum += 0xffff ^ get16(t->bytes + field);
	return checksum(t->bytes + from, inner - from, sum);
}

static void fix_transport(const struct rewrite *t)
{
	unsigned char *start = t->bytes + t->h.transport;
	unsigned char *field = start + t->transport->checksum;
	uint32_t sum = t->transport->addresses ? rewrite_pseudo(t) : 0;
	bool udp = t->h.proto == IPPROTO_UDP;

	if (udp)
		put_length(start + UDP_LENGTH, t->h.end - t->h.transport);
	if (partial(t)) {
		put16(field, sum);
	} else if (!udp || get16(field)) {
		put16(field, 0);
		checksum_put(field, body(t, sum), udp);
	}
}

void rewrite_fix(struct rewrite *t)
{
	fix_ip(t);
	if (t->transport && !t->h.fragment)
		fix_transport(t);
}
