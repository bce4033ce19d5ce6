/* gro.c -- joining consecutive segments of a flow into super-packets.
 *
 * As the kernel's GRO does it (Linux: net/core/gro.c, tcp_gro_receive(),
 * udp_gro_receive_segment()), and in both orders; but all at once, so that what
 * joins is found out before anything is moved. */
#include "gro.h"

#include "checksum.h"
#include "flow.h"
#include "headers.h"

#include <netinet/in.h>
#include <string.h>

enum {
	UDP_SEGMENTS = 64, /* UDP_GRO_CNT_MAX of the kernel */
	PLACES_LEAST = 16,
	PLACES = 2 * COALESCE_MOST,
	PROBES = 8, /* places where a flow is looked for */
	BARRIERS = 256,
};

/* The super-packet that the last packet of a flow is in. */
struct flow {
	struct flow_packet first;
	uint32_t size;	/* of its IP packet */
	uint16_t last;	/* number of the packet */
	uint16_t count; /* how many there are */
	uint16_t seen;	/* number of the flow's last packet + 1 */
	bool back;	/* another one can be put behind it */
	bool front;
	bool fixed; /* all have the same IPv4 ID */
	bool sound; /* the first one's checksums are right */
};

struct work {
	struct gro_packet *packets;
	unsigned int allowed; /* TUN_F_* */
	bool barred;	      /* barriers are in use */
	uint32_t mask;	      /* places in use - 1 */
	uint32_t count;	      /* of flows */
	uint32_t left;	      /* how many there will be */
	struct flow *recent;  /* in which the packet before was */
	uint16_t barriers[BARRIERS];
	uint16_t places[PLACES]; /* by hash: number of a flow + 1; 0: none */
	struct flow flows[COALESCE_MOST];
};

/* -- Finding the flow of a packet ------------------------------------------ */

/* A packet whose ports are not known may be of any flow between its addresses:
 * nothing passes it. */
static void add_barrier(struct work *w, size_t number, uint32_t addresses)
{
	if (!w->barred)
		memset(w->barriers, 0, sizeof(w->barriers));
	w->barred = true;
	w->barriers[addresses % BARRIERS] = (uint16_t)(number + 1);
}

/* Whether such a packet came behind the last one of a flow. */
static bool is_barred(const struct work *w, const struct flow *flow,
		      const struct flow_packet *m)
{
	return w->barred &&
	       w->barriers[flow_hash_addresses(m) % BARRIERS] > flow->seen;
}

/* The flow of a packet, which is a new one, and empty, when it is not found at
 * few places. One that has to give way joins no more: nothing worse. */
static struct flow *find_flow(struct work *w, const struct flow_packet *m)
{
	uint32_t i, home = m->hash & w->mask, at = home;
	struct flow *flow;

	for (i = 0; i < PROBES && w->places[at]; i++) {
		flow = &w->flows[w->places[at] - 1];
		if (flow_equal(&flow->first, m))
			return flow;
		at = (at + 1) & w->mask;
	}
	if (i == PROBES)
		at = home;
	flow = &w->flows[w->count++];
	flow->back = flow->front = false;
	flow->seen = 0;
	w->places[at] = (uint16_t)w->count;
	return flow;
}

/* -- Whether it joins ------------------------------------------------------ */

/* By how much the IPv4 ID of b is above that of a. */
static uint16_t id_step(const struct flow_packet *a,
			const struct flow_packet *b)
{
	return (uint16_t)(get16(b->bytes + b->ip + IP4_ID) -
			  get16(a->bytes + a->ip + IP4_ID));
}

/* Whether the IPv4 IDs of two packets, n steps from each other, are those of
 * one flow: each above the one before, or, where it says nothing as they must
 * not be fragmented (RFC 6864, section 4), the same. Decided by the first two.
 */
static bool same_ids(const struct flow *flow, const struct flow_packet *a,
		     const struct flow_packet *b, uint16_t n)
{
	uint16_t step;

	if (a->version == 6)
		return true;
	step = id_step(a, b);
	if (flow->count == 1 && step == 0)
		return (a->bytes[a->ip + IP4_FRAGMENT] & IP4_DF >> 8) != 0;
	return step == (flow->fixed ? 0 : n);
}

/* Whether the packet, whose headers are the same, is as long as the others, or
 * may be the shorter last one, and is the next in sequence. */
static bool fits_back(const struct flow *flow, const struct flow_packet *m)
{
	const struct flow_packet *first = &flow->first;
	uint32_t most = UDP_SEGMENTS;

	if (!flow->back || m->length > first->length)
		return false;
	if (m->proto == IPPROTO_TCP) {
		most = SEGMENTS_MOST;
		if (m->seq !=
		    first->seq + (uint32_t)flow->count * first->length)
			return false;
	}
	return flow->count < most && flow->size + m->length <= LENGTH_MAX &&
	       same_ids(flow, first, m, flow->count);
}

/* Whether the packet is what stands in front in sequence; where there is only
 * one, that may be the shorter last one. */
static bool fits_front(const struct flow *flow, const struct flow_packet *m)
{
	const struct flow_packet *first = &flow->first;

	return flow->front && !m->ends && m->seq + m->length == first->seq &&
	       (flow->count == 1 ? m->length >= first->length
				 : m->length == first->length) &&
	       flow->count < SEGMENTS_MOST &&
	       flow->size + m->length <= LENGTH_MAX &&
	       same_ids(flow, m, first, 1);
}

/* -- Joining --------------------------------------------------------------- */

/* Let the packet be the only one in the flow's last super-packet. */
static void flow_begin(struct flow *flow, const struct flow_packet *m)
{
	flow->first = *m;
	flow->last = m->number;
	flow->count = 1;
	flow->back = m->joins && !m->ends;
	flow->front = m->joins && m->proto == IPPROTO_TCP;
	flow->fixed = flow->sound = false;
	flow->size = m->payload - m->ip + m->length;
}

static void flow_append(struct work *w, struct flow *flow,
			const struct flow_packet *m)
{
	flow->fixed = id_step(&flow->first, m) == 0;
	flow->back = !m->ends && m->length == flow->first.length;
	w->packets[flow->last].next = m->number;
	w->packets[m->number].follows = true;
	flow->last = m->number;
}

static void flow_prepend(struct work *w, struct flow *flow,
			 const struct flow_packet *m)
{
	flow->fixed = id_step(m, &flow->first) == 0;
	flow->back &= m->length == flow->first.length;
	w->packets[m->number].next = flow->first.number;
	w->packets[flow->first.number].follows = true;
	flow->first = *m;
}

/* Note at the first packet how the super-packet is now. */
static void flow_count(struct work *w, struct flow *flow,
		       const struct flow_packet *m)
{
	struct gro_packet *first = &w->packets[flow->first.number];

	flow->size += m->length;
	flow->count++;
	first->last = flow->last;
	first->count = flow->count;
	w->left--;
}

/* Whether the checksums of a packet are right, as far as is not known. */
static bool is_right(const struct work *w, const struct flow_packet *m)
{
	return flow_verify(m, w->packets[m->number].vnet);
}

/* Join a packet with the last super-packet of its flow, or begin another. What
 * is summed is only what would join otherwise. */
static void flow_add(struct work *w, struct flow *flow, struct flow_packet *m,
		     bool alike)
{
	bool back = alike && m->joins && fits_back(flow, m);
	bool fits = back || (alike && m->joins && fits_front(flow, m));

	if (fits && !flow->sound)
		fits = flow->sound = is_right(w, &flow->first);
	if (fits)
		fits = m->joins = is_right(w, m);
	if (!fits) {
		flow_begin(flow, m);
		return;
	}
	back ? flow_append(w, flow, m) : flow_prepend(w, flow, m);
	flow_count(w, flow, m);
}

/* Read a packet that is not as the one before, and find its flow. NULL when it
 * has none. */
static struct flow *lookup(struct work *w, const struct gro_packet *packet,
			   struct flow_packet *m, bool ethernet)
{
	switch (flow_read(packet->bytes, packet->size, ethernet, m)) {
	case IN_ANY:
		add_barrier(w, (size_t)(packet - w->packets), m->hash);
		return NULL;
	case IN_FLOW:
		m->joins = m->joins && w->allowed & flow_feature(m);
		return find_flow(w, m);
	default:
		return NULL;
	}
}

static void add_packet(struct work *w, uint16_t number, bool ethernet)
{
	struct gro_packet *packet = &w->packets[number];
	struct flow *flow = w->recent;
	struct flow_packet m;
	bool alike = flow && flow_read_alike(&flow->first, packet->bytes,
					     packet->size, &m);

	packet->next = NO_PACKET;
	packet->payload = 0;
	packet->last = number;
	packet->count = 1;
	packet->follows = false;
	if (!alike)
		flow = lookup(w, packet, &m, ethernet);
	if (!flow)
		return;
	if (m.joins)
		packet->payload = (uint16_t)m.payload;
	m.number = number;
	if (packet->vnet && packet->vnet->gso_type)
		m.joins = false;
	if (is_barred(w, flow, &m))
		flow->back = flow->front = false;
	if (flow->back || flow->front)
		alike = alike || flow_same_headers(&flow->first, &m);
	flow_add(w, flow, &m, alike && (flow->back || flow->front));
	flow->seen = number + 1;
	w->recent = flow;
}

size_t gro_coalesce(struct gro_packet *packets, size_t n, unsigned int allowed,
		    bool ethernet)
{
	struct work w; /* large, and most of it is not needed */
	size_t i, places = PLACES_LEAST;

	ensure(n <= COALESCE_MOST);
	while (places < 2 * n)
		places *= 2;
	memset(w.places, 0, places * sizeof(*w.places));
	w.packets = packets;
	w.allowed = allowed;
	w.barred = false;
	w.recent = NULL;
	w.mask = (uint32_t)places - 1;
	w.count = 0;
	w.left = (uint32_t)n;
	for (i = 0; i < n; i++)
		add_packet(&w, (uint16_t)i, ethernet);
	return w.left;
}

/* -- The headers of a super-packet ----------------------------------------- */

static uint8_t gso_type(const struct flow_packet *m)
{
	if (m->proto == IPPROTO_UDP)
		return GSO_UDP_L4;
	return m->version == 4 ? GSO_TCPV4 : GSO_TCPV6;
}

/* Write what is about the whole: lengths, the checksum of an IPv4 header, and
 * that of a pseudo header (RFC 9293, 3.1; RFC 8200, 8.1). n is the length of
 * the IP packet. */
static void write_headers(unsigned char *bytes, const struct flow_packet *m,
			  uint32_t n, uint32_t check_offset)
{
	unsigned char *ip = bytes + m->ip, *transport = bytes + m->transport;
	uint32_t length = n - (m->transport - m->ip);

	if (m->version == 4) {
		put16(ip + IP4_LENGTH, n);
		put16(ip + IP4_CHECKSUM, 0);
		put16(ip + IP4_CHECKSUM, ~checksum(ip, IP4_SIZE, 0));
	} else {
		put16(ip + IP6_LENGTH, length);
	}
	if (m->proto == IPPROTO_UDP)
		put16(transport + UDP_LENGTH, length);
	put16(transport + check_offset,
	      headers_pseudo(ip, m->version, length + m->proto));
}

bool gro_join(const struct gro_packet *packets, size_t first, bool ethernet,
	      struct gro_joined *joined)
{
	const struct gro_packet *packet = &packets[first],
				*last = &packets[packet->last];
	uint32_t segment = packet->size - packet->payload,
		 check_offset = UDP_CHECKSUM;
	struct flow_packet m;

	if (flow_read(packet->bytes, packet->size, ethernet, &m) != IN_FLOW ||
	    !m.joins || m.payload != packet->payload)
		return false;
	joined->size = packet->payload;
	joined->total = packet->size + (packet->count - 2u) * segment +
			(last->size - last->payload);
	memcpy(joined->headers, packet->bytes, packet->payload);
	if (m.proto == IPPROTO_TCP) {
		check_offset = TCP_CHECKSUM;
		joined->headers[m.transport + TCP_FLAGS] |=
			last->bytes[m.transport + TCP_FLAGS];
	}
	write_headers(joined->headers, &m, joined->total - m.ip, check_offset);
	joined->vnet = (struct vnet){
		.flags = VNET_NEEDS_CSUM,
		.gso_type = gso_type(&m),
		.hdr_len = packet->payload,
		.gso_size = (uint16_t)segment,
		.csum_start = (uint16_t)m.transport,
		.csum_offset = (uint16_t)check_offset,
	};
	return true;
}
