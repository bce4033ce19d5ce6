/* batch.h -- packets in slots of one memory. */
#ifndef TUN_BATCH_BATCH_H
#define TUN_BATCH_BATCH_H

#include "../wire/gso.h"
#include "endpoint.h"

#include <linux/if_tun.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#define BATCH "tun.batch"

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

/* Argument as a batch; NULL when it is anything else. */
struct batch *tobatch(lua_State *L, int at);

/* Argument as a batch. */
struct batch *checkbatch(lua_State *L, int at);

/* Whether another packet can be appended. */
static inline bool hasroom(const struct batch *batch)
{
	return batch->pool->unused && batch->count < batch->pool->slots;
}

/* Append a free slot to the batch, for a packet behind the headroom: its
 * metadata, 0 but for at. NULL when no slot is free. */
struct slot *append(struct batch *batch);

/* The same for place i of the list, whose number is lost, of a batch whose
 * memory has a free slot. */
struct slot *occupy(struct batch *batch, uint32_t i);

/* Give the slot that was appended last back. */
void withdraw(struct batch *batch);

/* Append a packet that lies in the room of the i-th packet's slot: at and size
 * are the caller's to set. NULL when no slot is free. */
struct slot *append_within(struct batch *batch, uint32_t i);

/* The metadata of a slot. */
static inline struct slot *metaof(const struct pool *pool, uint32_t number)
{
	return (void *)(pool->bytes + (size_t)number * pool->stride);
}

/* Where the packet of a slot lies, as the slot says, or NULL when that is not
 * inside of the memory. */
static inline unsigned char *bytesof(const struct pool *pool,
				     const struct slot *slot)
{
	size_t size = (size_t)pool->slots * pool->stride;

	if (slot->at > size || slot->size > size - slot->at)
		return NULL;
	return pool->bytes + slot->at;
}

/* The metadata of the i-th packet; NULL when it was dropped or moved away. */
static inline struct slot *slotof(const struct batch *batch, uint32_t i)
{
	struct slot *slot;

	if (batch->list[i] == NO_SLOT)
		return NULL;
	slot = metaof(batch->pool, batch->list[i]);
	return slot->flags & SLOT_DROPPED ? NULL : slot;
}

/* The number of bytes in front of the i-th packet that nobody else uses. */
size_t headroomof(const struct batch *batch, uint32_t i);

/* Make the batch empty. */
void clear(struct batch *batch);

/* Close the gaps of packets that were dropped or moved away: their slots are
 * free. */
void compact(struct batch *batch);

#endif
