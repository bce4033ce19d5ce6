/* number.c -- kinds of numbers, and of numbers that have names. */
#include "number.h"

#include "codec.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

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
static lua_Integer check_range(struct encoder *e, lua_Integer min,
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

static lua_Integer max_of(size_t size)
{
	return size >= 8 ? INT64_MAX : ((lua_Integer)1 << (8 * size)) - 1;
}

bool number_push(struct decoder *d, const struct field *f, const void *p,
		 size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (lua_Integer)number_load(p, len));
	return true;
}

static size_t pull_number(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	size_t size = f->kind->size;

	return number_store(out, (uint64_t)check_range(e, 0, max_of(size)),
			    size);
}

static bool push_s32(struct decoder *d, const struct field *f, const void *p,
		     size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (int32_t)number_load(p, len));
	return true;
}

size_t number_pull_s32(struct encoder *e, const struct field *f,
		       unsigned char *out)
{
	(void)f;
	return number_store(out, (uint64_t)check_range(e, INT32_MIN, INT32_MAX),
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
	return number_store(out, htons((uint16_t)check_range(e, 0, UINT16_MAX)),
			    2);
}

static bool push_be64(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	(void)f;
	lua_pushinteger(d->L, (lua_Integer)be64toh(number_load(p, len)));
	return true;
}

static size_t pull_be64(struct encoder *e, const struct field *f,
			unsigned char *out)
{
	(void)f;
	return number_store(out,
			    htobe64((uint64_t)check_range(e, 0, INT64_MAX)), 8);
}

/* The first and the last number, of half the size each. */
static bool push_range(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	uint64_t first = number_load(p, len / 2);
	uint64_t last = number_load((const char *)p + len / 2, len / 2);
	char text[48];

	if (first == last)
		return number_push(d, f, p, len / 2);
	snprintf(text, sizeof(text), "%llu-%llu", (unsigned long long)first,
		 (unsigned long long)last);
	lua_pushstring(d->L, text);
	return true;
}

/* The number at the beginning of a text, at most `most`; its end, or NULL. */
static const char *parse_number(const char *text, uint64_t most,
				uint64_t *value)
{
	const char *digit = text;

	for (*value = 0; *digit >= '0' && *digit <= '9'; digit++) {
		*value = 10 * *value + (uint64_t)(*digit - '0');
		if (*value > most)
			return NULL;
	}
	return digit > text ? digit : NULL;
}

static size_t pull_range(struct encoder *e, const struct field *f,
			 unsigned char *out)
{
	static const char expected[] =
		"a number that fits, or two such as \"80-90\"";
	size_t size = f->kind->size / 2;
	uint64_t first, last, most = (uint64_t)max_of(size);
	const char *end;

	if (lua_type(e->L, -1) == LUA_TNUMBER) {
		first = last = (uint64_t)check_range(e, 0, max_of(size));
	} else {
		end = parse_number(encode_text(e, expected), most, &first);
		if (end && *end == '-')
			end = parse_number(end + 1, most, &last);
		else
			last = first;
		if (!end || *end || last < first)
			raise_key(e, expected);
	}
	number_store(out, first, size);
	return size + number_store(out + size, last, size);
}

static bool push_scaled(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	uint64_t value = number_load(p, len);

	if (value % f->divisor == 0)
		push_whole(d->L, value / f->divisor);
	else
		lua_pushnumber(d->L, (lua_Number)value / f->divisor);
	return true;
}

static size_t pull_scaled(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	lua_Number value = lua_tonumber(e->L, -1) * f->divisor;

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
	return number_store(out, (uint64_t)check_range(e, 1, 256) - 1, 1);
}

static bool push_forever(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	return number_load(p, len) != UINT32_MAX && number_push(d, f, p, len);
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
	return number_store(out, (uint64_t)lua_toboolean(e->L, -1),
			    f->kind->size);
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

	for (row = f->labels; row->name; row++)
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
		row = arg_pick(e->L, -1, e->path, f->labels, sizeof(*row),
			       SIZE_MAX);
		return row->value;
	}
	return (uint64_t)check_range(e, 0, max_of(size));
}

static bool push_enum(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	return push_label(d, f, number_load(p, len));
}

static size_t pull_enum(struct encoder *e, const struct field *f,
			unsigned char *out)
{
	return number_store(out, pull_label(e, f, f->kind->size),
			    f->kind->size);
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
	for (row = f->labels; row->name; row++) {
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

	inet6.labels++;
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
		bit &= ~(uint64_t)f->readonly;
		if (e->filter)
			bit &= f->filter;
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

	return number_store(out, pull_set(e, f, f->kind->size, &named),
			    f->kind->size);
}

static size_t pull_masked(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	uint64_t named, value = pull_set(e, f, 4, &named);

	return number_store(out, value, 4) + number_store(out + 4, named, 4);
}

#define KIND(NAME, SIZE, PUSH, PULL, SHAPE, ...)                               \
	const struct kind kind_##NAME = { .name = #NAME,                       \
					  .size = SIZE,                        \
					  .push = PUSH,                        \
					  .pull = PULL,                        \
					  .shape = SHAPE,                      \
					  __VA_ARGS__ }

KIND(u8, 1, number_push, pull_number, PLAIN);
KIND(u16, 2, number_push, pull_number, PLAIN);
KIND(u32, 4, number_push, pull_number, PLAIN);
KIND(u64, 8, number_push, pull_number, PLAIN);
KIND(s32, 4, push_s32, number_pull_s32, PLAIN);
KIND(some, 4, push_some, NULL, PLAIN);
KIND(ticks, 4, push_ticks, NULL, PLAIN);
KIND(be16, 2, push_be16, pull_be16, PLAIN);
KIND(be64, 8, push_be64, pull_be64, PLAIN);
KIND(range16, 4, push_range, pull_range, PLAIN);
KIND(range32, 8, push_range, pull_range, PLAIN);
KIND(scaled, 4, push_scaled, pull_scaled, SCALED);
KIND(weight, 1, push_weight, pull_weight, PLAIN);
KIND(bool, 1, push_bool, pull_bool, PLAIN);
KIND(flag, 0, push_flag, NULL, PLAIN, .put = put_flag);
KIND(forever, 4, push_forever, pull_forever, PLAIN, .filler = 0xff);
KIND(enum8, 1, push_enum, pull_enum, NAMED);
KIND(enum16, 2, push_enum, pull_enum, NAMED);
KIND(enum32, 4, push_enum, pull_enum, NAMED);
KIND(be_enum16, 2, push_be_enum, pull_be_enum, NAMED);
KIND(flags8, 1, push_flags, pull_flags, FLAGS);
KIND(flags32, 4, push_flags, pull_flags, FLAGS);
KIND(addrflags, 4, push_addrflags, pull_flags, FLAGS);
KIND(masked, 8, push_flags, pull_masked, FLAGS);
