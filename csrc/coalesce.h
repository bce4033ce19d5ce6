/* coalesce.h -- joining consecutive segments of a flow into super-packets, by
 * the rules of the kernel's GRO. Pure functions over bytes. */
#ifndef TUN_COALESCE_H
#define TUN_COALESCE_H

#include "offload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COALESCE_MOST = 1024, /* packets that are looked at together */
	HEADERS_MOST = 256,   /* bytes of headers of a packet that can join */
	NO_PACKET = 0xffff,
};

/* A packet that may join others: input bytes, size, vnet (may be NULL: nothing
 * is known of it; its checksums must be right to join); output the rest. */
struct unit {
	const unsigned char *bytes;
	uint32_t size;
	const struct vnet *vnet;
	uint16_t next;	  /* the packet that follows in its super-packet */
	uint16_t payload; /* where the payload begins that joins */
	bool follows;	  /* it is inside of a super-packet of an earlier one */
};

/* What is needed to join, beside the units; about one flow each. Opaque. */
struct joined {
	struct vnet vnet;		     /* of the super-packet */
	uint16_t size;			     /* of its headers */
	unsigned char headers[HEADERS_MOST]; /* the first ones, changed */
};

/* Find out which packets join: sets next, payload and follows of each of n
 * units, n <= COALESCE_MOST. Nothing in the packets themselves is changed, and
 * packets of one flow never pass one another. allowed says which kinds may:
 * a mask of TUN_F_*. Returns how many packets there are afterwards. */
size_t coalesce(struct unit *units, size_t n, unsigned int allowed,
		bool ethernet);

/* The headers of the super-packet that begins with a unit whose next is one. */
void join(const struct unit *units, size_t first, bool ethernet,
	  struct joined *joined);

#endif
