/* coalesce.c -- joining the packets of a batch to super-packets. */
#include "coalesce.h"

#include "../core.h"
#include "../wire/gro.h"
#include "batch.h"

#include <string.h>

enum { ALL_KINDS = ~0 }; /* of TUN_F_* */

/* Some packets of a batch, and which of its places they have. */
struct window {
	struct gro_packet packets[COALESCE_MOST];
	uint32_t places[COALESCE_MOST];
	size_t count;
};

/* Collect packets from the i-th on. Returns where it stopped. */
static uint32_t collect_window(const struct batch *batch, uint32_t i,
			       struct window *w)
{
	struct slot *slot;
	unsigned char *bytes;
	uint32_t size = 0;

	for (w->count = 0; i < batch->count && w->count < COALESCE_MOST; i++) {
		slot = slots_get(batch, i);
		bytes = slot ? slot_bytes(batch->pool, slot, &size) : NULL;
		if (!bytes)
			continue;
		w->places[w->count] = i;
		w->packets[w->count++] = (struct gro_packet){
			.bytes = bytes,
			.size = size,
			.vnet = slot->flags & SLOT_VNET ? &slot->vnet : NULL,
		};
	}
	return i;
}

/* Join a super-packet in the slot of its first packet; the others are dropped.
 */
static void join_slots(const struct batch *batch, const struct window *w,
		       size_t first)
{
	const struct pool *pool = batch->pool;
	const struct gro_packet *packets = w->packets;
	uint32_t number = batch->list[w->places[first]];
	unsigned char *to = pool->bytes + (packets[first].bytes - pool->bytes);
	struct slot *slot = slot_meta(pool, number);
	struct gro_joined joined;
	size_t i;

	if (!gro_join(packets, first, batch->ethernet, &joined) ||
	    slots_tailroom(batch, w->places[first], to) < joined.total)
		return;
	memcpy(to, joined.headers, joined.size);
	to += packets[first].size;
	for (i = packets[first].next; i != NO_PACKET; i = packets[i].next) {
		memmove(to, packets[i].bytes + packets[i].payload,
			packets[i].size - packets[i].payload);
		to += packets[i].size - packets[i].payload;
		slots_drop(batch, w->places[i]);
	}
	slot->size = joined.total;
	slot->vnet = joined.vnet;
	slot->flags |= SLOT_VNET;
}

/* batch:coalesce() -> how many packets are in it
 *
 * Join consecutive segments of a flow to super-packets, as far as there is room
 * for all in the slot of the first one. */
static int batch_coalesce(lua_State *L)
{
	struct batch *batch = object_self(L);
	struct window w;
	uint32_t i = 0;
	size_t each;

	while (i < batch->count) {
		i = collect_window(batch, i, &w);
		gro_coalesce(w.packets, w.count, (unsigned int)ALL_KINDS,
			     batch->ethernet);
		for (each = 0; each < w.count; each++)
			if (w.packets[each].count > 1 &&
			    !w.packets[each].follows)
				join_slots(batch, &w, each);
	}
	slots_compact(batch);
	lua_pushinteger(L, batch->count);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "coalesce", batch_coalesce },
	{ NULL, NULL },
};

void open_coalesce(lua_State *L)
{
	object_add_methods(L, BATCH, methods);
}
