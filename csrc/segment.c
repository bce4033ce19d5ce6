/* segment.c -- splitting super-packets, for Lua. */
#include "core.h"
#include "offload.h"
#include "vnet.h"

#include <stdint.h>

/* Argument as a number of bytes; 0 when there is none. */
static size_t checkmtu(lua_State *L, int at)
{
	lua_Integer mtu = 0;

	if (lua_isnoneornil(L, at))
		return 0;
	if (!tointeger(L, at, &mtu) || mtu < 1 || mtu > UINT16_MAX)
		misuse_value(L, at, "mtu", "a number of bytes, 1 to 65535");
	return (size_t)mtu;
}

/* core.split(bytes, vnet, mtu, ethernet) -> list of packets | nil
 *
 * The packets that a super-packet stands for, with complete checksums. vnet is
 * a table of numbers named as in linux/virtio_net.h, or the bytes of one; mtu
 * the most bytes of an IP packet of TCP, or nil. nil when vnet does not fit. */
static int core_split(lua_State *L)
{
	size_t i, n, size;
	const char *bytes = luaL_checklstring(L, 1, &n);
	struct vnet vnet = checkvnet(L, 2);
	size_t mtu = checkmtu(L, 3);
	unsigned char *out = lua_newuserdata(L, n ? n : 1);
	struct split s;

	if (!split(&s, (const unsigned char *)bytes, n, &vnet, mtu,
		   lua_toboolean(L, 4))) {
		lua_pushnil(L);
		return 1;
	}
	lua_newtable(L);
	for (i = 1; (size = segment(&s, out, n)); i++) {
		lua_pushlstring(L, (char *)out, size);
		lua_rawseti(L, -2, (int)i);
	}
	return 1;
}

/* core.complete(bytes, vnet) -> bytes, vnet | nil
 *
 * The packet with a complete checksum, and what is left to say of it. */
static int core_complete(lua_State *L)
{
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	struct vnet vnet = checkvnet(L, 2);
	unsigned char *out = lua_newuserdata(L, n ? n : 1);

	memcpy(out, bytes, n);
	if (!complete(out, n, &vnet)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushlstring(L, (char *)out, n);
	pushvnet(L, &vnet);
	return 2;
}

static const luaL_Reg functions[] = {
	{ "split", core_split },
	{ "complete", core_complete },
	{ NULL, NULL },
};

void open_segment(lua_State *L)
{
	setfuncs(L, functions);
}
