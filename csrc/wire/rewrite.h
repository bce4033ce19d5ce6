/* rewrite.h -- changing headers of a packet: addresses and ports, TTL, lengths,
 * checksums. Pure functions over bytes. Checksums follow what changes, so that
 * one which was wrong stays so. */
#ifndef TUN_WIRE_REWRITE_H
#define TUN_WIRE_REWRITE_H

#include "gso.h"
#include "headers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* A packet, and what was changed in it: sums of what is new and of the
 * complement of what was there. */
struct rewrite {
	unsigned char *bytes;
	unsigned char *ip;	 /* the IP header, */
	unsigned char *src;	 /* the source address, */
	size_t width;		 /* its bytes; the destination follows it */
	const struct vnet *vnet; /* what a device is to do; NULL: nothing */
	const struct transport *transport; /* NULL: none that is known */
	struct headers h;
	bool ethernet;
	uint32_t header;    /* changes that an IPv4 header's checksum covers, */
	uint32_t addresses; /* those that a pseudo header does, */
	uint32_t ports;	    /* and those that a transport's alone does */
};

/* Take a packet. False when it is none of IP, or malformed: its IP, TCP or UDP
 * header is not whole. */
bool rewrite_begin(struct rewrite *t, unsigned char *bytes, size_t size,
		   const struct vnet *vnet, bool ethernet);

/* Set fields; rewrite_end() once afterwards makes the checksums right.
 * Addresses are of the packet's IP version. Ports are set in TCP and UDP, where
 * the header is in this fragment. */
void rewrite_set_src(struct rewrite *t, const unsigned char *bytes);
void rewrite_set_dst(struct rewrite *t, const unsigned char *bytes);
void rewrite_set_sport(struct rewrite *t, uint32_t port);
void rewrite_set_dport(struct rewrite *t, uint32_t port);
void rewrite_set_tos(struct rewrite *t, uint32_t tos); /* or traffic class */
void rewrite_set_ttl(struct rewrite *t, uint32_t ttl); /* or hop limit */
void rewrite_end(struct rewrite *t);

uint32_t rewrite_ttl(const struct rewrite *t);

/* Let source and destination change places: of Ethernet, IP, TCP, UDP. */
void rewrite_reflect(struct rewrite *t);

/* Compute lengths and checksums of IP, and of TCP, UDP and ICMP when it is no
 * fragment. What is inside of a tunnel is left. */
void rewrite_fix(struct rewrite *t);

#pragma GCC visibility pop

#endif
