/* walk.c -- finds the layers of usual packets, for a Lua that compiles nothing:
 * a header is numbers, made of its declaration. Whatever is not usual is left
 * to the parser in Lua. */
#include "walk.h"

#include "../core.h"
#include "arena.h"
#include "lead.h"

#include <stdint.h>
#include <string.h>

enum {
	LEVELS = 8,	/* a packet has a header of each at most */
	STEPS = 256,	/* headers that are known */
	LEAD_BITS = 11, /* of the places for what follows them */
	LEADS = 1 << LEAD_BITS,
	NEAR = 4,	/* of what follows a header, what is compared first */
	WIDTH_MAX = 16, /* bits of a number in a header */
};

/* A number in a header: its first byte, whether there is another one, what is
 * behind it there, the bits that it has, none when there is no such number; and
 * what the declaration has beside it. */
struct part {
	uint32_t at;
	uint16_t more, shift;
	uint32_t mask, n;
};

struct step {
	uint32_t plain;	     /* 0 when it is always left to Lua */
	uint32_t least;	     /* bytes that the header has at least */
	uint32_t mark, mask; /* in the word of layers */
	uint32_t slot;	     /* of the packet, where Lua keeps it */
	struct part valid;   /* has to be n */
	struct part size;    /* bytes of the header: times n */
	struct part extent;  /* bytes of header and payload: plus n */
	struct part last;    /* more than 0 when nothing follows */
	struct part next;    /* what follows */
	struct part second;  /* the same where the first one is not known */
	struct part among;   /* has to be below 32, and a bit of n */
	struct lead near[NEAR];
	uint32_t leads;	 /* how many there are, with those that are not near */
	uint32_t fixed;	 /* bytes of the header, when no number has them */
	uint32_t covers; /* 1 when a number has the extent */
};

/* Numbers of a step in the order in which it is made; a part is four. */
enum { PLAIN, LEAST, MARK, MASK, SLOT, PARTS, NUMBERS = PARTS + 7 * 4 };

static const struct lead nothing;

/* Steps are counted from 1. */
struct walker {
	/* What the last walk found: where it ended, what ends there, the marks;
	 * its steps and their offsets, of which each has a bit of its own. */
	size_t at, stop;
	uint32_t layers, length, path[LEVELS];
	size_t offset[LEVELS];
	uint32_t steps, leads;
	struct step step[STEPS + 1];
	struct lead lead[LEADS];
};

/* -- Making one ---------------------------------------------------------- */

/* Make a part of four numbers: its first byte, bits to skip there, bits that it
 * has, and n. Whether it lies in the first `least` bytes of a header, and in
 * two at most. */
static bool make_part(struct part *part, const uint32_t *numbers,
		      uint32_t least)
{
	uint32_t at = numbers[0], skip = numbers[1], width = numbers[2];

	if (width == 0)
		return true;
	part->n = numbers[3];
	if (width > WIDTH_MAX || skip >= 8 || skip + width > 16 || at >= least)
		return false;
	part->at = at;
	part->more = skip + width > 8;
	part->shift = (uint16_t)(16 - skip - width);
	part->mask = (1u << width) - 1;
	return (uint32_t)(part->more ? 2 : 1) <= least - at;
}

/* Make a step that pass() may trust: what it reads is in the header. */
static bool make_step(struct step *step, const uint32_t *numbers)
{
	struct part *parts[] = { &step->valid, &step->size, &step->extent,
				 &step->last,  &step->next, &step->second,
				 &step->among };
	size_t i;

	step->plain = numbers[PLAIN];
	step->least = numbers[LEAST];
	step->mark = numbers[MARK];
	step->mask = numbers[MASK];
	step->slot = numbers[SLOT];
	for (i = 0; i < LENGTH(parts); i++)
		if (!make_part(parts[i], numbers + PARTS + 4 * i, step->least))
			return false;
	if (!step->among.mask)
		step->among.n = 1;
	step->fixed = step->size.mask ? 0 : step->least;
	step->covers = step->extent.mask != 0;
	return step->least > 0 && step->slot <= INT16_MAX && step->mark &&
	       !(step->mark & ~step->mask);
}

/* step(list) -> the id of a header's step, made of numbers; 0: there is no room
 * for more, or it is not plain. */
static int walker_step(lua_State *L)
{
	struct walker *walker = lua_touserdata(L, lua_upvalueindex(1));
	uint32_t numbers[NUMBERS];
	struct step step = { 0 };
	lua_Number value;
	size_t i;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "step", "a table of numbers");
	for (i = 0; i < NUMBERS; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		value = lua_tonumber(L, -1);
		if (!lua_isnumber(L, -1) || !(value >= 0 && value < 0x1p32))
			raise_value(L, -1, "step", "a number of 32 bits");
		numbers[i] = (uint32_t)value;
		lua_pop(L, 1);
	}
	if (numbers[PLAIN] && !make_step(&step, numbers))
		raise_misuse(L, "step: numbers outside of the header");
	if (walker->steps < STEPS)
		walker->step[++walker->steps] = step;
	lua_pushinteger(L, walker->steps);
	return 1;
}

/* lead(id, number, to): after a header comes another one when a number in it
 * says so; 0 for what is left to Lua. Where there is no room for more, the
 * whole header is. */
static int walker_lead(lua_State *L)
{
	struct walker *walker = lua_touserdata(L, lua_upvalueindex(1));
	uint32_t id = lead_number(L, 1, 1, walker->steps);
	uint32_t number = lead_number(L, 2, 0, (1u << WIDTH_MAX) - 1);
	uint32_t to = lead_number(L, 3, 0, walker->steps);
	uint32_t i, key = id << WIDTH_MAX | number;
	struct lead *lead = lead_place(walker->lead, LEAD_BITS, key);
	struct step *step;

	if (!lead->key && walker->leads == LEADS / 2) {
		walker->step[id].plain = 0;
		return 0;
	}
	step = walker->step + id;
	for (i = 0; i < NEAR && step->near[i].key && step->near[i].key != key;)
		i++;
	if (i < NEAR)
		step->near[i] = (struct lead){ key, to };
	walker->leads += !lead->key;
	step->leads += !lead->key;
	*lead = (struct lead){ key, to };
	return 0;
}

/* -- Walking ------------------------------------------------------------- */

/* Without branches, which would go another way in each header. */
static inline uint32_t part_number(const unsigned char *header,
				   const struct part *part)
{
	const unsigned char *bytes = header + part->at;

	return ((uint32_t)bytes[0] << 8 | bytes[part->more]) >> part->shift &
	       part->mask;
}

/* Whether a header is as it should be in n bytes; its size, and its extent. */
static inline bool usual(const struct step *step, const unsigned char *header,
			 size_t n, size_t *size, size_t *extent)
{
	uint32_t kind, covered;
	bool odd;

	if (!step->plain || n < step->least)
		return false;
	kind = part_number(header, &step->among);
	covered = part_number(header, &step->extent);
	odd = part_number(header, &step->valid) != step->valid.n;
	odd |= part_number(header, &step->last) > 0;
	odd |= kind > 31 || !(step->among.n >> (kind & 31) & 1);
	odd |= covered < step->covers;
	*size = step->fixed +
		(size_t)part_number(header, &step->size) * step->size.n;
	*extent = step->covers ? (size_t)covered + step->extent.n : n;
	odd |= *size < step->least || *size > *extent || *extent > n;
	return !odd;
}

/* What a number in a header leads to. A processor foresees which of a few it
 * is, but not what a table has. */
static inline const struct lead *
step_lead(struct walker *walker, const struct step *step, uint32_t key)
{
	const struct lead *near = step->near;

	if (near[0].key == key)
		return near;
	if (near[1].key == key)
		return near + 1;
	if (near[2].key == key)
		return near + 2;
	if (near[3].key == key)
		return near + 3;
	return step->leads > NEAR ? lead_place(walker->lead, LEAD_BITS, key)
				  : &nothing;
}

/* What follows a header by its first number, or by the second where that one
 * leads nowhere. */
static inline const struct lead *following(struct walker *walker, uint32_t id,
					   const unsigned char *header)
{
	const struct step *step = walker->step + id;
	uint32_t number = part_number(header, &step->next);
	const struct lead *lead =
		step_lead(walker, step, id << WIDTH_MAX | number);

	if (!lead->key && step->second.mask) {
		number = part_number(header, &step->second);
		lead = step_lead(walker, step, id << WIDTH_MAX | number);
	}
	return lead;
}

/* Go over usual headers, from the one of a step on. Returns the step that is
 * left to Lua, or 0. */
static uint32_t pass(struct walker *walker, uint32_t id,
		     const unsigned char *bytes, size_t at, size_t stop,
		     uint32_t layers)
{
	const struct lead *lead;
	size_t size, extent;
	uint32_t to;

	walker->length = 0;
	for (; id; id = to) {
		const struct step *step = walker->step + id;

		if (layers & step->mask || walker->length == LEVELS ||
		    !usual(step, bytes + at, stop - at, &size, &extent))
			break;
		to = 0;
		if (step->next.mask) {
			lead = following(walker, id, bytes + at);
			to = lead->to;
			if (!to && (lead->key || !step->second.mask))
				break;
		}
		walker->offset[walker->length] = at;
		walker->path[walker->length++] = id;
		layers += step->mark;
		stop = at + extent;
		at += size;
	}
	walker->stop = stop;
	walker->at = at;
	walker->layers = layers;
	return id;
}

/* Let a packet's table at an index have what the last walk found. */
static void keep_levels(lua_State *L, int packet, struct walker *walker)
{
	uint32_t i;

	for (i = 0; i < walker->length; i++) {
		const struct step *step = walker->step + walker->path[i];

		lua_pushinteger(L, (lua_Integer)walker->offset[i]);
		lua_rawseti(L, packet, (int)step->slot);
	}
}

/* walk(arena, packet, offset, stop, layers, id) -> the step that is left to
 * Lua, 0 when none is, and the numbers to go on with. */
static int walk(lua_State *L)
{
	const struct arena *arena = object_self(L);
	struct walker *walker = lua_touserdata(L, lua_upvalueindex(2));
	lua_Integer offset = lua_tointeger(L, 3), stop = lua_tointeger(L, 4);
	lua_Number marks = lua_tonumber(L, 5), id = lua_tonumber(L, 6);
	uint32_t layers = marks >= 0 && marks < 0x1p32 ? (uint32_t)marks : 0;
	uint32_t left;

	if (!lua_istable(L, 2))
		raise_value(L, 2, "packet", "a table");
	if (!(id >= 1 && id <= walker->steps))
		raise_value(L, 6, "walk", "a step");
	if (offset < 0 || offset > stop || stop > (lua_Integer)arena->size)
		raise_value(L, 3, "walk", "an offset in the arena");
	left = pass(walker, (uint32_t)id, arena->bytes, (size_t)offset,
		    (size_t)stop, layers);
	keep_levels(L, 2, walker);
	lua_pushinteger(L, left);
	lua_pushinteger(L, (lua_Integer)walker->at);
	lua_pushinteger(L, (lua_Integer)walker->stop);
	lua_pushinteger(L, (lua_Integer)walker->layers);
	return 4;
}

/* core.walker() -> the functions step(), lead() and walk() of a new walker */
static int core_walker(lua_State *L)
{
	struct walker *walker;

	lua_settop(L, 0);
	walker = lua_newuserdata(L, sizeof(*walker));
	memset(walker, 0, sizeof(*walker));
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, walker_step, 1);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, walker_lead, 1);
	luaL_getmetatable(L, ARENA);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, walk, 2);
	return 3;
}

static const luaL_Reg functions[] = {
	{ "walker", core_walker },
	{ NULL, NULL },
};

void open_walk(lua_State *L)
{
	object_functions(L, functions);
}
