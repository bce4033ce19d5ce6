/* segments.h -- for the yardsticks: TUN devices; TCP super-packets to single
 * packets, and back where every checksum is right. IPv4 without options; all
 * else passes as it is. */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "bench.h"
#include "sum.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

enum {
	INFO = sizeof(struct virtio_net_hdr),
	MOST = 64, /* single packets that are enough for a batch */
	SUPER = 65535,
	MEMORY = 4 * (INFO + SUPER),
	PACKETS = 512
};

/* Single packets in the order in which they are sent. In front of each are at
 * least INFO bytes that are free once those before it are sent. */
struct batch {
	unsigned count;
	size_t used; /* of the memory */
	struct iovec packets[PACKETS];
	unsigned char memory[MEMORY];
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

/* Change the headers of a segment of so many bytes to what they say of it; its
 * payload, whose sum is given, begins at an offset. */
static inline void label(unsigned char *out, size_t size, size_t index,
			 size_t at, bool last, uint64_t payload)
{
	struct iphdr *ip = (struct iphdr *)out;
	struct tcphdr *tcp = tcp_of(ip);
	size_t tcp_size = size - sizeof(*ip);

	ip->tot_len = htons((uint16_t)size);
	ip->id = htons((uint16_t)(ntohs(ip->id) + index));
	ip->check = 0;
	ip->check = fold(sum(ip, sizeof(*ip)));
	tcp->seq = htonl(ntohl(tcp->seq) + (uint32_t)at);
	if (!last)
		tcp->fin = tcp->psh = 0;
	tcp->check = 0;
	tcp->check = fold(pseudo_sum(ip, tcp_size) + sum(tcp, tcp->doff * 4u) +
			  payload);
}

static inline void empty(struct batch *batch)
{
	batch->count = 0;
	batch->used = INFO;
}

/* Where the next packets go. */
static inline unsigned char *room(struct batch *batch)
{
	return batch->memory + batch->used;
}

/* Append a packet that is there already. */
static inline void append(struct batch *batch, size_t size)
{
	if (batch->count == PACKETS || batch->used + size > MEMORY - SUPER)
		errx(1, "a batch is too small");
	batch->packets[batch->count++] = (struct iovec){ room(batch), size };
	batch->used += size;
}

/* Append what a device has given as single packets. */
static inline void split(struct batch *batch, const struct virtio_net_hdr *info,
			 unsigned char *packet, size_t size)
{
	size_t headers = header_size(packet, size), at, n, index = 0;
	bool super = info->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	unsigned char *out;
	uint64_t payload;

	if (!super) {
		complete(info, packet, size);
		memcpy(room(batch), packet, size);
		append(batch, size);
		return;
	}
	for (at = 0; at < size - headers; at += n) {
		out = room(batch);
		n = size - headers - at;
		if (n > info->gso_size)
			n = info->gso_size;
		memcpy(out, packet, headers);
		payload = copy(out + headers, packet + headers + at, n);
		label(out, headers + n, index++, at, at + n == size - headers,
		      payload);
		append(batch, headers + n);
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
	       memcmp(&a->saddr, &b->saddr, 8) == 0 && s->source == t->source &&
	       s->dest == t->dest && s->ack_seq == t->ack_seq &&
	       s->doff == t->doff &&
	       ntohl(t->seq) == ntohl(s->seq) + count * (uint32_t)segment &&
	       memcmp(s + 1, t + 1, headers - 40) == 0;
}

/* How many packets from the first one on are one super-packet; 0: it is none
 * that could be joined. */
static inline unsigned run_length(const struct iovec *packets, unsigned n)
{
	const unsigned char *first = packets->iov_base, *packet,
			    *before = first;
	size_t size = packets->iov_len, total = size, next;
	size_t headers = header_size(first, size), segment = size - headers;
	unsigned i;

	if (!may_join(first, size, headers))
		return 0;
	for (i = 1; i < n; i++, before = packet) {
		packet = packets[i].iov_base;
		next = packets[i].iov_len;
		total += next - headers;
		if (next > size || total > SUPER ||
		    packets[i - 1].iov_len != size || tcp_of(before)->psh ||
		    header_size(packet, next) != headers ||
		    !follows(first, packet, headers, i, segment) ||
		    !may_join(packet, next, headers))
			break;
	}
	return i;
}

/* The headers of the super-packet of n packets, and its parts: these headers
 * and n payloads. */
static inline void join(const struct iovec *packets, unsigned n,
			struct headers *headers, struct iovec *parts)
{
	size_t size = header_size(packets->iov_base, packets->iov_len);
	struct tcphdr *tcp = tcp_of(&headers->ip);
	size_t total = size;
	unsigned i;

	memcpy(headers->bytes, packets->iov_base, size);
	parts[0] = (struct iovec){ &headers->info, INFO + size };
	for (i = 0; i < n; i++) {
		parts[1 + i].iov_base =
			(unsigned char *)packets[i].iov_base + size;
		parts[1 + i].iov_len = packets[i].iov_len - size;
		total += parts[1 + i].iov_len;
	}
	headers->info = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)size,
		.gso_size = (uint16_t)parts[1].iov_len,
		.csum_start = sizeof(struct iphdr),
		.csum_offset = offsetof(struct tcphdr, check),
	};
	tcp->psh = tcp_of(packets[n - 1].iov_base)->psh;
	headers->ip.tot_len = htons((uint16_t)total);
	headers->ip.check = 0;
	headers->ip.check = fold(sum(&headers->ip, sizeof(headers->ip)));
	tcp->check = (uint16_t)~fold(
		pseudo_sum(&headers->ip, total - sizeof(headers->ip)));
}

/* Check what write(2) returned: EIO is a device that is not up yet. */
static inline void sent(ssize_t n)
{
	if (n < 0 && errno != EIO)
		err(1, "write");
}

/* Write the packets of a batch to a device on which offload is, joined. */
static inline void write_joined(const struct batch *batch, int fd)
{
	struct iovec parts[1 + PACKETS];
	struct headers headers;
	unsigned i, run;

	for (i = 0; i<batch->count; i += run> 1 ? run : 1) {
		const struct iovec *packets = batch->packets + i;
		unsigned char *front =
			(unsigned char *)packets->iov_base - INFO;

		run = run_length(packets, batch->count - i);
		if (run > 1) {
			join(packets, run, &headers, parts);
			sent(writev(fd, parts, (int)run + 1));
		} else {
			memset(front, 0, INFO);
			sent(write(fd, front, INFO + packets->iov_len));
		}
	}
}

/* Read a packet from a device on which offload is and append it, split.
 * Returns whether there was one. */
static inline bool read_split(struct batch *batch, int fd)
{
	static unsigned char packet[INFO + SUPER];
	struct virtio_net_hdr info;
	ssize_t n = read(fd, packet, sizeof(packet));

	if (n < 0 && errno != EAGAIN)
		err(1, "read");
	memcpy(&info, packet, INFO);
	if (n > 0)
		split(batch, &info, packet + INFO, (size_t)n - INFO);
	return n > 0;
}

/* Have a thread of the kernel take what is written to a device, and join it.
 * Source: linux/Documentation/networking/napi.rst */
static inline void set_threaded(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "mount -t sysfs sysfs /sys && "
		 "echo 1 >/sys/class/net/%s/threaded",
		 name);
	run((char *[]){ "unshare", "-m", "sh", "-c", command, NULL });
}

enum kind { PLAIN, THREADED, OFFLOAD };

/* Open a device and print its name. */
static inline int open_device(enum kind kind)
{
	static const short flags[] = {
		[THREADED] = IFF_NAPI, [OFFLOAD] = IFF_VNET_HDR
	};
	struct ifreq ifr = { .ifr_name = "yard%d" };
	unsigned long mask = TUN_F_CSUM | TUN_F_TSO4;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	ifr.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | flags[kind]);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    (kind == OFFLOAD && ioctl(fd, TUNSETOFFLOAD, mask) < 0))
		err(1, "/dev/net/tun");
	if (kind == THREADED)
		set_threaded(ifr.ifr_name);
	printf("%s\n", ifr.ifr_name);
	fflush(stdout);
	return fd;
}

#endif
