/* segment.c -- csrc/wire/gso.c for packets that are strings. */
#include "../../csrc/core.h"
#include "../../csrc/wire/gso.h"
#include "spec.h"
#include "vnet.h"

#include <string.h>

/* Argument as the bytes of a packet. */
static const char *check_packet(lua_State *L, int at, size_t *n)
{
	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "packet", "a string");
	return lua_tolstring(L, at, n);
}

/* spec.split(bytes, vnet, mtu, ethernet) -> list of packets | nil
 *
 * The packets that a super-packet stands for, with complete checksums. vnet is
 * a table of numbers named as in linux/virtio_net.h, or the bytes of one; mtu
 * the most bytes of an IP packet of TCP, or nil. nil when vnet does not fit. */
int spec_split(lua_State *L)
{
	size_t i, n, size;
	const char *bytes = check_packet(L, 1, &n);
	struct vnet vnet = vnet_check(L, 2);
	size_t mtu = (size_t)luaL_optinteger(L, 3, 0);
	bool ethernet = lua_toboolean(L, 4);
	unsigned char *out = lua_newuserdata(L, n ? n : 1);
	struct gso s;

	if (!gso_begin(&s, (const unsigned char *)bytes, n, &vnet, mtu,
		       ethernet)) {
		lua_pushnil(L);
		return 1;
	}
	lua_newtable(L);
	for (i = 1; (size = gso_next(&s, out, n)); i++) {
		lua_pushlstring(L, (char *)out, size);
		lua_rawseti(L, -2, (int)i);
	}
	return 1;
}

/* spec.complete(bytes, vnet) -> bytes, vnet | nil
 *
 * The packet with a complete checksum, and what is left to say of it. */
int spec_complete(lua_State *L)
{
	size_t n;
	const char *bytes = check_packet(L, 1, &n);
	struct vnet vnet = vnet_check(L, 2);
	unsigned char *out = lua_newuserdata(L, n ? n : 1);

	memcpy(out, bytes, n);
	if (!gso_complete(out, n, &vnet)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushlstring(L, (char *)out, n);
	vnet_push(L, &vnet);
	return 2;
}
