/* coalesce.c -- csrc/wire/gro.c for packets that are strings. */
#include "../../csrc/core.h"
#include "../../csrc/wire/gro.h"
#include "spec.h"
#include "vnet.h"

#include <string.h>

enum { ALL_KINDS = ~0 };

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

/* spec.coalesce(packets, allowed, ethernet) -> list of { bytes =, vnet =,
 * count = }
 *
 * Join packets, which are strings or tables as those of the result. allowed is
 * a mask of TUN_F_*, nil for every kind. */
int spec_coalesce(lua_State *L)
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
