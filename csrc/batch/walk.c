/* walk.c -- finds the layers of usual packets, for the Luas that have no FFI:
 * a header is numbers, made of its declaration. Whatever is not usual is left
 * to the parser in Lua. */
#include "walk.h"

#include "../core.h"
#include "arena.h"

#include <stdint.h>
#include <string.h>

/* A number in a header: its first byte, bits to skip there, bits that it has,
 * at most 16, none when there is no such number; and what the declaration has
 * beside it. */
struct part {
	uint32_t at, skip, width, n;
};

/* Numbers in the order in which core.step() takes them. */
struct step {
	uint32_t id;
	uint32_t plain;	     /* 0 when it is always left to Lua */
	uint32_t least;	     /* bytes that the header has at least */
	uint32_t mark, mask; /* in the word of layers */
	uint32_t slot;	     /* of the packet, for the header's offset */
	struct part valid;   /* has to be n */
	struct part size;    /* bytes of the header: times n */
	struct part extent;  /* bytes of header and payload: plus n */
	struct part last;    /* more than 0 when nothing follows */
	struct part next;    /* what follows */
	struct part second;  /* the same where the first one is not known */
	struct part among;   /* has to be below 32, and a bit of n */
};

/* What core.step() made: at points to itself, as nothing else does. */
struct checked_step {
	struct step step;
	const void *at;
};

enum { WIDTH_MAX = 16 }; /* bits of a number in a header */

/* Whether a number lies in the first n bytes of a header. */
static bool part_fits(const struct part *part, uint32_t n)
{
	return part->width == 0 ||
	       (part->width <= WIDTH_MAX && part->skip < 8 && part->at < n &&
		(part->skip + part->width + 7) / 8 <= n - part->at);
}

/* Whether walk() may trust the numbers: what it reads is in the header, and it
 * does not see the same header for ever. */
static bool is_step(const struct step *s)
{
	return s->id <= INT16_MAX && s->slot <= INT16_MAX && s->mark &&
	       !(s->mark & ~s->mask) && part_fits(&s->valid, s->least) &&
	       part_fits(&s->size, s->least) &&
	       part_fits(&s->extent, s->least) &&
	       part_fits(&s->last, s->least) && part_fits(&s->next, s->least) &&
	       part_fits(&s->second, s->least) &&
	       part_fits(&s->among, s->least);
}

/* core.step(list) -> the numbers of a header, for walk() */
static int core_step(lua_State *L)
{
	uint32_t numbers[sizeof(struct step) / sizeof(uint32_t)];
	struct checked_step *made = lua_newuserdata(L, sizeof(*made));
	lua_Number value;
	size_t i;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "step", "a table of numbers");
	for (i = 0; i < LENGTH(numbers); i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		value = lua_tonumber(L, -1);
		if (!lua_isnumber(L, -1) || !(value >= 0 && value < 0x1p32))
			raise_value(L, -1, "step", "a number of 32 bits");
		numbers[i] = (uint32_t)value;
		lua_pop(L, 1);
	}
	memcpy(&made->step, numbers, sizeof(made->step));
	made->at = made;
	if (made->step.plain && !is_step(&made->step))
		raise_misuse(L, "step: numbers outside of the header");
	return 1;
}

/* The step at an index, or NULL. */
static const struct step *to_step(lua_State *L, int at)
{
	const struct checked_step *it = lua_touserdata(L, at);

	return it && lua_rawlen(L, at) == sizeof(*it) && it->at == it
		       ? &it->step
		       : NULL;
}

static uint32_t number(const unsigned char *header, const struct part *part)
{
	const unsigned char *bytes = header + part->at;
	unsigned int i, bits = part->skip + part->width;
	uint32_t value = 0;

	for (i = 0; i < bits; i += 8)
		value = value << 8 | *bytes++;
	return value >> (i - bits) & ((1u << part->width) - 1);
}

/* Whether a header is as it should be in n bytes; its size, and its extent. */
static bool usual(const struct step *step, const unsigned char *header,
		  size_t n, size_t *size, size_t *extent)
{
	uint32_t kind;

	*size = step->least;
	*extent = n;
	if (!step->plain || n < step->least)
		return false;
	if (step->valid.width && number(header, &step->valid) != step->valid.n)
		return false;
	if (step->last.width && number(header, &step->last) > 0)
		return false;
	kind = number(header, &step->among);
	if (step->among.width && (kind > 31 || !(step->among.n >> kind & 1)))
		return false;
	if (step->size.width)
		*size = (size_t)number(header, &step->size) * step->size.n;
	if (step->extent.width) {
		*extent = number(header, &step->extent);
		if (!*extent)
			return false;
		*extent += step->extent.n;
	}
	return *size >= step->least && *size <= *extent && *extent <= n;
}

/* What follows a header, from upvalue 2, whose table keeps it; NULL for what is
 * left to Lua. *known is whether the table has anything there. */
static const struct step *following(lua_State *L, const struct step *step,
				    const unsigned char *header, bool *known)
{
	uint32_t first = step->id << 16 | number(header, &step->next);
	uint32_t second = step->id << 16 | number(header, &step->second);
	const struct step *next;

	lua_rawgeti(L, lua_upvalueindex(2), (int)first);
	if (step->second.width && lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_rawgeti(L, lua_upvalueindex(2), (int)second);
	}
	*known = !lua_isnil(L, -1);
	next = to_step(L, -1);
	lua_pop(L, 1);
	return next;
}

/* Go over usual headers, whose offsets the packet at index 2 is to keep. */
static const struct step *pass(lua_State *L, const struct step *step,
			       const unsigned char *bytes, size_t *at,
			       size_t *stop, uint32_t *layers)
{
	const struct step *next = NULL;
	size_t size, extent;
	bool known;

	for (; step; step = next) {
		if (*layers & step->mask ||
		    !usual(step, bytes + *at, *stop - *at, &size, &extent))
			break;
		next = NULL;
		if (step->next.width)
			next = following(L, step, bytes + *at, &known);
		if (step->next.width && !next && (known || !step->second.width))
			break;
		lua_pushinteger(L, (lua_Integer)*at);
		lua_rawseti(L, 2, (int)step->slot);
		*layers += step->mark;
		*stop = *at + extent;
		*at += size;
	}
	return step;
}

/* walk(arena, packet, offset, stop, layers, step) -> the id of the step that
 * is left to Lua, 0 when none is, and the numbers to go on with. */
static int walk(lua_State *L)
{
	const struct arena *arena = object_self(L);
	lua_Integer offset = lua_tointeger(L, 3), end = lua_tointeger(L, 4);
	size_t at = (size_t)offset, stop = (size_t)end;
	lua_Number marks = lua_tonumber(L, 5);
	uint32_t layers = marks >= 0 && marks < 0x1p32 ? (uint32_t)marks : 0;
	const struct step *step = to_step(L, 6);

	if (!lua_istable(L, 2))
		raise_value(L, 2, "packet", "a table");
	if (offset >= 0 && offset <= end && end <= (lua_Integer)arena->size)
		step = pass(L, step, arena->bytes, &at, &stop, &layers);
	lua_pushinteger(L, step ? (lua_Integer)step->id : 0);
	lua_pushinteger(L, (lua_Integer)at);
	lua_pushinteger(L, (lua_Integer)stop);
	lua_pushinteger(L, (lua_Integer)layers);
	return 4;
}

/* core.walker(steps) -> walk(). What follows a header has the key id * 65536 +
 * number in steps. */
static int core_walker(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_getmetatable(L, ARENA);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, walk, 2);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "step", core_step },
	{ "walker", core_walker },
	{ NULL, NULL },
};

void open_walk(lua_State *L)
{
	object_functions(L, functions);
}
