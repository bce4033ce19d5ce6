/* batch.h -- packets in slots of one memory. */
#ifndef TUN_BATCH_H
#define TUN_BATCH_H

#include "arena.h"
#include "offload.h"

#include <lua.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BATCH "tun.batch"

/* What is known of a packet beside its bytes. It lies at the beginning of its
 * slot, where Lua reads it as well; so what C must trust is in struct pool. */
struct slot {
	struct vnet vnet; /* read when flags have SLOT_VNET */
	uint32_t at;	  /* offset of the packet in the memory */
	uint32_t size;	  /* its length in bytes */
	uint16_t flags;	  /* SLOT_*, below */
	uint16_t proto;	  /* ethertype of the packet information, big-endian */
	uint16_t pi_flags;
	uint16_t sent; /* segments of it that are sent already */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer; /* family 0: none */
};

enum {
	SLOT_DROPPED = 1, /* not to be sent */
	SLOT_VNET = 2,	  /* vnet says something */
	SLOT_PI = 4,	  /* proto and pi_flags do */
	SLOT_META = 128,  /* bytes in front of a slot's headroom: struct slot */
};

/* The memory that batches share: slots of stride bytes, each SLOT_META bytes,
 * headroom and room for a packet. */
struct pool {
	struct arena *arena;
	uint32_t slots, stride, headroom, room;
	uint32_t unused;   /* how many slots are free: the last ones of free[] */
	uint32_t *free;	   /* their numbers */
	uint32_t *home;	   /* in whose room a slot's packet lies: its own,
			    * unless it was split off another */
	uint16_t *users;   /* how many need a slot: itself, when in a batch, and
			    * those that lie in its room */
};

/* Packets in the order in which they are sent: numbers of slots. */
struct batch {
	struct pool *pool;
	uint32_t count;
	uint32_t list[]; /* pool->slots of them */
};

/* Argument as a batch. */
struct batch *checkbatch(lua_State *L, int at);

/* Argument as a batch, or NULL when it is anything else. */
struct batch *tobatch(lua_State *L, int at);

/* The metadata of a slot, and the place of a packet that is new there: behind
 * the headroom. */
struct slot *slotof(const struct pool *pool, uint32_t number);
unsigned char *roomof(const struct pool *pool, uint32_t number);

/* Append a free slot to the batch: its metadata, with at behind the headroom
 * and everything else 0. NULL when no slot is free. */
struct slot *append(struct batch *batch);

/* Append a packet that lies in the room of another one's slot. */
struct slot *append_within(struct batch *batch, uint32_t home);

/* The bytes of the i-th packet of a batch, NULL when its slot says that they
 * are outside of the memory, or that it was dropped. */
unsigned char *packetof(const struct batch *batch, uint32_t i,
			struct slot **slot);

/* Give back the slots of the first n packets; the others move up. */
void shift(struct batch *batch, uint32_t n);

#endif
