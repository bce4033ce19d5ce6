/* gro.h -- joining consecutive segments of a flow into super-packets, by
 * the rules of the kernel's GRO. Pure functions over bytes. */
#ifndef TUN_WIRE_GRO_H
#define TUN_WIRE_GRO_H

#include "flow.h"
#include "gso.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
	COALESCE_MOST = 1024, /* packets that are looked at together */
	SEGMENTS_MOST = 128,  /* packets in one super-packet */
	NO_PACKET = 0xffff,
};

/* A packet that may join others: input bytes, size, vnet (may be NULL: nothing
 * is known of it; its checksums must be right to join); output the rest. The
 * super-packet that begins with a packet is sent in its place. */
struct gro_packet {
	const unsigned char *bytes;
	const struct vnet *vnet;
	uint32_t size;
	uint16_t next;	  /* the packet that follows in its super-packet */
	uint16_t payload; /* where the payload begins that joins; 0: none */
	uint16_t last;	  /* of a first one: the last one of its super-packet */
	uint16_t count;	  /* of a first one: how many there are in it */
	bool follows;	  /* it is inside of another one's super-packet */
};

/* The beginning of a super-packet; the payloads of its packets stand behind. */
struct gro_joined {
	struct vnet vnet;
	uint32_t total;			     /* bytes of the super-packet */
	uint32_t size;			     /* of its headers */
	unsigned char headers[HEADERS_MOST]; /* the first ones, changed */
};

/* Find out which packets join: sets next, payload, last, count and follows of
 * each of n packets, n <= COALESCE_MOST. Nothing in the packets themselves is
 * changed, and packets of one flow never pass one another, but for a TCP
 * segment that is put in front of the one behind it in sequence. allowed says
 * which kinds may: a mask of TUN_F_*. Returns how many packets there are
 * afterwards. */
size_t gro_coalesce(struct gro_packet *packets, size_t n, unsigned int allowed,
		    bool ethernet);

/* The headers of the super-packet that begins with a packet whose count is
 * above one. False when the packet's bytes are not those that gro_coalesce()
 * saw, as they lie in those of another packet that was changed. */
bool gro_join(const struct gro_packet *packets, size_t first, bool ethernet,
	      struct gro_joined *joined);

#pragma GCC visibility pop

#endif
