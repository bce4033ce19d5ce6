/* vnet.c -- a virtio-net header as a Lua value. */
#include "vnet.h"

#include "../../csrc/core.h"

#include <stdint.h>
#include <string.h>

#define FIELD(field)                                                           \
	{                                                                      \
#field, offsetof(struct vnet, field),                          \
			sizeof(((struct vnet *)NULL)->field)                   \
	}

static const struct field {
	const char *name;
	size_t at, size;
} fields[] = {
	FIELD(flags),		FIELD(gso_type),	FIELD(hdr_len),
	FIELD(gso_size),	FIELD(csum_start),	FIELD(csum_offset),
	FIELD(num_buffers),	FIELD(hash_value),	FIELD(hash_report),
	FIELD(outer_th_offset), FIELD(inner_nh_offset),
};

static void vnet_put(struct vnet *vnet, const struct field *f, uint32_t value)
{
	unsigned char *to = (unsigned char *)vnet + f->at;
	uint16_t half = (uint16_t)value;
	uint8_t byte = (uint8_t)value;

	if (f->size == sizeof(byte))
		memcpy(to, &byte, sizeof(byte));
	else if (f->size == sizeof(half))
		memcpy(to, &half, sizeof(half));
	else
		memcpy(to, &value, sizeof(value));
}

static uint32_t vnet_get(const struct vnet *vnet, const struct field *f)
{
	const unsigned char *from = (const unsigned char *)vnet + f->at;
	uint32_t value;
	uint16_t half;

	if (f->size == sizeof(uint8_t))
		return *from;
	if (f->size == sizeof(half)) {
		memcpy(&half, from, sizeof(half));
		return half;
	}
	memcpy(&value, from, sizeof(value));
	return value;
}

/* The header in the table at a positive index. */
static struct vnet vnet_of_table(lua_State *L, int at)
{
	struct vnet vnet = { 0 };
	const struct field *f;
	lua_Integer value;

	for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
		f = arg_pick(L, -2, "field of a virtio-net header", fields,
			     sizeof(*f), LENGTH(fields));
		if (!arg_integer(L, -1, &value) || value < 0 ||
		    (uint64_t)value >> (8 * f->size))
			raise_value(L, -1, f->name, "a number that fits");
		vnet_put(&vnet, f, (uint32_t)value);
	}
	return vnet;
}

struct vnet vnet_check(lua_State *L, int at)
{
	struct vnet vnet = { 0 };
	const char *bytes;
	size_t n;

	if (lua_isnoneornil(L, at))
		return vnet;
	if (lua_istable(L, at))
		return vnet_of_table(L, at);
	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "virtio-net header", "a table or bytes");
	bytes = lua_tolstring(L, at, &n);
	memcpy(&vnet, bytes, n < sizeof(vnet) ? n : sizeof(vnet));
	return vnet;
}

void vnet_push(lua_State *L, const struct vnet *vnet)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(fields); i++) {
		if (!vnet_get(vnet, &fields[i]))
			continue;
		lua_pushinteger(L, vnet_get(vnet, &fields[i]));
		lua_setfield(L, -2, fields[i].name);
	}
}
