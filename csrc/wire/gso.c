/* gso.c -- completing checksums and splitting super-packets, as a network
 * card does it (linux/Documentation/networking/segmentation-offloads.rst;
 * virtio 1.2, section 5.1.6.2). */
#include "gso.h"

#include "checksum.h"

#include <netinet/in.h>

/* Whether the place of a partial checksum is inside of the packet. */
static bool placed(const struct vnet *vnet, size_t size)
{
	return (size_t)vnet->csum_start + vnet->csum_offset + 2 <= size;
}

bool gso_complete(unsigned char *bytes, size_t size, struct vnet *vnet)
{
	unsigned char *start = bytes + vnet->csum_start;
	size_t offset = vnet->csum_offset;
	uint32_t sum;

	if (vnet->gso_type != GSO_NONE)
		return false;
	if (!(vnet->flags & VNET_NEEDS_CSUM))
		return true;
	if (!placed(vnet, size))
		return false;
	sum = checksum(start, size - vnet->csum_start, 0);
	checksum_put(start + offset, sum, offset == UDP_CHECKSUM);
	*vnet = (struct vnet){ .flags = VNET_DATA_VALID };
	return true;
}

/* Kinds of super-packets; version 0: any. */
static const struct gso_type {
	uint8_t gso_type, version, proto, checksum;
} gso_types[] = {
	{ GSO_TCPV4, 4, IPPROTO_TCP, TCP_CHECKSUM },
	{ GSO_TCPV6, 6, IPPROTO_TCP, TCP_CHECKSUM },
	{ GSO_UDP_L4, 0, IPPROTO_UDP, UDP_CHECKSUM },
};

static const struct gso_type *find_type(const struct vnet *vnet)
{
	uint8_t number = (uint8_t)(vnet->gso_type & ~(GSO_ECN | GSO_TUNNEL));
	size_t i;

	for (i = 0; i < sizeof(gso_types) / sizeof(*gso_types); i++)
		if (gso_types[i].gso_type == number)
			return &gso_types[i];
	return NULL;
}

/* Whether headers are all there and their packet is, in a size that a length
 * field can hold. */
static bool is_whole(const struct headers *h)
{
	size_t length = h->end - h->ip - (h->version == 6 ? IP6_SIZE : 0);

	return h->payload && !h->fragment && !h->cut && length <= LENGTH_MAX;
}

/* Find the headers, those of a tunnel as well. */
static bool find_headers(struct gso *s, size_t size, const struct vnet *vnet,
			 bool ethernet)
{
	int tunnel = vnet->gso_type & GSO_TUNNEL;

	s->outer.version = 0;
	if (!tunnel)
		return headers_find(s->bytes, size, ethernet, &s->inner) &&
		       is_whole(&s->inner);
	if (!headers_find(s->bytes, size, ethernet, &s->outer) ||
	    !is_whole(&s->outer))
		return false;
	if (s->outer.version != (tunnel == GSO_TUNNEL_IPV4 ? 4 : 6) ||
	    tunnel == GSO_TUNNEL || s->outer.proto != IPPROTO_UDP ||
	    s->outer.transport != vnet->outer_th_offset ||
	    s->outer.payload > vnet->inner_nh_offset)
		return false;
	s->guarded = vnet->flags & VNET_TUNNEL_CSUM ||
		     get16(s->bytes + s->outer.transport + UDP_CHECKSUM);
	return headers_at(s->bytes, s->outer.end, vnet->inner_nh_offset,
			  &s->inner) &&
	       is_whole(&s->inner);
}

/* Find the sum of the pseudo header. A partial checksum is that sum, with the
 * length; it knows the last address of a routing header too. */
static bool find_pseudo(struct gso *s, const struct gso_type *type,
			const struct vnet *vnet)
{
	uint32_t length = s->inner.end - s->inner.transport, seed;

	if (!(vnet->flags & VNET_NEEDS_CSUM)) {
		s->pseudo = headers_pseudo(s->bytes + s->inner.ip,
					   s->inner.version, s->inner.proto);
		return true;
	}
	seed = get16(s->bytes + s->inner.transport + type->checksum);
	s->pseudo = seed + LENGTH_MAX - length;
	return vnet->csum_start == s->inner.transport &&
	       vnet->csum_offset == type->checksum;
}

/* Whether there may be two of the packet. */
static bool divisible(const struct gso *s)
{
	const unsigned char *transport = s->bytes + s->inner.transport;

	return s->inner.proto != IPPROTO_TCP ||
	       !(transport[TCP_FLAGS] & (TCP_SYN | TCP_RST));
}

/* Find out how much payload a segment has and how many there are. */
static bool measure(struct gso *s, const struct vnet *vnet, size_t mtu)
{
	const struct headers *first = s->outer.version ? &s->outer : &s->inner;
	size_t front = s->inner.payload - first->ip;

	s->each = vnet->gso_size;
	if (s->inner.proto == IPPROTO_TCP && mtu) {
		if (mtu <= front)
			return false;
		if (s->each > mtu - front)
			s->each = mtu - front;
	}
	s->payload = s->inner.payload;
	s->end = s->inner.end;
	s->count = (s->end - s->payload + s->each - 1) / s->each;
	if (s->count < 2)
		s->count = 1;
	return s->count == 1 || divisible(s);
}

/* A super-packet of a kind. */
static bool begin_super(struct gso *s, size_t size, size_t mtu, bool ethernet)
{
	const struct vnet *vnet = &s->vnet;
	const struct gso_type *type = find_type(vnet);

	s->single = false;
	return type && vnet->gso_size && vnet->hdr_len <= size &&
	       find_headers(s, size, vnet, ethernet) &&
	       s->inner.proto == type->proto &&
	       (!type->version || s->inner.version == type->version) &&
	       find_pseudo(s, type, vnet) && measure(s, vnet, mtu);
}

/* A TCP segment that an MTU is too small for, if its checksum need not be
 * looked at. */
static bool begin_oversized(struct gso *s, size_t size, size_t mtu,
			    bool ethernet)
{
	if (mtu == 0 || size <= mtu ||
	    !(s->vnet.flags & (VNET_NEEDS_CSUM | VNET_DATA_VALID)) ||
	    !headers_find(s->bytes, size, ethernet, &s->inner) ||
	    s->inner.end - s->inner.ip <= mtu)
		return false;
	s->vnet.gso_type = s->inner.version == 4 ? GSO_TCPV4 : GSO_TCPV6;
	s->vnet.gso_size = UINT16_MAX;
	s->vnet.hdr_len = 0;
	return begin_super(s, size, mtu, ethernet);
}

/* A packet that stays one. */
static bool begin_single(struct gso *s, size_t size, const struct vnet *vnet)
{
	s->vnet = *vnet;
	s->single = true;
	s->count = 1;
	s->payload = 0;
	s->end = s->each = size;
	return !(vnet->flags & VNET_NEEDS_CSUM) || placed(vnet, size);
}

bool gso_begin(struct gso *s, const unsigned char *bytes, size_t size,
	       const struct vnet *vnet, size_t mtu, bool ethernet)
{
	s->bytes = bytes;
	s->next = 0;
	s->vnet = *vnet;
	if (vnet->gso_type != GSO_NONE)
		return begin_super(s, size, mtu, ethernet);
	return begin_oversized(s, size, mtu, ethernet) ||
	       begin_single(s, size, vnet);
}

/* Set what an IP header says of segment number i, which ends at size. */
static void set_ip(unsigned char *out, const struct headers *h, size_t size,
		   size_t i)
{
	unsigned char *ip = out + h->ip;

	if (h->version == 6) {
		put16(ip + IP6_LENGTH, (uint32_t)(size - h->ip - IP6_SIZE));
		return;
	}
	put16(ip + IP4_LENGTH, (uint32_t)(size - h->ip));
	put16(ip + IP4_ID, get16(ip + IP4_ID) + (uint32_t)i);
	put16(ip + IP4_CHECKSUM, 0);
	checksum_put(ip + IP4_CHECKSUM, checksum(ip, h->transport - h->ip, 0),
		     false);
}

/* Urgent data ends where it did (RFC 9293, 3.8.2). */
static void set_urgent(unsigned char *tcp, size_t at)
{
	uint32_t urgent = get16(tcp + TCP_URGENT);

	if (urgent <= at)
		tcp[TCP_FLAGS] &= (unsigned char)~TCP_URG;
	put16(tcp + TCP_URGENT, urgent > at ? urgent - (uint32_t)at : 0);
}

/* Set what a TCP header says of the payload at an offset: FIN and PSH belong to
 * the last of it, CWR to the first (RFC 3168, 6.1.2). */
static void set_tcp(unsigned char *tcp, size_t at, bool last)
{
	if (!last)
		tcp[TCP_FLAGS] &= (unsigned char)~(TCP_FIN | TCP_PSH);
	if (!at)
		return;
	put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + (uint32_t)at);
	tcp[TCP_FLAGS] &= (unsigned char)~TCP_CWR;
	if (tcp[TCP_FLAGS] & TCP_URG)
		set_urgent(tcp, at);
}

/* Write the checksum of a TCP or UDP header, which goes up to an offset. sum is
 * that of the pseudo header and of what follows. */
static void set_checksum(unsigned char *out, const struct headers *h,
			 size_t until, uint64_t sum)
{
	unsigned char *transport = out + h->transport, *field;
	bool udp = h->proto == IPPROTO_UDP;

	field = transport + (udp ? UDP_CHECKSUM : TCP_CHECKSUM);
	put16(field, 0);
	checksum_put(field, checksum(transport, until - h->transport, sum),
		     udp);
}

/* Set the headers of a tunnel for segment number i, which ends at size. sum is
 * that of the inner pseudo header: what the inner checksum is part of adds up
 * to its complement (linux/Documentation/networking/checksum-offloads.rst). */
static void set_outer(const struct gso *s, unsigned char *out, size_t size,
		      size_t i, uint32_t sum)
{
	const struct headers *h = &s->outer;
	size_t n = size - h->transport;

	set_ip(out, h, size, i);
	put16(out + h->transport + UDP_LENGTH, (uint32_t)n);
	if (s->guarded)
		set_checksum(out, h, s->inner.transport,
			     headers_pseudo(out + h->ip, h->version,
					    h->proto + n + (~sum & 0xffff)));
}

/* Set what the headers of segment number i say, which ends at size; sum is that
 * of its payload. */
static void set_headers(const struct gso *s, unsigned char *out, size_t size,
			size_t i, uint32_t sum)
{
	const struct headers *h = &s->inner;
	size_t n = size - h->transport;
	uint32_t front = checksum_fold(s->pseudo + (uint32_t)n);

	set_ip(out, h, size, i);
	if (h->proto == IPPROTO_TCP)
		set_tcp(out + h->transport, i * s->each, i + 1 == s->count);
	else
		put16(out + h->transport + UDP_LENGTH, (uint32_t)n);
	set_checksum(out, h, h->payload, (uint64_t)front + sum);
	if (s->outer.version)
		set_outer(s, out, size, i, front);
}

/* Write a packet that stays one. */
static void write_single(struct gso *s, unsigned char *out, size_t size)
{
	if (out != s->bytes)
		memmove(out, s->bytes, size);
	gso_complete(out, size, &s->vnet);
}

/* Write segment number i with n bytes of payload. */
static void write_segment(const struct gso *s, unsigned char *out, size_t i,
			  size_t n)
{
	const unsigned char *from = s->bytes + s->payload + i * s->each;
	unsigned char *to = out + s->payload;
	uint32_t sum;

	if (out != s->bytes) {
		memmove(out, s->bytes, s->payload);
		sum = checksum_copy(to, from, n, 0);
	} else {
		memmove(to, from, n);
		sum = checksum(to, n, 0);
	}
	set_headers(s, out, s->payload + n, i, sum);
}

size_t gso_next(struct gso *s, unsigned char *out, size_t room)
{
	size_t i = s->next, n = s->end - s->payload - i * s->each;

	if (i >= s->count)
		return 0;
	if (n > s->each)
		n = s->each;
	if (s->payload + n > room)
		return 0;
	if (s->single)
		write_single(s, out, n);
	else
		write_segment(s, out, i, n);
	s->next++;
	return s->payload + n;
}
