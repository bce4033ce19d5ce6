/* batch.c -- batches for Lua: packets in slots of one memory. */
#include "batch.h"

#include "../core.h"
#include "arena.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct slot) <= SLOT_META, "the metadata of a slot");

enum {
	SLOTS_MOST = 65536,
	ROOM_MOST = 1 << 20,
	LINE = 64, /* bytes that a processor's cache holds together */
};

struct batch *batch_to(lua_State *L, int at)
{
	struct batch *batch = lua_touserdata(L, at);
	bool same;

	if (!batch || !lua_getmetatable(L, at))
		return NULL;
	luaL_getmetatable(L, BATCH);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same ? batch : NULL;
}

struct batch *batch_check(lua_State *L, int at)
{
	struct batch *batch = batch_to(L, at);

	if (!batch)
		raise_value(L, at, "batch", "one of tun.batch");
	return batch;
}

/* Push an empty batch over a pool. The table on top of the stack has the pool
 * and its memory; it stays below. */
static struct batch *newbatch(lua_State *L, struct pool *pool)
{
	struct batch *batch;

	batch = object_new(L, BATCH,
			   sizeof(*batch) +
				   listroom(pool) * sizeof(*batch->list));
	batch->pool = pool;
	lua_newtable(L);
	lua_rawgeti(L, -3, 1);
	lua_rawseti(L, -2, 1);
	lua_rawgeti(L, -3, 2);
	lua_rawseti(L, -2, 2);
	lua_setuservalue(L, -2);
	return batch;
}

static void fill(struct pool *pool, struct arena *arena)
{
	uint32_t i;

	pool->bytes = arena->bytes;
	pool->unused = pool->slots;
	for (i = 0; i < pool->slots; i++)
		pool->of[i].free = pool->slots - 1 - i;
}

/* Argument as a number of something between limits. */
static uint32_t count(lua_State *L, int at, const char *what, lua_Integer least,
		      lua_Integer most)
{
	lua_Integer n;

	if (!arg_integer(L, at, &n) || n < least || n > most)
		raise_misuse(L, "%s: %s is not a number from %d to %d", what,
			     push_words(L, at), (int)least, (int)most);
	return (uint32_t)n;
}

/* Slots one behind the other, whose packets do not begin at the same lines of
 * the cache: an odd number of lines from one to the next. */
static uint32_t stride(uint32_t size)
{
	return ((size + LINE - 1) / LINE | 1) * LINE;
}

/* Argument as the mode of a device: whether packets have an Ethernet header. */
static bool istap(lua_State *L, int at)
{
	const char *mode = lua_isnoneornil(L, at) ? "tun" : arg_text(L, at);

	if (!mode)
		raise_value(L, at, "mode", "\"tun\" or \"tap\"");
	if (strcmp(mode, "tun") != 0 && strcmp(mode, "tap") != 0)
		raise_misuse(L, "mode: \"%s\" is neither \"tun\" nor \"tap\"",
			     mode);
	return !strcmp(mode, "tap");
}

int fail_batch_full(lua_State *L)
{
	errno = ENOBUFS;
	return fail_errno(L, "batch: no slot is free, clear() gives all back");
}

/* core.batch(slots, size, headroom, mode) -> batch | nil, reason, errno
 *
 * An empty batch over new memory. Pages are taken as they are used. */
static int core_batch(lua_State *L)
{
	uint32_t slots = count(L, 1, "slots", 1, SLOTS_MOST);
	uint32_t room = count(L, 2, "size", 1, ROOM_MOST);
	uint32_t headroom = count(L, 3, "headroom", 0, ROOM_MOST);
	bool ethernet = istap(L, 4);
	uint32_t step = stride(SLOT_META + headroom + room + 1);
	struct arena *arena;
	struct pool *pool;

	if (step > INT32_MAX / slots)
		raise_misuse(L,
			     "batch: %d slots of %d bytes are more than 2 GiB",
			     (int)slots, (int)step);
	lua_settop(L, 4);
	lua_newtable(L);
	pool = lua_newuserdata(L, sizeof(*pool) + slots * sizeof(*pool->of));
	lua_rawseti(L, 5, 1);
	arena = arena_new(L, (size_t)slots * step, true);
	if (!arena)
		return fail_errno(L, "batch");
	lua_rawseti(L, 5, 2);
	*pool = (struct pool){ .slots = slots,
			       .stride = step,
			       .headroom = headroom,
			       .room = room };
	fill(pool, arena);
	newbatch(L, pool)->ethernet = ethernet;
	return 1;
}

/* batch:sibling() -> an empty batch over the same memory */
static int batch_sibling(lua_State *L)
{
	struct batch *batch = object_self(L);

	lua_getuservalue(L, 1);
	newbatch(L, batch->pool)->ethernet = batch->ethernet;
	return 1;
}

/* -- What is in it --------------------------------------------------------- */

/* batch:count() -> how many packets are in it */
static int batch_count(lua_State *L)
{
	struct batch *batch = object_self(L);
	uint32_t i, n = 0;

	for (i = 0; i < batch->count; i++)
		n += slots_get(batch, i) != NULL;
	lua_pushinteger(L, n);
	return 1;
}

/* batch:size() -> how many bytes its packets have together */
static int batch_size(lua_State *L)
{
	struct batch *batch = object_self(L);
	const struct slot *slot;
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < batch->count; i++) {
		slot = slots_get(batch, i);
		n += slot ? slot->size : 0;
	}
	push_whole(L, n);
	return 1;
}

/* batch:unused() -> how many packets more the memory has slots for */
static int batch_unused(lua_State *L)
{
	struct batch *batch = object_self(L);

	lua_pushinteger(L, batch->pool->unused);
	return 1;
}

/* batch:clear() -> batch: without its packets */
static int batch_clear(lua_State *L)
{
	slots_clear(object_self(L));
	lua_settop(L, 1);
	return 1;
}

/* Argument as the place of a packet, from 1. */
static uint32_t place(lua_State *L, int at, const struct batch *batch)
{
	if (!batch->count)
		raise_misuse(L, "the batch is empty");
	return count(L, at, "place", 1, batch->count) - 1;
}

/* batch:swap(i, j) -> batch: two of its packets change places */
static int batch_swap(lua_State *L)
{
	struct batch *batch = object_self(L);
	uint32_t i = place(L, 2, batch), j = place(L, 3, batch);
	uint32_t number = batch->list[i];

	batch->list[i] = batch->list[j];
	batch->list[j] = number;
	lua_settop(L, 1);
	return 1;
}

/* batch:drop(i) -> batch: without the i-th packet; the others keep their places
 * until they are sent, received or gone through anew */
static int batch_drop(lua_State *L)
{
	struct batch *batch = object_self(L);
	struct slot *slot = slots_get(batch, place(L, 2, batch));

	if (slot)
		slot->flags |= SLOT_DROPPED;
	lua_settop(L, 1);
	return 1;
}

/* batch:compact() -> batch: what was dropped or moved away leaves no gaps
 */
static int batch_compact(lua_State *L)
{
	slots_compact(object_self(L));
	lua_settop(L, 1);
	return 1;
}

/* Append n bytes as a packet. */
static struct slot *copy(lua_State *L, struct batch *batch, const void *bytes,
			 size_t n)
{
	struct slot *slot;

	if (n > batch->pool->room)
		raise_misuse(L, "a packet of %d bytes; a slot has room for %d",
			     (int)n, (int)batch->pool->room);
	slot = slots_append(batch);
	if (!slot)
		return NULL;
	slot->size = (uint32_t)n;
	memcpy(batch->pool->bytes + slot->at, bytes, n);
	return slot;
}

/* Push true, or nil, reason and errno when no slot was free. */
static int appended(lua_State *L, const struct slot *slot)
{
	if (!slot) {
		errno = ENOBUFS;
		return fail_errno(L, "batch: all slots are in use");
	}
	lua_pushboolean(L, true);
	return 1;
}

/* Copy what an argument says of a packet, if there is one. Returns its flag. */
static uint16_t say(lua_State *L, int at, void *to, size_t most, uint16_t flag)
{
	const char *bytes;
	size_t n;

	if (lua_isnoneornil(L, at))
		return 0;
	bytes = lua_tolstring(L, at, &n);
	memcpy(to, bytes, n < most ? n : most);
	return flag;
}

static void checkheader(lua_State *L, int at, const char *what)
{
	if (!lua_isnoneornil(L, at) && lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, what, "a string or nil");
}

/* batch:append(bytes, vnet, pi) -> true | nil, reason, errno
 *
 * A copy of them; vnet and pi are the bytes of a virtio-net header and of
 * packet information, if there are such. */
static int batch_append(lua_State *L)
{
	struct batch *batch = object_self(L);
	struct slot *slot;
	const char *bytes;
	size_t n;

	if (lua_type(L, 2) != LUA_TSTRING)
		raise_value(L, 2, "packet", "a string");
	checkheader(L, 3, "vnet");
	checkheader(L, 4, "pi");
	bytes = lua_tolstring(L, 2, &n);
	slot = copy(L, batch, bytes, n);
	if (slot) {
		slot->flags =
			say(L, 3, &slot->vnet, sizeof(slot->vnet), SLOT_VNET);
		slot->flags |= say(L, 4, &slot->pi, sizeof(slot->pi), SLOT_PI);
	}
	return appended(L, slot);
}

/* Put the i-th packet at the end of a batch over the same memory, or of its
 * own. A list that is full has gaps, since there are less packets. */
static void transfer(struct batch *batch, uint32_t i, struct batch *to)
{
	uint32_t number = batch->list[i];

	batch->list[i] = NO_SLOT;
	if (to->count == listroom(to->pool))
		slots_compact(to);
	to->list[to->count++] = number;
}

/* batch:move(i, to) -> true | nil, reason, errno
 *
 * Let the i-th packet be in another batch, or in this one, at its end: the same
 * bytes where the memory is the same, else a copy. */
static int batch_move(lua_State *L)
{
	struct batch *batch = object_self(L), *to = batch_check(L, 3);
	uint32_t i = place(L, 2, batch), at, n;
	unsigned char *bytes;
	struct slot *slot = slots_get(batch, i), *made;

	if (!slot)
		raise_misuse(L, "packet %d was dropped or moved already",
			     (int)i + 1);
	if (to->pool == batch->pool) {
		transfer(batch, i, to);
		return appended(L, slot);
	}
	bytes = slot_bytes(batch->pool, slot, &n);
	if (!bytes)
		raise_misuse(L, "packet %d is outside of its memory",
			     (int)i + 1);
	made = copy(L, to, bytes, n);
	if (made) {
		at = made->at;
		*made = *slot;
		made->at = at;
		made->size = n;
		slot->flags |= SLOT_DROPPED;
	}
	return appended(L, made);
}

/* Where a packet of a batch is: offsets of its slot, of the packet, of the
 * packet's end, of the first and behind the last byte that it can grow to; the
 * flags of its slot. Numbers as Lua has them. */
struct seen {
	double base, at, stop, floor, ceiling, flags;
};

/* Look at the packet at a place of a batch, counted from 1. Returns 1, or 0
 * when there are less, or -1 when it was dropped or moved away. */
static int batch_see(const struct batch *batch, double i, struct seen *seen)
{
	const struct pool *pool = batch->pool;
	const struct slot *slot;
	uint32_t number, base, n;

	if (!(i >= 1 && i <= batch->count))
		return 0;
	slot = slots_get(batch, (uint32_t)i - 1);
	if (!slot || !slot_bytes(pool, slot, &n))
		return -1;
	number = batch->list[(uint32_t)i - 1];
	base = number * pool->stride;
	*seen = (struct seen){ base,	 slot->at,     slot->at + n,
			       slot->at, slot->at + n, slot->flags };
	if (pool->of[number].home == number) {
		seen->floor = base + SLOT_META;
		seen->ceiling = base + pool->stride;
	}
	return 1;
}

/* Close the gaps of a batch that is gone through from its beginning. Returns
 * twice the number of its packets, and 1 more when they begin with an Ethernet
 * header. */
static double batch_begin(struct batch *batch)
{
	slots_compact(batch);
	return 2.0 * batch->count + (batch->ethernet ? 1 : 0);
}

/* Append a copy of n bytes. Whether there was room: who wants a reason appends
 * them once more by the method. */
static int batch_append_raw(struct batch *batch, const void *bytes, uint32_t n)
{
	struct slot *slot = n > batch->pool->room ? NULL : slots_append(batch);

	if (!slot)
		return 0;
	slot->size = n;
	memmove(batch->pool->bytes + slot->at, bytes, n);
	return 1;
}

/* core.batch_addresses: functions for the FFI. */
static void push_batch_addresses(lua_State *L)
{
	static const struct {
		const char *name;
		uintptr_t address;
	} list[] = {
		{ "see", (uintptr_t)batch_see },
		{ "begin", (uintptr_t)batch_begin },
		{ "append", (uintptr_t)batch_append_raw },
	};
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(list); i++) {
		lua_pushnumber(L, (lua_Number)list[i].address);
		lua_setfield(L, -2, list[i].name);
	}
	lua_setfield(L, -2, "batch_addresses");
}

/* batch:slot(i) -> as struct seen, but for the flags: whether there is a
 * virtio-net header, and packet information. None when the packet was dropped
 * or moved away; false when there are less than i. */
static int batch_slot(lua_State *L)
{
	struct seen seen;
	lua_Integer i;
	int found;

	if (!arg_integer(L, 2, &i))
		raise_value(L, 2, "slot", "a place in the batch");
	found = batch_see(object_self(L), (double)i, &seen);
	if (found < 1) {
		lua_pushboolean(L, false);
		return found + 1;
	}
	lua_pushinteger(L, (lua_Integer)seen.base);
	lua_pushinteger(L, (lua_Integer)seen.at);
	lua_pushinteger(L, (lua_Integer)seen.stop);
	lua_pushinteger(L, (lua_Integer)seen.floor);
	lua_pushinteger(L, (lua_Integer)seen.ceiling);
	lua_pushboolean(L, (int)seen.flags & SLOT_VNET);
	lua_pushboolean(L, (int)seen.flags & SLOT_PI);
	return 7;
}

/* batch:mode() -> "tap" when its packets begin with an Ethernet header, or
 * "tun"
 */
static int batch_mode(lua_State *L)
{
	const struct batch *batch = object_self(L);

	lua_pushstring(L, batch->ethernet ? "tap" : "tun");
	return 1;
}

/* batch:resize(i, at, size): where the i-th packet lies now, in its own slot */
static int batch_resize(lua_State *L)
{
	const struct batch *batch = object_self(L);
	struct slot *slot = slots_get(batch, place(L, 2, batch));
	lua_Integer all = (lua_Integer)batch->pool->slots * batch->pool->stride;
	lua_Integer at = 0, size = 0;

	if (!slot)
		return 0;
	if (!arg_integer(L, 3, &at) || !arg_integer(L, 4, &size) || at < 0 ||
	    size < 0 || at > all || size > all - at)
		raise_misuse(L, "the packet would lie outside of its memory");
	slot->at = (uint32_t)at;
	slot->size = (uint32_t)size;
	return 0;
}

/* batch:arena() -> its memory */
static int batch_arena(lua_State *L)
{
	object_self(L);
	lua_getuservalue(L, 1);
	lua_rawgeti(L, -1, 2);
	return 1;
}

/* core.views(batch, make) -> table | nil
 *
 * What Lua keeps of the views of its packets: nil before the first is made. */
static int core_views(lua_State *L)
{
	batch_check(L, 1);
	lua_settop(L, 2);
	lua_getuservalue(L, 1);
	lua_rawgeti(L, -1, 3);
	if (lua_isnil(L, -1) && lua_toboolean(L, 2)) {
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -4, 3);
	}
	return 1;
}

/* batch:address() -> where struct batch is, for the FFI */
static int batch_address(lua_State *L)
{
	push_whole(L, (uintptr_t)object_self(L));
	return 1;
}

static int batch_tostring(lua_State *L)
{
	const struct batch *batch = object_self(L);

	batch_count(L);
	lua_pushfstring(L, "batch of %d packets, %d slots of %d bytes unused",
			(int)lua_tointeger(L, -1), (int)batch->pool->unused,
			(int)batch->pool->room);
	return 1;
}

/* Others over the same memory get the slots; its own finalizer may be followed
 * by others that use it. */
static int batch_gc(lua_State *L)
{
	slots_clear(object_self(L));
	return 0;
}

static const luaL_Reg metamethods[] = {
	{ "__gc", batch_gc },
	{ "__len", batch_count },
	{ "__tostring", batch_tostring },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "sibling", batch_sibling }, { "count", batch_count },
	{ "size", batch_size },	      { "unused", batch_unused },
	{ "clear", batch_clear },     { "swap", batch_swap },
	{ "drop", batch_drop },	      { "compact", batch_compact },
	{ "append", batch_append },   { "move", batch_move },
	{ "slot", batch_slot },	      { "mode", batch_mode },
	{ "resize", batch_resize },   { "arena", batch_arena },
	{ "address", batch_address }, { NULL, NULL },
};

/* What Lua has to know of struct slot. */
static void push_layout(lua_State *L)
{
	static const struct {
		const char *name;
		lua_Integer value;
	} numbers[] = {
		{ "slot_meta", SLOT_META },
		{ "slot_pi", offsetof(struct slot, pi) },
		{ "slot_vnet", SLOT_VNET },
		{ "slot_with_pi", SLOT_PI },
		{ "vnet_size", sizeof(struct vnet) },
		{ "packet_most", SEGMENT_MOST },
	};
	size_t i;

	for (i = 0; i < LENGTH(numbers); i++) {
		lua_pushinteger(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
}

void open_batch(lua_State *L)
{
	object_type(L, BATCH, metamethods, methods);
	lua_setfield(L, -2, "batches");
	lua_pushcfunction(L, core_batch);
	lua_setfield(L, -2, "batch");
	lua_pushcfunction(L, core_views);
	lua_setfield(L, -2, "views");
	push_batch_addresses(L);
	push_layout(L);
}
