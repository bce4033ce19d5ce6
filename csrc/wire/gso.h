/* gso.h -- what a virtio-net header says of a packet, and doing it in
 * software: completing a checksum, splitting a super-packet. Pure functions
 * over bytes. A packet begins with its IP header, or with an Ethernet header
 * where ethernet is true. */
#ifndef TUN_WIRE_GSO_H
#define TUN_WIRE_GSO_H

#include "headers.h"
#include "vnet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum { SEGMENT_MOST = 65535 + 22 }; /* a packet with Ethernet and two tags */

/* Complete a partial checksum in place and say so in vnet, which then is all
 * zeroes but for DATA_VALID. Without one nothing is done. False when the header
 * does not fit the packet, or it is one to be split; both are left alone. */
bool gso_complete(unsigned char *bytes, size_t size, struct vnet *vnet);

/* A super-packet on its way to single packets. */
struct gso {
	const unsigned char *bytes;
	size_t next;	      /* which segment comes next */
	size_t count;	      /* how many there are */
	size_t end;	      /* where the payload ends */
	size_t payload;	      /* where it begins */
	size_t each;	      /* how much of it a segment has at most */
	struct headers inner; /* the headers that are counted on */
	struct headers outer; /* those of the tunnel; version 0: none */
	uint32_t pseudo;      /* sum of the pseudo header but for the length */
	bool guarded;	      /* whether the outer UDP header has a checksum */
	bool single;	      /* nothing but a checksum is to be done, */
	struct vnet vnet;     /* as this says */
};

/* Begin. A segment is as long as gso_size says, or, for TCP, as mtu allows: the
 * most bytes of an IP packet, 0 for any. So is a single one of TCP of which
 * vnet says that its checksum is partial or right; any other is its only
 * segment. False when the header does not fit the packet, or mtu has no room
 * for data.
 */
bool gso_begin(struct gso *split, const unsigned char *bytes, size_t size,
	       const struct vnet *vnet, size_t mtu, bool ethernet);

/* Write segment number split->next, with complete checksums, where there are
 * room bytes, and step to the one after. Returns its length; 0 when there is
 * none left, or room is too small, which next below count shows. The one that
 * is written last may be written over the packet itself. */
size_t gso_next(struct gso *split, unsigned char *out, size_t room);

#pragma GCC visibility pop

#endif
