/* coalesce.c -- joining packets to super-packets, for Lua. */
#include "coalesce.h"

#include "../core.h"
#include "../wire/gro.h"
#include "batch.h"
#include "vnet.h"

#include <string.h>

enum { ALL_KINDS = ~0 };

/* -- Packets that are strings ---------------------------------------------- */

/* A packet of a list: its bytes, or a table with them and a virtio-net header.
 */
static struct gro_packet packet_of(lua_State *L, int at, struct vnet *vnet)
{
	struct gro_packet packet = { 0 };
	size_t n;

	if (lua_istable(L, at)) {
		lua_pushliteral(L, "vnet");
		lua_rawget(L, at);
		*vnet = vnet_check(L, lua_gettop(L));
		packet.vnet = vnet;
		lua_pushliteral(L, "bytes");
		lua_rawget(L, at);
		lua_replace(L, at);
		lua_settop(L, at);
	}
	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "packet", "a string");
	packet.bytes = (const unsigned char *)lua_tolstring(L, at, &n);
	if (n > INT32_MAX)
		raise_misuse(L, "packet: longer than 2 GiB");
	packet.size = (uint32_t)n;
	return packet;
}

/* Push a table of what the super-packet that begins with a packet is. */
static void push_joined(lua_State *L, const struct gro_packet *packets,
			size_t first, bool ethernet)
{
	struct gro_joined joined;
	luaL_Buffer bytes;
	size_t i;

	if (!gro_join(packets, first, ethernet, &joined))
		raise_misuse(L, "coalesce: a packet changed meanwhile");
	lua_newtable(L);
	luaL_buffinit(L, &bytes);
	luaL_addlstring(&bytes, (char *)joined.headers, joined.size);
	for (i = first; i != NO_PACKET; i = packets[i].next)
		luaL_addlstring(&bytes,
				(const char *)packets[i].bytes +
					packets[i].payload,
				packets[i].size - packets[i].payload);
	luaL_pushresult(&bytes);
	lua_setfield(L, -2, "bytes");
	vnet_push(L, &joined.vnet);
	lua_setfield(L, -2, "vnet");
}

static void push_packet(lua_State *L, const struct gro_packet *packets,
			size_t first, bool ethernet)
{
	const struct gro_packet *packet = &packets[first];

	if (packet->count > 1) {
		push_joined(L, packets, first, ethernet);
	} else {
		lua_newtable(L);
		lua_pushlstring(L, (const char *)packet->bytes, packet->size);
		lua_setfield(L, -2, "bytes");
		if (packet->vnet)
			vnet_push(L, packet->vnet);
		else
			lua_newtable(L);
		lua_setfield(L, -2, "vnet");
	}
	lua_pushinteger(L, packet->count);
	lua_setfield(L, -2, "count");
}

/* core.coalesce(packets, allowed, ethernet) -> list of { bytes =, vnet =,
 * count = }
 *
 * Join packets, which are strings or tables as those of the result. allowed is
 * a mask of TUN_F_*, nil for every kind. */
static int core_coalesce(lua_State *L)
{
	lua_Integer allowed = ALL_KINDS;
	bool ethernet = lua_toboolean(L, 3);
	struct gro_packet *packets;
	struct vnet *vnets;
	size_t i, n;
	int at = 0;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "coalesce", "a list of packets");
	if (!lua_isnoneornil(L, 2) && !arg_integer(L, 2, &allowed))
		raise_value(L, 2, "allowed", "a mask of TUN_F_*");
	n = lua_rawlen(L, 1);
	if (n > COALESCE_MOST)
		raise_misuse(L, "coalesce: more than %d packets",
			     COALESCE_MOST);
	lua_settop(L, 1);
	packets = lua_newuserdata(L, (n + 1) * sizeof(*packets));
	vnets = lua_newuserdata(L, (n + 1) * sizeof(*vnets));
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		packets[i] = packet_of(L, 4, &vnets[i]);
		lua_settop(L, 3);
	}
	gro_coalesce(packets, n, (unsigned int)allowed, ethernet);
	lua_newtable(L);
	for (i = 0; i < n; i++) {
		if (packets[i].follows)
			continue;
		push_packet(L, packets, i, ethernet);
		lua_rawseti(L, -2, ++at);
	}
	return 1;
}

/* -- Packets in a batch ---------------------------------------------------- */

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

/* batch:gro_coalesce() -> how many packets are in it
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

static const luaL_Reg functions[] = {
	{ "coalesce", core_coalesce },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "coalesce", batch_coalesce },
	{ NULL, NULL },
};

void open_coalesce(lua_State *L)
{
	object_functions(L, functions);
	object_add_methods(L, BATCH, methods);
}
