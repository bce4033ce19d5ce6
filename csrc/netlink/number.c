/* number.c -- kinds of numbers, and of numbers that have names. */
#include "kind.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

_Noreturn void raise_key(struct encoder *e, const char *expected)
{
	lua_State *L = e->L;
	int type = lua_type(L, -1);

	if (type == LUA_TSTRING || type == LUA_TNUMBER)
		raise_misuse(L, "%s: %s is not %s", e->path,
			     lua_tostring(L, -1), expected);
	raise_misuse(L, "%s: a %s is not %s", e->path, luaL_typename(L, -1),
		     expected);
}

const char *encode_text(struct encoder *e, const char *expected)
{
	if (lua_type(e->L, -1) != LUA_TSTRING ||
	    strlen(lua_tostring(e->L, -1)) != lua_rawlen(e->L, -1))
		raise_key(e, expected);
	return lua_tostring(e->L, -1);
}

static size_t width(const struct field *f)
{
	return f->kind->size ? f->kind->size : f->size;
}

/* -- Numbers --------------------------------------------------------- */

uint64_t number_load(const void *p, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		return memcpy(&u64, p, 8), u64;
	case 4:
		return memcpy(&u32, p, 4), u32;
	case 2:
		return memcpy(&u16, p, 2), u16;
	default:
		return *(const unsigned char *)p;
	}
}

size_t number_store(unsigned char *out, uint64_t value, size_t size)
{
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;
	uint8_t u8 = (uint8_t)value;

	memcpy(out,
	       size == 8   ? (void *)&value
	       : size == 4 ? (void *)&u32
	       : size == 2 ? (void *)&u16
			   : (void *)&u8,
	       size);
	return size;
}

/* The integer on top of the stack, within bounds. */
static lua_Integer checkrange(struct encoder *e, lua_Integer min,
			      lua_Integer max)
{
	lua_Integer value;
	char text[64];

	if (!arg_integer(e->L, -1, &value) || value < min || value > max) {
		snprintf(text, sizeof(text), "an integer from %lld to %lld",
			 (long long)min, (long long)max);
		raise_key(e, text);
	}
	return value;
}

static lua_Integer maximum(size_t size)
{
	return size >= 8 ? INT64_MAX : ((lua_Integer)1 << (8 * size)) - 1;
}

bool push_number(struct decoder *d, const struct field *f, const void *p,
		 size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (lua_Integer)number_load(p, len));
	return true;
}

static size_t pull_number(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	size_t size = width(f);

	return number_store(out, (uint64_t)checkrange(e, 0, maximum(size)),
			    size);
}

static bool push_s32(struct decoder *d, const struct field *f, const void *p,
		     size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (int32_t)number_load(p, len));
	return true;
}

size_t pull_s32(struct encoder *e, const struct field *f, unsigned char *out)
{
	(void)f;
	return number_store(out, (uint64_t)checkrange(e, INT32_MIN, INT32_MAX),
			    4);
}

static bool push_some(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	return number_load(p, len) != 0 && push_s32(d, f, p, len);
}

static bool push_ticks(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	(void)f;
	if (number_load(p, len) == 0)
		return false;
	lua_pushinteger(d->L, (int32_t)number_load(p, len) / 100);
	return true;
}

static bool push_be16(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	(void)f;
	lua_pushinteger(d->L, ntohs((uint16_t)number_load(p, len)));
	return true;
}

static size_t pull_be16(struct encoder *e, const struct field *f,
			unsigned char *out)
{
	(void)f;
	return number_store(out, htons((uint16_t)checkrange(e, 0, UINT16_MAX)),
			    2);
}

static bool push_scaled(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	lua_pushnumber(d->L, (lua_Number)number_load(p, len) / f->size);
	return true;
}

static size_t pull_scaled(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	lua_Number value = lua_tonumber(e->L, -1) * f->size;

	if (lua_type(e->L, -1) != LUA_TNUMBER || !(value >= 0) ||
	    value > UINT32_MAX)
		raise_key(e, "a number that fits");
	return number_store(out, (uint64_t)(value + 0.5), 4);
}

static bool push_weight(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (lua_Integer)number_load(p, len) + 1);
	return true;
}

static size_t pull_weight(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	(void)f;
	return number_store(out, (uint64_t)checkrange(e, 1, 256) - 1, 1);
}

static bool push_forever(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	return number_load(p, len) != UINT32_MAX && push_number(d, f, p, len);
}

static size_t pull_forever(struct encoder *e, const struct field *f,
			   unsigned char *out)
{
	if (lua_isboolean(e->L, -1) && !lua_toboolean(e->L, -1))
		return number_store(out, UINT32_MAX, 4);
	return pull_number(e, f, out);
}

static bool push_bool(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	(void)f;
	lua_pushboolean(d->L, number_load(p, len) != 0);
	return true;
}

static size_t pull_bool(struct encoder *e, const struct field *f,
			unsigned char *out)
{
	if (!lua_isboolean(e->L, -1))
		raise_key(e, "true or false");
	return number_store(out, (uint64_t)lua_toboolean(e->L, -1), width(f));
}

static bool push_flag(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	(void)f, (void)p, (void)len;
	lua_pushboolean(d->L, true);
	return true;
}

static void put_flag(struct encoder *e, const struct field *f)
{
	if (!lua_isboolean(e->L, -1))
		raise_key(e, "true or false");
	if (lua_toboolean(e->L, -1))
		encode_bytes(e, f->where, NULL, 0);
}

/* -- Names of numbers ------------------------------------------------ */

static bool push_label(struct decoder *d, const struct field *f, uint64_t value)
{
	const struct label *row;

	for (row = f->more; row->name; row++)
		if (row->value == value)
			return decode_word(d, row->name), true;
	lua_pushinteger(d->L, (lua_Integer)value);
	return true;
}

static uint64_t pull_label(struct encoder *e, const struct field *f,
			   size_t size)
{
	const struct label *row;

	if (lua_type(e->L, -1) == LUA_TSTRING) {
		row = arg_pick(e->L, -1, e->path, f->more, sizeof(*row),
			       SIZE_MAX);
		return row->value;
	}
	return (uint64_t)checkrange(e, 0, maximum(size));
}

static bool push_enum(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	return push_label(d, f, number_load(p, len));
}

static size_t pull_enum(struct encoder *e, const struct field *f,
			unsigned char *out)
{
	return number_store(out, pull_label(e, f, width(f)), width(f));
}

static bool push_be_enum(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	return push_label(d, f, ntohs((uint16_t)number_load(p, len)));
}

static size_t pull_be_enum(struct encoder *e, const struct field *f,
			   unsigned char *out)
{
	return number_store(out, htons((uint16_t)pull_label(e, f, 2)), 2);
}

/* A set { name = true, ... }; a bit that has no name is its own number. */
static bool push_flags(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	uint64_t value = number_load(p, len == 8 ? 4 : len);
	const struct label *row;
	unsigned int bit;

	lua_newtable(d->L);
	for (row = f->more; row->name; row++) {
		if (!(value & row->value))
			continue;
		decode_word(d, row->name);
		lua_pushboolean(d->L, true);
		lua_rawset(d->L, -3);
		value &= ~row->value;
	}
	for (bit = 0; value; bit++, value >>= 1) {
		if (!(value & 1))
			continue;
		lua_pushinteger(d->L, (lua_Integer)1 << bit);
		lua_pushboolean(d->L, true);
		lua_rawset(d->L, -3);
	}
	return true;
}

static bool push_addrflags(struct decoder *d, const struct field *f,
			   const void *p, size_t len)
{
	struct field inet6 = *f;

	inet6.more = (const struct label *)f->more + 1;
	return push_flags(d, d->head[0] == AF_INET6 ? &inet6 : f, p, len);
}

/* The flags of a set, and which of them the set names. */
static uint64_t pull_set(struct encoder *e, const struct field *f, size_t size,
			 uint64_t *named)
{
	lua_State *L = e->L;
	uint64_t value = 0, bit;

	if (!lua_istable(L, -1))
		raise_key(e, "a set of names such as { up = true }");
	for (*named = 0, lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (!lua_isboolean(L, -1))
			raise_key(e, "true or false");
		lua_pushvalue(L, -2);
		bit = pull_label(e, f, size);
		if (bit > (uint64_t)maximum(size))
			raise_key(e, "a flag that can be here");
		bit &= ~(uint64_t)f->told;
		lua_pop(L, 1);
		*named |= bit;
		value |= lua_toboolean(L, -1) ? bit : 0;
	}
	return value;
}

static size_t pull_flags(struct encoder *e, const struct field *f,
			 unsigned char *out)
{
	uint64_t named;

	return number_store(out, pull_set(e, f, width(f), &named), width(f));
}

static size_t pull_masked(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	uint64_t named, value = pull_set(e, f, 4, &named);

	return number_store(out, value, 4) + number_store(out + 4, named, 4);
}

KIND(u8, 1, push_number, pull_number);
KIND(u16, 2, push_number, pull_number);
KIND(u32, 4, push_number, pull_number);
KIND(u64, 8, push_number, pull_number);
KIND(s32, 4, push_s32, pull_s32);
KIND(some, 4, push_some, NULL);
KIND(ticks, 4, push_ticks, NULL);
KIND(be16, 2, push_be16, pull_be16);
KIND(scaled, 4, push_scaled, pull_scaled);
KIND(weight, 1, push_weight, pull_weight);
KIND(bool, 1, push_bool, pull_bool);
KIND(forever, 4, push_forever, pull_forever);
KIND(enum8, 1, push_enum, pull_enum);
KIND(enum16, 2, push_enum, pull_enum);
KIND(enum32, 4, push_enum, pull_enum);
KIND(be_enum16, 2, push_be_enum, pull_be_enum);
KIND(flags8, 1, push_flags, pull_flags);
KIND(flags32, 4, push_flags, pull_flags);
KIND(addrflags, 4, push_addrflags, pull_flags);
KIND(masked, 8, push_flags, pull_masked);
const struct kind kind_flag = { "flag", 0, push_flag, NULL, put_flag };
