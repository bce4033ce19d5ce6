/* packets.c -- the yardstick of packets.lua: the same work on the same packets
 * with structs, every bound checked as the Lua side does.
 * Usage: packets read|nat|build|print|tunnel|add frames count */
#include "bench.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>

enum { STRIDE = 2304, WORK = 200000, PASSES = 200, PAYLOAD = 56 };

struct layers {
	const uint16_t *tag;
	struct iphdr *ip;
	struct ip6_hdr *ip6;
	struct arphdr *arp;
	struct tcphdr *tcp;
	struct udphdr *udp;
	struct icmphdr *icmp;
};

static unsigned char (*mix)[STRIDE];
static size_t *sizes;
static int count, passes;
static volatile uint64_t sink;

/* Read so many frames, from the beginning again where the file has less. */
static void read_mix(const char *path, int most)
{
	FILE *file = fopen(path, "rb");
	int high;

	if (!file)
		err(1, "%s", path);
	mix = calloc((size_t)most, STRIDE);
	sizes = calloc((size_t)most, sizeof(*sizes));
	while (count < most) {
		high = getc(file);
		if (high == EOF && !count)
			errx(1, "%s has no frames", path);
		if (high == EOF) {
			rewind(file);
			continue;
		}
		sizes[count] = (size_t)high << 8 | (size_t)getc(file);
		if (sizes[count] > STRIDE ||
		    fread(mix[count], 1, sizes[count], file) != sizes[count])
			err(1, "%s", path);
		count++;
	}
	fclose(file);
	passes = WORK / count ? WORK / count : 1;
}

static void parse_transport(struct layers *l, int proto, unsigned char *p,
			    size_t n)
{
	if (proto == IPPROTO_TCP && n >= sizeof(struct tcphdr)) {
		l->tcp = (struct tcphdr *)p;
		if (l->tcp->doff < 5 || l->tcp->doff * (size_t)4 > n)
			l->tcp = NULL;
	} else if (proto == IPPROTO_UDP && n >= sizeof(struct udphdr)) {
		l->udp = (struct udphdr *)p;
		if (ntohs(l->udp->len) < 8 || ntohs(l->udp->len) > n)
			l->udp = NULL;
	} else if (proto == IPPROTO_ICMP && n >= sizeof(struct icmphdr)) {
		l->icmp = (struct icmphdr *)p;
	}
}

static void parse_ip(struct layers *l, unsigned char *p, size_t n)
{
	struct iphdr *ip = (struct iphdr *)p;
	size_t size, total;

	if (n < sizeof(*ip) || ip->version != 4)
		return;
	size = ip->ihl * (size_t)4;
	total = ntohs(ip->tot_len);
	if (size < sizeof(*ip) || size > n || total < size || total > n)
		return;
	l->ip = ip;
	if (!(ntohs(ip->frag_off) & IP_OFFMASK))
		parse_transport(l, ip->protocol, p + size, total - size);
}

static void parse_ip6(struct layers *l, unsigned char *p, size_t n)
{
	struct ip6_hdr *ip6 = (struct ip6_hdr *)p;
	size_t total, at = sizeof(*ip6);
	int next;

	if (n < sizeof(*ip6) || p[0] >> 4 != 6)
		return;
	total = sizeof(*ip6) + ntohs(ip6->ip6_plen);
	if (total > n)
		return;
	l->ip6 = ip6;
	next = ip6->ip6_nxt;
	while ((next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
		next == IPPROTO_DSTOPTS) &&
	       total - at >= 8) {
		next = p[at];
		at += 8 + 8 * (size_t)p[at + 1];
		if (at > total)
			return;
	}
	parse_transport(l, next, p + at, total - at);
}

/* What is between Ethernet and a network's header. */
static uint16_t parse_tags(struct layers *l, uint16_t type, unsigned char *p,
			   size_t n, size_t *at)
{
	while ((type == ETHERTYPE_VLAN || type == 0x88a8) && n >= *at + 4) {
		if (type == ETHERTYPE_VLAN && !l->tag)
			l->tag = (uint16_t *)(p + *at);
		type = ntohs(*(uint16_t *)(p + *at + 2));
		*at += 4;
	}
	if (type == 0x8847) {
		while (n >= *at + 9 && !(p[*at + 2] & 1))
			*at += 4;
		*at += 4;
		return n > *at && p[*at] >> 4 == 6 ? ETHERTYPE_IPV6
						   : ETHERTYPE_IP;
	}
	if (type == 0x8864 && n >= *at + 8) {
		*at += 8;
		return p[*at - 1] == 0x57 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	}
	return type;
}

static struct layers parse(unsigned char *p, size_t n)
{
	struct layers l = { 0 };
	size_t at = sizeof(struct ether_header);
	uint16_t type;

	if (n < at)
		return l;
	type = ntohs(((struct ether_header *)p)->ether_type);
	type = parse_tags(&l, type, p, n, &at);
	if (n < at)
		return l;
	if (type == ETHERTYPE_IP)
		parse_ip(&l, p + at, n - at);
	else if (type == ETHERTYPE_IPV6)
		parse_ip6(&l, p + at, n - at);
	else if (type == ETHERTYPE_ARP && n >= at + 28)
		l.arp = (struct arphdr *)(p + at);
	return l;
}

static uint64_t fields(unsigned char *p, size_t n)
{
	struct layers l = parse(p, n);
	uint64_t sum = 0;

	if (l.tag)
		sum += ntohs(*l.tag) & 0xfff;
	if (l.ip)
		sum += l.ip->ttl + ntohs(l.ip->tot_len) + ntohl(l.ip->saddr);
	else if (l.ip6)
		sum += l.ip6->ip6_hlim + ntohs(l.ip6->ip6_plen);
	else if (l.arp)
		sum += ntohs(l.arp->ar_op);
	if (l.tcp)
		sum += ntohs(l.tcp->source) + ntohs(l.tcp->dest);
	else if (l.udp)
		sum += ntohs(l.udp->source) + ntohs(l.udp->dest);
	else if (l.icmp)
		sum += l.icmp->type;
	return sum;
}

static double read_fields(void)
{
	uint64_t sum = 0;
	int pass, i;

	for (pass = 0; pass < passes; pass++)
		for (i = 0; i < count; i++)
			sum += fields(mix[i], sizes[i]);
	sink = sum;
	return (double)passes * count;
}

/* The checksum after a change of the words that it covers (RFC 1624). */
static uint16_t changed(uint16_t check, uint32_t from, uint32_t to)
{
	uint32_t sum = (uint16_t)~check;

	sum += (uint16_t)~from + (uint32_t)(uint16_t) ~(from >> 16);
	sum += (uint16_t)to + (to >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void translate(struct layers *l, uint32_t address, uint16_t port)
{
	uint16_t *check = l->tcp ? &l->tcp->check : &l->udp->check;
	uint16_t *source = l->tcp ? &l->tcp->source : &l->udp->source;

	l->ip->check = changed(l->ip->check, l->ip->saddr, address);
	if (l->tcp || *check) {
		*check = changed(*check, l->ip->saddr, address);
		*check = changed(*check, *source, port);
	}
	l->ip->saddr = address;
	*source = port;
}

static double nat(void)
{
	double done = 0;
	int pass, i;

	for (pass = 0; pass < passes; pass++)
		for (i = 0; i < count; i++) {
			struct layers l;

			l = parse(mix[i], sizes[i]);
			if (!l.ip || !(l.tcp || l.udp))
				continue;
			translate(&l, htonl(0x0a000001u + (uint32_t)pass),
				  htons((uint16_t)(1024 + pass)));
			done++;
		}
	return done;
}

static uint32_t add(const void *bytes, size_t n, uint32_t sum)
{
	const unsigned char *p = bytes;

	for (; n > 1; n -= 2, p += 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	return n ? sum + (uint32_t)(*p << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

/* Addresses come as text, as in Lua. */
static void build(unsigned char *p, int proto, uint16_t a, uint16_t b)
{
	struct iphdr *ip = (struct iphdr *)p;
	uint16_t *head = (uint16_t *)(ip + 1);
	size_t n = 8 + PAYLOAD;
	uint32_t sum = 0;

	memset(p, 0, sizeof(*ip) + 8);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = (uint8_t)proto;
	ip->tot_len = htons((uint16_t)(sizeof(*ip) + n));
	inet_pton(AF_INET, "10.0.0.1", &ip->saddr);
	inet_pton(AF_INET, "10.0.0.2", &ip->daddr);
	ip->check = fold(add(ip, sizeof(*ip), 0));
	memset(head + 4, 'x', PAYLOAD);
	if (proto == IPPROTO_ICMP) {
		*(uint8_t *)head = ICMP_ECHO;
		head[2] = htons(a);
		head[3] = htons(b);
	} else {
		head[0] = htons(a);
		head[1] = htons(b);
		head[2] = htons((uint16_t)n);
		sum = add(&ip->saddr, 8, (uint32_t)n + IPPROTO_UDP);
	}
	head[proto == IPPROTO_ICMP ? 1 : 3] = fold(add(head, n, sum));
}

static double builds(void)
{
	unsigned char packet[20 + 8 + PAYLOAD];
	int i;

	for (i = 1; i <= PASSES * 50; i++) {
		build(packet, IPPROTO_ICMP, 1, (uint16_t)i);
		sink += packet[2];
	}
	for (i = 1; i <= PASSES * 50; i++) {
		build(packet, IPPROTO_UDP, (uint16_t)i, 4000);
		sink += packet[2];
	}
	return (double)PASSES * 100;
}

/* A line with addresses, ports and length of each. */
static double lines(void)
{
	char line[200], src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	int pass, i;

	for (pass = 0; pass < (passes + 9) / 10; pass++)
		for (i = 0; i < count; i++) {
			struct layers l = parse(mix[i], sizes[i]);
			uint16_t *ports = l.tcp	  ? (uint16_t *)l.tcp
					  : l.udp ? (uint16_t *)l.udp
						  : NULL;

			src[0] = dst[0] = '\0';
			if (l.ip) {
				inet_ntop(AF_INET, &l.ip->saddr, src, 46);
				inet_ntop(AF_INET, &l.ip->daddr, dst, 46);
			} else if (l.ip6) {
				inet_ntop(AF_INET6, &l.ip6->ip6_src, src, 46);
				inet_ntop(AF_INET6, &l.ip6->ip6_dst, dst, 46);
			}
			sink += (uint64_t)snprintf(
				line, sizeof(line), "%s.%d > %s.%d: length %zu",
				src, ports ? ntohs(ports[0]) : 0, dst,
				ports ? ntohs(ports[1]) : 0, sizes[i]);
		}
	passes = (passes + 9) / 10;
	return (double)passes * count;
}

/* Ethernet, IPv4, UDP and VXLAN in front of a packet, with both checksums. */
static void push(unsigned char *p, size_t n)
{
	struct ether_header *eth = (struct ether_header *)p;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	uint16_t *vxlan = (uint16_t *)(udp + 1);
	size_t behind = sizeof(*udp) + 8 + n;

	memset(p, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + 8);
	memcpy(eth->ether_shost, "\2\0\0\0\0\1", 6);
	memcpy(eth->ether_dhost, "\2\0\0\0\0\2", 6);
	eth->ether_type = htons(ETHERTYPE_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons((uint16_t)(sizeof(*ip) + behind));
	inet_pton(AF_INET, "10.0.0.1", &ip->saddr);
	inet_pton(AF_INET, "10.0.0.2", &ip->daddr);
	ip->check = fold(add(ip, sizeof(*ip), 0));
	udp->dest = htons(4789);
	udp->len = htons((uint16_t)behind);
	vxlan[0] = htons(0x0800);
	vxlan[3] = htons(7 << 8);
	udp->check =
		fold(add(udp, behind,
			 add(&ip->saddr, 8, (uint32_t)behind + IPPROTO_UDP)));
}

static double tunnels(void)
{
	static unsigned char room[64 + STRIDE];
	int pass, i;

	for (pass = 0; pass < passes; pass++)
		for (i = 0; i < count; i++) {
			memcpy(room + 64, mix[i], sizes[i]);
			push(room + 64 - 50, sizes[i]);
			sink += room[30];
		}
	return (double)passes * count;
}

static double adds(void)
{
	static unsigned char to[64][STRIDE];
	int pass, i;

	for (pass = 0; pass < passes; pass++)
		for (i = 0; i < count; i++) {
			memcpy(to[i % 64], mix[0], sizes[0]);
			sink += to[i % 64][20];
		}
	return (double)passes * count;
}

static double turn(void *work)
{
	double (*const *run)(void) = work;
	double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
	double packets = (*run)();

	return (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / packets;
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		double (*run)(void);
	} works[] = { { "read", read_fields }, { "nat", nat },
		      { "build", builds },     { "print", lines },
		      { "tunnel", tunnels },   { "add", adds } };
	size_t i;

	if (argc != 4)
		errx(2, "usage: packets work frames count");
	read_mix(argv[2], atoi(argv[3]));
	for (i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (strcmp(works[i].name, argv[1]) == 0)
			take_turns(turn, (void *)&works[i].run);
}
