/* slots.h -- packets in slots of one memory, and lists of them. */
#ifndef TUN_BATCH_SLOTS_H
#define TUN_BATCH_SLOTS_H

#include "../wire/gso.h"
#include "endpoint.h"

#include <linux/if_tun.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* What is known of a packet beside its bytes. It lies at the beginning of its
 * slot, where Lua reads it as well; so what C must trust is in struct pool. */
struct slot {
	struct vnet vnet;    /* read when flags have SLOT_VNET */
	uint32_t at;	     /* offset of the packet in the memory */
	uint32_t size;	     /* its length in bytes */
	uint16_t flags;	     /* SLOT_*, below */
	struct tun_pi pi;    /* packet information, as it came */
	uint16_t sent;	     /* segments of it that are sent already */
	union endpoint peer; /* where it came from or is to go */
};

enum {
	SLOT_DROPPED = 1, /* out of the batch at its next use */
	SLOT_VNET = 2,	  /* vnet says something */
	SLOT_PI = 4,	  /* pi does */
	SLOT_META = 128,  /* bytes of a slot in front of its headroom */
};

/* The memory that batches share: slots of stride bytes, each SLOT_META bytes,
 * headroom and room for a packet. */
struct pool {
	unsigned char *bytes;
	uint32_t slots, stride, headroom, room;
	uint32_t unused; /* how many slots are free */
	uint32_t first;	 /* where the ring of their numbers begins */
	struct {
		uint32_t free;	/* in the ring: the number of a free slot */
		uint32_t home;	/* in whose room the slot's packet lies: its
				 * own, unless it was split off another */
		uint32_t users; /* how many need the slot: itself, when it is in
				 * a batch, and those that lie in its room */
	} of[];
};

/* Packets in the order in which they are sent. Read by Lua, too. */
struct batch {
	struct pool *pool;
	uint32_t count;	   /* with those that were dropped or moved away */
	uint32_t ethernet; /* whether the packets begin with such a header */
	uint32_t list[]; /* numbers of slots, or NO_SLOT; listroom() of them */
};

#define NO_SLOT UINT32_MAX

/* How many places a list has: twice as many as there are slots, so that every
 * packet of a full batch can be moved to its end and leave a gap. */
static inline uint32_t listroom(const struct pool *pool)
{
	return 2 * pool->slots;
}

/* Whether another packet can be appended. */
static inline bool slots_has_room(const struct batch *batch)
{
	return batch->pool->unused && batch->count < batch->pool->slots;
}

/* Append a free slot to the batch, for a packet behind the headroom: its
 * metadata, 0 but for at. NULL when no slot is free. */
struct slot *slots_append(struct batch *batch);

/* The same for place i of the list, whose number is lost, of a batch whose
 * memory has a free slot. */
struct slot *slots_occupy(struct batch *batch, uint32_t i);

/* Give the slot that was appended last back. */
void slots_withdraw(struct batch *batch);

/* Append a packet that lies in the room of the i-th packet's slot: at and size
 * are the caller's to set. NULL when no slot is free. */
struct slot *slots_append_within(struct batch *batch, uint32_t i);

/* The metadata of a slot. */
static inline struct slot *slot_meta(const struct pool *pool, uint32_t number)
{
	return (void *)(pool->bytes + (size_t)number * pool->stride);
}

/* Where the packet of a slot lies, as the slot says, and its size; or NULL when
 * that is not inside of the memory. Keep both: what is written to a packet may
 * change the metadata of any slot, since a script may let it lie anywhere. */
static inline unsigned char *slot_bytes(const struct pool *pool,
					const struct slot *slot, uint32_t *size)
{
	size_t all = (size_t)pool->slots * pool->stride, at = slot->at;

	*size = slot->size;
	return at > all || *size > all - at ? NULL : pool->bytes + at;
}

/* The metadata of the i-th packet; NULL when it was dropped or moved away. */
static inline struct slot *slots_get(const struct batch *batch, uint32_t i)
{
	struct slot *slot;

	if (batch->list[i] == NO_SLOT)
		return NULL;
	slot = slot_meta(batch->pool, batch->list[i]);
	return slot->flags & SLOT_DROPPED ? NULL : slot;
}

/* Drop the i-th packet, if there is one. */
static inline void slots_drop(const struct batch *batch, uint32_t i)
{
	if (batch->list[i] != NO_SLOT)
		slot_meta(batch->pool, batch->list[i])->flags |= SLOT_DROPPED;
}

/* The number of bytes that the i-th packet, which lies at bytes, may use in
 * front of itself, and behind its beginning. */
size_t slots_headroom(const struct batch *batch, uint32_t i,
		      const unsigned char *bytes);
size_t slots_tailroom(const struct batch *batch, uint32_t i,
		      const unsigned char *bytes);

/* Make the batch empty. */
void slots_clear(struct batch *batch);

/* Close the gaps of packets that were dropped or moved away: their slots are
 * free. */
void slots_compact(struct batch *batch);

#pragma GCC visibility pop

#endif
