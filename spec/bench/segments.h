/* segments.h -- for the yardsticks: TCP super-packets to single packets and
 * back, with every checksum computed on the way out and verified on the way
 * in. IPv4 without options; all else passes as it is. */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "sum.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/uio.h>

enum { SLOTS = 192, SLOT = 2048, SUPER = 65535 };

/* Single packets, each in a slot behind room for what the kernel is told. */
struct batch {
	unsigned count;
	size_t sizes[SLOTS];
	struct slot {
		unsigned char room[sizeof(struct virtio_net_hdr)];
		unsigned char bytes[SLOT];
	} slots[SLOTS];
};

/* The headers of a TCP packet, right behind what the kernel is told of it. */
struct headers {
	uint16_t unused; /* aligns what follows info */
	struct virtio_net_hdr info;
	union {
		struct iphdr ip;
		unsigned char bytes[sizeof(struct iphdr) + 60];
	};
};

static inline struct tcphdr *tcp_of(const void *ip)
{
	return (struct tcphdr *)((unsigned char *)ip + sizeof(struct iphdr));
}

/* The sum of a TCP packet over IPv4, whose length goes to the pseudo-header:
 * RFC 9293, 3.1. */
static inline uint64_t pseudo_sum(const struct iphdr *ip, size_t tcp_size)
{
	return sum(&ip->saddr, 8) + htons(IPPROTO_TCP) +
	       htons((uint16_t)tcp_size);
}

/* The length of the headers of a TCP packet; 0: it is something else. */
static inline size_t header_size(const void *packet, size_t size)
{
	const struct iphdr *ip = packet;
	size_t n = sizeof(*ip) + sizeof(struct tcphdr);

	if (size < n || ip->version != 4 || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->frag_off & htons(0x3fff))
		return 0;
	n = sizeof(*ip) + tcp_of(ip)->doff * 4u;
	return n >= sizeof(*ip) + sizeof(struct tcphdr) && n <= size ? n : 0;
}

/* Complete the checksum of a packet that the kernel has begun. */
static inline void complete(const struct virtio_net_hdr *info,
			    unsigned char *packet, size_t size)
{
	uint16_t check;

	if (!(info->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    info->csum_start + info->csum_offset + 2u > size)
		return;
	check = fold(sum(packet + info->csum_start, size - info->csum_start));
	memcpy(packet + info->csum_start + info->csum_offset, &check, 2);
}

/* Write the headers of the segment whose payload begins at an offset. */
static inline void segment_headers(unsigned char *out, size_t headers,
				   size_t index, size_t at, size_t payload,
				   bool last)
{
	struct iphdr *ip = (struct iphdr *)out;
	struct tcphdr *tcp = tcp_of(ip);
	size_t size = headers + payload, tcp_size = size - sizeof(*ip);

	ip->tot_len = htons((uint16_t)size);
	ip->id = htons((uint16_t)(ntohs(ip->id) + index));
	ip->check = 0;
	ip->check = fold(sum(ip, sizeof(*ip)));
	tcp->seq = htonl(ntohl(tcp->seq) + (uint32_t)at);
	if (!last)
		tcp->fin = tcp->psh = 0;
	tcp->check = 0;
	tcp->check = fold(pseudo_sum(ip, tcp_size) + sum(tcp, tcp_size));
}

/* Append what a device has given as single packets. */
static inline void split(struct batch *batch, const struct virtio_net_hdr *info,
			 unsigned char *packet, size_t size)
{
	size_t headers = header_size(packet, size), at, n, index = 0;
	bool super = info->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	unsigned char *out;

	if (!super) {
		complete(info, packet, size);
		memcpy(batch->slots[batch->count].bytes, packet, size);
		batch->sizes[batch->count++] = size;
		return;
	}
	for (at = 0; at < size - headers; at += n) {
		out = batch->slots[batch->count].bytes;
		n = size - headers - at;
		if (n > info->gso_size)
			n = info->gso_size;
		memcpy(out, packet, headers);
		memcpy(out + headers, packet + headers + at, n);
		segment_headers(out, headers, index++, at, n,
				at + n == size - headers);
		batch->sizes[batch->count++] = headers + n;
	}
}

/* Whether a packet may be part of a super-packet: data, nothing special, and
 * every checksum right. */
static inline bool may_join(const unsigned char *packet, size_t size,
			    size_t headers)
{
	const struct iphdr *ip = (const struct iphdr *)packet;
	const struct tcphdr *tcp = tcp_of(ip);

	return headers && size > headers && ntohs(ip->tot_len) == size &&
	       tcp->ack && !(tcp->syn | tcp->fin | tcp->rst | tcp->urg) &&
	       !(tcp->res2) && fold(sum(ip, sizeof(*ip))) == 0 &&
	       fold(pseudo_sum(ip, size - sizeof(*ip)) +
		    sum(tcp, size - sizeof(*ip))) == 0;
}

/* Whether a packet is the one that follows another of `count` with a payload
 * of `segment` bytes each: the rules of the kernel's GRO. */
static inline bool follows(const unsigned char *first,
			   const unsigned char *packet, size_t headers,
			   unsigned count, size_t segment)
{
	const struct iphdr *a = (const struct iphdr *)first;
	const struct iphdr *b = (const struct iphdr *)packet;
	const struct tcphdr *s = tcp_of(a), *t = tcp_of(b);

	return a->tos == b->tos && a->ttl == b->ttl &&
	       a->frag_off == b->frag_off &&
	       ntohs(b->id) == (uint16_t)(ntohs(a->id) + count) &&
	       memcmp(&a->saddr, &b->saddr, 8) == 0 &&
	       s->source == t->source && s->dest == t->dest &&
	       s->ack_seq == t->ack_seq && s->doff == t->doff &&
	       ntohl(t->seq) == ntohl(s->seq) + count * (uint32_t)segment &&
	       memcmp(s + 1, t + 1, headers - 40) == 0;
}

/* How many packets from the first one on are one super-packet; 0: it is none
 * that could be joined. */
static inline unsigned run_length(const struct batch *batch, unsigned first)
{
	const unsigned char *packet = batch->slots[first].bytes;
	size_t size = batch->sizes[first], total = size, next;
	size_t headers = header_size(packet, size), segment = size - headers;
	unsigned i;

	if (!may_join(packet, size, headers))
		return 0;
	for (i = first + 1; i < batch->count; i++) {
		packet = batch->slots[i].bytes;
		next = batch->sizes[i];
		total += next - headers;
		if (next > size || total > SUPER ||
		    batch->sizes[i - 1] != size ||
		    tcp_of(batch->slots[i - 1].bytes)->psh ||
		    header_size(packet, next) != headers ||
		    !follows(batch->slots[first].bytes, packet, headers, i - first,
			     segment) ||
		    !may_join(packet, next, headers))
			break;
	}
	return i - first;
}

/* The headers of a super-packet of the packets from first on, and its parts:
 * behind the headers one payload each. Returns how many parts. */
static inline int join(const struct batch *batch, unsigned first,
		       unsigned count, struct headers *headers,
		       struct iovec *parts)
{
	const unsigned char *packet = batch->slots[first].bytes;
	size_t size = header_size(packet, batch->sizes[first]), total = size;
	struct tcphdr *tcp = tcp_of(&headers->ip);
	unsigned i;

	memcpy(headers->bytes, packet, size);
	parts[0] = (struct iovec){ &headers->info,
				   sizeof(headers->info) + size };
	for (i = 0; i < count; i++) {
		parts[1 + i].iov_base = (void *)(batch->slots[first + i].bytes + size);
		parts[1 + i].iov_len = batch->sizes[first + i] - size;
		total += parts[1 + i].iov_len;
	}
	headers->info = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = count > 1 ? VIRTIO_NET_HDR_GSO_TCPV4 :
					VIRTIO_NET_HDR_GSO_NONE,
		.hdr_len = (uint16_t)size,
		.gso_size = count > 1 ? (uint16_t)parts[1].iov_len : 0,
		.csum_start = sizeof(struct iphdr),
		.csum_offset = offsetof(struct tcphdr, check),
	};
	tcp->psh = tcp_of(batch->slots[first + count - 1].bytes)->psh;
	headers->ip.tot_len = htons((uint16_t)total);
	headers->ip.check = 0;
	headers->ip.check = fold(sum(&headers->ip, sizeof(headers->ip)));
	tcp->check = (uint16_t)~fold(
		pseudo_sum(&headers->ip, total - sizeof(headers->ip)));
	return (int)count + 1;
}

#endif
