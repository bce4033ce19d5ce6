/* segment.c -- splitting the super-packets of a batch. */
#include "segment.h"

#include "../core.h"
#include "../wire/gso.h"
#include "batch.h"

#include <errno.h>
#include <stdint.h>

/* Argument as a number of bytes; 0 when there is none. */
static size_t checkmtu(lua_State *L, int at)
{
	lua_Integer mtu = 0;

	if (lua_isnoneornil(L, at))
		return 0;
	if (!arg_integer(L, at, &mtu) || mtu < 1 || mtu > UINT16_MAX)
		raise_value(L, at, "mtu", "a number of bytes, 1 to 65535");
	return (size_t)mtu;
}

/* Begin to split a packet, where it was left when a device took only a part of
 * it. Returns how many packets it becomes; 0 when there is nothing to do. */
static uint32_t begin_segments(const struct batch *batch,
			       const struct slot *slot, size_t mtu,
			       struct gso *s)
{
	const struct vnet *vnet;
	unsigned char *bytes;
	uint32_t size;

	if (!slot || !(slot->flags & SLOT_VNET))
		return 0;
	vnet = &slot->vnet;
	bytes = slot_bytes(batch->pool, slot, &size);
	if (!bytes || !(vnet->gso_type ||
			vnet->flags & (VNET_NEEDS_CSUM | VNET_DATA_VALID)))
		return 0;
	if (!gso_begin(s, bytes, size, vnet, slot->sent ? 0 : mtu,
		       batch->ethernet) ||
	    s->count <= slot->sent ||
	    (s->count > 1 && s->payload + s->each > batch->pool->room))
		return 0;
	s->next = slot->sent;
	return (uint32_t)(s->count - s->next);
}

/* How many packets of a batch, from the first on, can be split with the slots
 * that are free; sets how many slots that takes. */
static uint32_t reach(const struct batch *batch, size_t mtu, uint32_t *slots)
{
	struct gso s;
	uint32_t i, n;

	*slots = 0;
	for (i = 0; i < batch->count; i++) {
		n = begin_segments(batch, slots_get(batch, i), mtu, &s);
		if (n > batch->pool->unused - *slots + 1)
			break;
		*slots += n ? n - 1 : 0;
	}
	return i;
}

/* Write the next segment of a packet to an offset in the memory, and say in a
 * slot that it lies there. */
static void write_to(const struct batch *batch, struct slot *slot,
		     const struct slot *from, size_t at, size_t room,
		     struct gso *s)
{
	size_t size = gso_next(s, batch->pool->bytes + at, room);

	*slot = *from;
	slot->at = (uint32_t)at;
	slot->size = (uint32_t)size;
	slot->sent = 0;
	slot->vnet = (struct vnet){ .flags = VNET_DATA_VALID };
}

/* Split a packet of the list to n, into the places behind it. The first stays
 * where the packet was, so it is written last. */
static void part(struct batch *batch, uint32_t i, uint32_t n, struct gso *s)
{
	const struct pool *pool = batch->pool;
	struct slot *slot = slot_meta(pool, batch->list[i]), *other;
	size_t first = s->next++, at = (size_t)(s->bytes - pool->bytes);
	uint32_t each;

	for (each = 1; each < n; each++) {
		other = slots_occupy(batch, i + each);
		write_to(batch, other, slot, other->at, pool->room, s);
	}
	s->next = first;
	write_to(batch, slot, slot, at, s->end, s);
}

/* Split the first of the packets, in the list from its end, which is where it
 * grows: by so many places at most. */
static void part_first(struct batch *batch, uint32_t packets, size_t mtu,
		       uint32_t slots)
{
	uint32_t i = batch->count, to = i + slots, n;
	struct gso s;

	batch->count = to;
	while (i-- > 0) {
		n = i < packets ? begin_segments(batch, slots_get(batch, i),
						 mtu, &s)
				: 0;
		if (n > to - i) /* packets that lie in one another */
			n = 0;
		to -= n ? n : 1;
		batch->list[to] = batch->list[i];
		if (n)
			part(batch, to, n, &s);
	}
	while (to > 0)
		batch->list[--to] = NO_SLOT;
}

/* batch:segment(mtu) -> how many packets are in the batch now, and reason and
 * errno when slots did not suffice for all
 *
 * Replace super-packets by the packets that they stand for, in their order, and
 * complete partial checksums. mtu is the most bytes of an IP packet of TCP, nil
 * for as many as the super-packet says. From the first one on for which there
 * are not enough free slots everything stays as it is, and so does one whose
 * virtio-net header does not fit it, which no device will take. */
static int batch_segment(lua_State *L)
{
	struct batch *batch = object_self(L);
	size_t mtu = checkmtu(L, 2);
	uint32_t packets, slots;
	bool all;

	slots_compact(batch);
	packets = reach(batch, mtu, &slots);
	all = packets == batch->count;
	part_first(batch, packets, mtu, slots);
	lua_pushinteger(L, batch->count);
	if (all)
		return 1;
	errno = ENOBUFS;
	fail_errno(L, "batch: too few free slots to split all");
	lua_remove(L, -3);
	return 3;
}

static const luaL_Reg methods[] = {
	{ "segment", batch_segment },
	{ NULL, NULL },
};

void open_segment(lua_State *L)
{
	object_add_methods(L, BATCH, methods);
}
