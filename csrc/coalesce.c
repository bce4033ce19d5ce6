/* coalesce.c -- joining consecutive segments of a flow into super-packets.
 *
 * What joins is what joins in the kernel's GRO (Linux: net/core/gro.c,
 * include/net/gro.h, net/ipv4/tcp_offload.c, udp_offload.c, af_inet.c,
 * net/ipv6/ip6_offload.c): all that splitting could not restore must be equal.
 */
#include "coalesce.h"

#include "checksum.h"
#include "headers.h"

#include <linux/if_tun.h>
#include <netinet/in.h>
#include <string.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	IP4_SIZE = 20,
	IP6_SIZE = 40,
	IP4_DF = 0x4000,
	IP_MOST = 65535, /* the longest that a length field can tell */

	TCP_SIZE = 20,
	TCP_FIN = 1,
	TCP_PSH = 8,
	TCP_ACK = 0x10,
	TCP_ECE = 0x40,
	TCP_FLAGS = 0x1ff,
	TCP_CHECK = 16, /* offset of the checksum */

	UDP_CHECK = 6,
	UDP_SEGMENTS = 64, /* UDP_GRO_CNT_MAX of the kernel */

	SUM_RIGHT = 0xffff, /* what a right checksum makes of the sum */
	PLACES = 2 * COALESCE_MOST,
	PROBES = 8, /* places where a flow is looked for */
	BARRIERS = 256,
};

/* A packet that belongs to a flow. */
struct packet {
	const unsigned char *bytes;
	uint32_t hash;
	uint32_t seq;	 /* TCP */
	uint16_t number; /* of its unit */
	uint16_t ip, transport, payload;
	uint16_t length; /* of the payload, if it joins */
	uint8_t version, proto;
	bool joins; /* it may be in a super-packet at all */
	bool ends;  /* and nothing can stand behind it there */
};

/* The super-packet that the last packet of a flow is in. */
struct flow {
	struct packet first;
	uint16_t last;	/* number of the unit */
	uint16_t count; /* how many there are */
	uint16_t seen;	/* number of the flow's last unit + 1 */
	bool back;	/* another one can be put behind it */
	bool front;
	bool fixed;    /* all have the same IPv4 ID */
	bool sound;    /* the first one's checksums are right */
	uint32_t size; /* of its IP packet */
};

struct work {
	struct unit *units;
	unsigned int allowed; /* TUN_F_* */
	bool ethernet;
	bool barred;	  /* barriers are in use */
	uint32_t mask;	  /* places in use - 1 */
	uint32_t count;	  /* of flows */
	uint32_t packets; /* how many there will be */
	uint16_t barriers[BARRIERS];
	uint16_t places[PLACES]; /* by hash: number of a flow + 1; 0: none */
	struct flow flows[COALESCE_MOST];
};

/* -- Reading a packet --------------------------------------------------------
 */

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

/* Multiplicative hashing, by 2^64 over the golden ratio (Knuth, volume 3, 6.4).
 */
static uint64_t mix(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15u;
	return value ^ value >> 32;
}

/* A hash of both addresses. */
static uint64_t mix_addresses(const unsigned char *ip, uint8_t version)
{
	uint64_t value;

	if (version == 4)
		return mix(load64(ip + 12));
	value = mix(load64(ip + 8)) ^ load64(ip + 16);
	value = mix(value) ^ load64(ip + 24);
	return mix(mix(value) ^ load64(ip + 32));
}

/* The bit of TUN_F_* for super-packets of a kind. */
static unsigned int feature(const struct headers *h)
{
	if (h->proto == IPPROTO_TCP)
		return h->version == 4 ? TUN_F_TSO4 : TUN_F_TSO6;
	return h->version == 4 ? TUN_F_USO4 : TUN_F_USO6;
}

/* Whether there are neither options nor extension headers, it is no fragment,
 * and nothing stands behind its end: inet_gro_receive(), ipv6_gro_receive(). */
static bool ip_joins(const unsigned char *bytes, size_t size,
		     const struct headers *h)
{
	uint32_t header = h->version == 4 ? IP4_SIZE : IP6_SIZE;

	return h->transport - h->ip == header && h->end == size && !h->cut &&
	       h->end - h->ip <= IP_MOST && h->end > h->payload &&
	       (h->version == 6 ||
		(get16(bytes + h->ip + 6) & ~(uint32_t)IP4_DF) == 0);
}

/* tcp_gro_receive(): nothing but data, acknowledged, pushed, the last of it, or
 * with an ECN echo. */
static bool tcp_joins(const unsigned char *tcp, struct packet *p)
{
	uint32_t flags = get16(tcp + 12) & TCP_FLAGS;

	p->seq = get32(tcp + 4);
	p->ends = flags & (TCP_PSH | TCP_FIN);
	flags &= ~(uint32_t)(TCP_PSH | TCP_FIN | TCP_ECE);
	return flags == TCP_ACK;
}

/* udp_gro_receive_segment(): the right length, and a checksum. */
static bool udp_joins(const unsigned char *udp, const struct headers *h)
{
	return get16(udp + 4) == h->end - h->transport &&
	       get16(udp + UDP_CHECK) != 0;
}

/* A packet whose ports cannot be told may be of any flow between its addresses:
 * nothing passes it. */
static void bar(struct work *w, size_t number, uint64_t addresses)
{
	if (!w->barred)
		memset(w->barriers, 0, sizeof(w->barriers));
	w->barred = true;
	w->barriers[addresses % BARRIERS] = (uint16_t)(number + 1);
}

static void describe(const struct work *w, const struct headers *h,
		     struct packet *p)
{
	const struct unit *unit = &w->units[p->number];

	p->bytes = unit->bytes;
	p->ip = (uint16_t)h->ip;
	p->transport = (uint16_t)h->transport;
	p->payload = (uint16_t)h->payload;
	p->length = (uint16_t)(h->end - h->payload);
	p->version = h->version;
	p->proto = h->proto;
	p->joins = (w->allowed & feature(h)) != 0 &&
		   !(unit->vnet && unit->vnet->gso_type) &&
		   ip_joins(unit->bytes, unit->size, h);
	if (p->proto == IPPROTO_TCP)
		p->joins &= tcp_joins(p->bytes + p->transport, p);
	else
		p->joins &= udp_joins(p->bytes + p->transport, h);
}

/* Read unit number p->number. False when it has no flow. */
static bool parse(struct work *w, struct packet *p)
{
	const struct unit *unit = &w->units[p->number];
	struct headers h;
	uint64_t hash;

	if (!headers(unit->bytes, unit->size, w->ethernet, &h))
		return false;
	if (h.proto != IPPROTO_TCP && h.proto != IPPROTO_UDP && !h.fragment)
		return false;
	hash = mix_addresses(unit->bytes + h.ip, h.version);
	if (h.fragment || !h.payload) {
		bar(w, p->number, hash);
		return false;
	}
	hash ^= load32(unit->bytes + h.transport);
	p->hash = (uint32_t)mix(hash ^ (uint64_t)h.proto << 32);
	describe(w, &h, p);
	return true;
}

/* -- Finding its flow ---------------------------------------------------------
 */

static bool same_flow(const struct packet *a, const struct packet *b)
{
	size_t at = a->version == 4 ? 12 : 8, n = a->version == 4 ? 8 : 32;

	return a->hash == b->hash && a->version == b->version &&
	       a->proto == b->proto &&
	       load32(a->bytes + a->transport) ==
		       load32(b->bytes + b->transport) &&
	       memcmp(a->bytes + a->ip + at, b->bytes + b->ip + at, n) == 0;
}

/* The flow of a packet, which is a new one, and empty, when it is not found at
 * few places. A flow that is forgotten so joins no more: nothing worse. */
static struct flow *find(struct work *w, const struct packet *p)
{
	uint32_t i, at = p->hash & w->mask;
	struct flow *flow;

	for (i = 0; i < PROBES; i++, at = (at + 1) & w->mask) {
		if (!w->places[at])
			break;
		flow = &w->flows[w->places[at] - 1];
		if (same_flow(&flow->first, p))
			return flow;
	}
	flow = &w->flows[w->count++];
	flow->back = flow->front = false;
	flow->seen = 0;
	w->places[at] = (uint16_t)w->count;
	return flow;
}

/* Whether a packet that may be of this flow came behind its last one. */
static bool barred(const struct work *w, const struct flow *flow,
		   const struct packet *p)
{
	uint64_t hash = mix_addresses(p->bytes + p->ip, p->version);

	return w->barriers[hash % BARRIERS] > flow->seen;
}

/* -- Whether it joins ---------------------------------------------------------
 */

/* The addresses and ports are the same already. */
static bool same_ip(const unsigned char *a, const unsigned char *b,
		    uint8_t version)
{
	if (version == 6) /* traffic class, flow label; hop limit */
		return load32(a) == load32(b) && a[7] == b[7];
	return a[1] == b[1] && a[6] == b[6] && a[8] == b[8];
}

/* Acknowledgment, flags and window, urgent pointer, options: a header of n
 * bytes. */
static bool same_tcp(const unsigned char *a, const unsigned char *b, size_t n)
{
	uint32_t ends = htonl((uint32_t)(TCP_FIN | TCP_PSH) << 16);

	return load32(a + 8) == load32(b + 8) &&
	       ((load32(a + 12) ^ load32(b + 12)) & ~ends) == 0 &&
	       get16(a + 18) == get16(b + 18) &&
	       memcmp(a + TCP_SIZE, b + TCP_SIZE, n - TCP_SIZE) == 0;
}

static bool same_headers(const struct packet *a, const struct packet *b)
{
	return a->ip == b->ip && a->transport == b->transport &&
	       a->payload == b->payload &&
	       memcmp(a->bytes, b->bytes, a->ip) == 0 &&
	       same_ip(a->bytes + a->ip, b->bytes + b->ip, a->version) &&
	       (a->proto == IPPROTO_UDP ||
		same_tcp(a->bytes + a->transport, b->bytes + b->transport,
			 (size_t)(a->payload - a->transport)));
}

/* By how much the IPv4 ID of b is above that of a. */
static uint16_t id_step(const struct packet *a, const struct packet *b)
{
	return (uint16_t)(get16(b->bytes + b->ip + 4) -
			  get16(a->bytes + a->ip + 4));
}

/* Whether the IPv4 IDs of two packets, n steps from each other, are those of
 * one flow: each above the one before, or, where it says nothing as they must
 * not be fragmented (RFC 6864, section 4), the same. Decided by the first two.
 */
static bool same_ids(const struct flow *flow, const struct packet *a,
		     const struct packet *b, uint16_t n)
{
	uint16_t step;

	if (a->version == 6)
		return true;
	step = id_step(a, b);
	if (flow->count == 1 && step == 0)
		return (a->bytes[a->ip + 6] & IP4_DF >> 8) != 0;
	return step == (flow->fixed ? 0 : n);
}

/* Whether the packet is as long as the others, or may be the shorter last one,
 * and is the next in sequence. */
static bool fits_back(const struct flow *flow, const struct packet *p)
{
	const struct packet *first = &flow->first;
	uint32_t most = UDP_SEGMENTS;

	if (!flow->back || p->length > first->length)
		return false;
	if (p->proto == IPPROTO_TCP) {
		most = SEGMENTS_MOST;
		if (p->seq !=
		    first->seq + (uint32_t)flow->count * first->length)
			return false;
	}
	return flow->count < most && flow->size + p->length <= IP_MOST &&
	       same_headers(first, p) && same_ids(flow, first, p, flow->count);
}

/* Whether the packet is what stands in front in sequence; where there is only
 * one, that may be the shorter last one. */
static bool fits_front(const struct flow *flow, const struct packet *p)
{
	const struct packet *first = &flow->first;

	return flow->front && !p->ends && p->seq + p->length == first->seq &&
	       (flow->count == 1 ? p->length >= first->length
				 : p->length == first->length) &&
	       flow->count < SEGMENTS_MOST &&
	       flow->size + p->length <= IP_MOST && same_headers(p, first) &&
	       same_ids(flow, p, first, 1);
}

/* Whether a header of TCP or UDP and what follows it sum up. 0xffff and 0 are
 * the same number, but only one of them comes back when it is computed anew. */
static bool right_sum(const struct packet *p)
{
	const unsigned char *from = p->bytes + p->transport;
	size_t n = (size_t)(p->payload - p->transport) + p->length;
	size_t at = p->version == 4 ? 12 : 8, size = p->version == 4 ? 8 : 32;
	uint32_t pseudo = checksum(p->bytes + p->ip + at, size, n + p->proto);

	if (p->proto == IPPROTO_TCP && get16(from + TCP_CHECK) == 0xffff)
		return false;
	return checksum(from, n, pseudo) == SUM_RIGHT;
}

static uint16_t check_offset(const struct packet *p)
{
	return p->proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

/* Whether the checksums of a packet are right, as far as is not known. */
static bool sound(const struct work *w, const struct packet *p)
{
	const struct vnet *vnet = w->units[p->number].vnet;
	const unsigned char *ip = p->bytes + p->ip;

	if (p->version == 4 && (get16(ip + 10) == 0xffff ||
				checksum(ip, IP4_SIZE, 0) != SUM_RIGHT))
		return false;
	if (vnet && vnet->flags & VNET_NEEDS_CSUM)
		return vnet->csum_start == p->transport &&
		       vnet->csum_offset == check_offset(p);
	return (vnet && vnet->flags & VNET_DATA_VALID) || right_sum(p);
}

/* -- Joining ------------------------------------------------------------------
 */

/* Let the packet be the only one in the flow's last super-packet. */
static void begin(struct flow *flow, const struct packet *p)
{
	flow->first = *p;
	flow->last = p->number;
	flow->count = 1;
	flow->back = p->joins && !p->ends;
	flow->front = p->joins && p->proto == IPPROTO_TCP;
	flow->fixed = flow->sound = false;
	flow->size = (uint32_t)(p->payload - p->ip) + p->length;
}

static void put_back(struct work *w, struct flow *flow, const struct packet *p)
{
	flow->fixed = id_step(&flow->first, p) == 0;
	flow->back = !p->ends && p->length == flow->first.length;
	w->units[flow->last].next = p->number;
	w->units[p->number].follows = true;
	flow->last = p->number;
}

static void put_front(struct work *w, struct flow *flow, const struct packet *p)
{
	flow->fixed = id_step(p, &flow->first) == 0;
	flow->back &= p->length == flow->first.length;
	w->units[p->number].next = flow->first.number;
	w->units[flow->first.number].follows = true;
	flow->first = *p;
}

/* Note at the first unit how the super-packet is now. */
static void note(struct work *w, struct flow *flow, const struct packet *p)
{
	struct unit *first = &w->units[flow->first.number];

	flow->size += p->length;
	flow->count++;
	first->last = flow->last;
	first->count = flow->count;
	w->packets--;
}

/* Join a packet with the last super-packet of its flow, or begin another. What
 * is summed is only what would join otherwise. */
static void add(struct work *w, struct flow *flow, struct packet *p)
{
	bool back = p->joins && fits_back(flow, p);
	bool front = p->joins && !back && fits_front(flow, p);

	if ((back || front) && !flow->sound) {
		flow->sound = sound(w, &flow->first);
		back &= flow->sound;
		front &= flow->sound;
	}
	if (back || front)
		p->joins = sound(w, p);
	if (!p->joins || (!back && !front)) {
		begin(flow, p);
		return;
	}
	back ? put_back(w, flow, p) : put_front(w, flow, p);
	note(w, flow, p);
}

static void add_unit(struct work *w, size_t number)
{
	struct unit *unit = &w->units[number];
	struct packet p = { .number = (uint16_t)number };
	struct flow *flow;

	unit->next = NO_PACKET;
	unit->last = (uint16_t)number;
	unit->count = 1;
	unit->payload = 0;
	unit->follows = false;
	if (!parse(w, &p))
		return;
	unit->payload = p.payload;
	flow = find(w, &p);
	if (w->barred && barred(w, flow, &p))
		flow->back = flow->front = false;
	add(w, flow, &p);
	flow->seen = (uint16_t)(number + 1);
}

size_t coalesce(struct unit *units, size_t n, unsigned int allowed,
		bool ethernet)
{
	struct work w; /* large, and most of it is not needed */
	size_t i, places = 2 * PROBES;

	while (places < 2 * n)
		places *= 2;
	memset(w.places, 0, places * sizeof(*w.places));
	w.units = units;
	w.allowed = allowed;
	w.ethernet = ethernet;
	w.barred = false;
	w.mask = (uint32_t)places - 1;
	w.count = 0;
	w.packets = (uint32_t)n;
	for (i = 0; i < n; i++)
		add_unit(&w, i);
	return w.packets;
}

/* -- The headers of a super-packet -------------------------------------------
 */

/* Lengths and checksums; n is the length of the IP packet. */
static void write_headers(unsigned char *bytes, const struct headers *h,
			  uint32_t n)
{
	unsigned char *ip = bytes + h->ip, *transport = bytes + h->transport;
	uint32_t length = n - (h->transport - h->ip);
	bool tcp = h->proto == IPPROTO_TCP;

	if (h->version == 4) {
		put16(ip + 2, n);
		put16(ip + 10, 0);
		put16(ip + 10, ~checksum(ip, IP4_SIZE, 0));
	} else {
		put16(ip + 4, length);
	}
	if (!tcp)
		put16(transport + 4, length);
	put16(transport + (tcp ? TCP_CHECK : UDP_CHECK),
	      h->version == 4 ? checksum(ip + 12, 8, length + h->proto)
			      : checksum(ip + 8, 32, length + h->proto));
}

static uint8_t gso_type(const struct headers *h)
{
	if (h->proto == IPPROTO_UDP)
		return GSO_UDP_L4;
	return h->version == 4 ? GSO_TCPV4 : GSO_TCPV6;
}

void join(const struct unit *units, size_t first, bool ethernet,
	  struct joined *joined)
{
	const struct unit *unit = &units[first], *last = &units[unit->last];
	uint32_t segment = unit->size - unit->payload;
	struct headers h = { 0 };

	headers(unit->bytes, unit->size, ethernet, &h);
	joined->size = unit->payload;
	joined->total = unit->size + (unit->count - 2u) * segment +
			(last->size - last->payload);
	memcpy(joined->headers, unit->bytes, unit->payload);
	if (h.proto == IPPROTO_TCP)
		joined->headers[h.transport + 13] |=
			last->bytes[h.transport + 13];
	write_headers(joined->headers, &h, joined->total - h.ip);
	joined->vnet = (struct vnet){
		.flags = VNET_NEEDS_CSUM,
		.gso_type = gso_type(&h),
		.hdr_len = unit->payload,
		.gso_size = (uint16_t)segment,
		.csum_start = (uint16_t)h.transport,
		.csum_offset = h.proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK,
	};
}
