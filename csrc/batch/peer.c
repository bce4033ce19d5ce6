/* peer.c -- where a packet in a slot came from or is to go, as text. */
#include "peer.h"

#include "../core.h"
#include "arena.h"
#include "batch.h"

#include <stddef.h>
#include <string.h>

/* core.peer(arena, at) -> where the packet whose slot begins at that offset
 * came from or is to go, "10.0.0.1:5000", or nil */
static int core_peer(lua_State *L)
{
	const unsigned char *slot = arena_check(L, 1, 2, sizeof(struct slot));
	union endpoint e;

	memcpy(&e, slot + offsetof(struct slot, peer), sizeof(e));
	endpoint_push(L, &e);
	return 1;
}

/* core.setpeer(arena, at, text or nil) */
static int core_setpeer(lua_State *L)
{
	unsigned char *slot = arena_check(L, 1, 2, sizeof(struct slot));
	union endpoint e = { 0 };

	if (!lua_isnoneornil(L, 3))
		endpoint_check(L, 3, "peer", &e);
	memcpy(slot + offsetof(struct slot, peer), &e, sizeof(e));
	return 0;
}

static const luaL_Reg functions[] = {
	{ "peer", core_peer },
	{ "setpeer", core_setpeer },
	{ NULL, NULL },
};

void open_peer(lua_State *L)
{
	object_functions(L, functions);
}
