/* dissect.c -- finds the layers of any packet for LuaJIT, by the declarations
 * of their headers: one call, so that traffic of many shapes needs no trace for
 * each. A header is expressions of its fields, compiled to a few operations.
 * What is malformed, or is found by more than expressions, is left to Lua, with
 * nothing noted of that header. */
#include "dissect.h"

#include "../core.h"
#include "arena.h"
#include "expression.h"
#include "lead.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
	LEVELS = 8,	/* a packet has one header of each */
	OTHERS = 4,	/* headers without a level, or of one that is taken */
	STEPS = 512,	/* headers that are known */
	LEAD_BITS = 12, /* of the places for what follows them */
	LEADS = 1 << LEAD_BITS,
	CODE = 16384,	   /* numbers of all expressions */
	NUMBERS = 1 << 16, /* what follows has a number below, of a space */
	SPACES = 1 << 15,  /* spaces of numbers */
};

/* Where an expression is among all operations; of no length when absent. */
struct expression {
	uint32_t at, length;
};

enum { VALID, SIZE, EXTENT, OPEN, LAST, NEXT, SECOND, INNER, QUOTES, PARTS };

/* Flags of a step. */
enum {
	KNOWN = 1,   /* it is not left to Lua */
	LENIENT = 2, /* its extent says nothing of what is around it */
	STREAM = 4,  /* of which the rest may be elsewhere */
	QUOTED = 8,  /* what is inside, by an error */
};

struct step {
	uint32_t flags, least, mark, mask, level;
	uint32_t next_least; /* below it a number is a length: 1 follows */
	uint32_t next_size;  /* of the header, when it is known what follows */
	uint32_t next_space, inner_space; /* that NEXT and INNER are of */
	uint32_t holds; /* the step of a packet inside, if always of one */
	struct expression parts[PARTS];
};

enum { HEAD = 10 }; /* numbers of a step before those of its expressions */

/* What was found in one packet. */
struct found {
	uint32_t layers;
	uint32_t taken, level[LEVELS];	/* the steps that have a level */
	uint32_t others, other[OTHERS]; /* and those that have none here */
	size_t at[LEVELS], where[OTHERS];
	uint32_t room;	 /* how many more headers there can be without one */
	uint32_t inside; /* of which step a packet inside is, 0 for none */
	bool quoted;
};

/* Slots of a packet's table. */
struct slots {
	int limit, payload, layers, first, more, inside, quoted, loose;
};

/* Steps are counted from 1. */
struct dissector {
	struct slots slots;
	uint32_t most; /* headers without a level in a packet */
	uint32_t steps, leads, used;
	int32_t code[CODE];
	struct step step[STEPS + 1];
	struct lead lead[LEADS];
};

/* A header, and what it is read as. */
struct reading {
	struct header header;
	const struct step *step;
};

/* -- Expressions --------------------------------------------------------- */

static bool has_part(const struct step *step, int part)
{
	return step->parts[part].length > 0;
}

/* The value of a part that is there. */
static struct value part_value(const struct dissector *d,
			       const struct reading *r, int part)
{
	const struct expression *e = &r->step->parts[part];

	return expression_value(d->code + e->at, e->length, &r->header);
}

/* A part that is a condition, false when absent. */
static bool part_holds(const struct dissector *d, const struct reading *r,
		       int part)
{
	return has_part(r->step, part) && !part_value(d, r, part).no;
}

/* -- Dissecting ---------------------------------------------------------- */

/* What a number of a space leads to. */
static const struct lead *space_lead(struct dissector *d, uint32_t space,
				     double n)
{
	static const struct lead nothing;

	return n >= 0 && n < NUMBERS && n == floor(n)
		       ? lead_place(d->lead, LEAD_BITS,
				    space * NUMBERS + (uint32_t)n)
		       : &nothing;
}

/* A number by which something follows a header, and what that is. */
static const struct lead *following(struct dissector *d,
				    const struct reading *r)
{
	uint32_t space = r->step->next_space;
	double n = part_value(d, r, NEXT).n;
	const struct lead *lead;

	if (r->step->next_least && n < r->step->next_least)
		n = 1;
	lead = space_lead(d, space, n);
	if (!lead->key && has_part(r->step, SECOND))
		lead = space_lead(d, space, part_value(d, r, SECOND).n);
	return lead;
}

/* Where a header ends, and what it covers. False for one that is to be left to
 * Lua. */
static bool reading_extent(const struct dissector *d, const struct reading *r,
			   size_t *size, size_t *extent)
{
	size_t rest = (size_t)(r->header.stop - r->header.bytes);
	double n = r->step->least, all = (double)rest;

	if (!(r->step->flags & KNOWN) || rest < r->step->least ||
	    (has_part(r->step, VALID) && !part_holds(d, r, VALID)))
		return false;
	if (has_part(r->step, SIZE))
		n = part_value(d, r, SIZE).n;
	if (!(n >= r->step->least && n <= (double)rest))
		return false;
	if (has_part(r->step, EXTENT))
		all = part_value(d, r, EXTENT).n;
	if (part_holds(d, r, OPEN))
		all = (double)rest;
	if (!(all >= n) || (all > (double)rest && !(r->step->flags & STREAM)))
		return false;
	if (n != floor(n) || all != floor(all))
		return false;
	*size = (size_t)n;
	*extent = r->step->flags & LENIENT || all > (double)rest ? rest
								 : (size_t)all;
	return true;
}

/* Note a packet inside: false when Lua has to load what it is of. */
static bool note_inside(struct dissector *d, struct found *found,
			const struct reading *r)
{
	uint32_t inside = r->step->holds;
	const struct lead *lead;

	if (has_part(r->step, QUOTES) && !part_holds(d, r, QUOTES))
		return true;
	if (has_part(r->step, INNER)) {
		lead = space_lead(d, r->step->inner_space,
				  part_value(d, r, INNER).n);
		inside = lead->to;
		if (lead->key && !inside)
			return false;
	}
	if (inside)
		found->inside = inside;
	if (has_part(r->step, QUOTES) || r->step->flags & QUOTED)
		found->quoted = true;
	return true;
}

/* Note where a header is: false when there is no room. */
static bool note_place(struct found *found, const struct step *step,
		       uint32_t id, size_t at)
{
	if (step->mask && !(found->layers & step->mask)) {
		if (found->taken == LEVELS)
			return false;
		found->level[found->taken] = id;
		found->at[found->taken++] = at;
		found->layers += step->mark;
		return true;
	}
	if (found->others == OTHERS || found->others >= found->room)
		return false;
	found->other[found->others] = id;
	found->where[found->others++] = at;
	return true;
}

/* Read one header. False for what is left to Lua; or *to is what follows, 0
 * when nothing does. */
static bool read_header(struct dissector *d, struct found *found,
			struct reading *r, uint32_t id,
			const unsigned char *bytes, uint32_t *to)
{
	const struct lead *lead = NULL;
	struct reading now = *r;
	size_t size, extent;

	now.step = d->step + id;
	if (!reading_extent(d, &now, &size, &extent))
		return false;
	now.header.stop = now.header.bytes + extent;
	if (has_part(now.step, NEXT) && !part_holds(d, &now, LAST)) {
		lead = following(d, &now);
		if (lead->key && now.step->next_size)
			size = now.step->next_size;
		if (size > extent)
			return false;
		if (has_part(now.step, SECOND) && extent == size)
			lead = NULL;
	}
	if ((lead && lead->key && !lead->to) || !note_inside(d, found, &now) ||
	    !note_place(found, now.step, id,
			(size_t)(now.header.bytes - bytes)))
		return false;
	now.header.bytes += size;
	*r = now;
	*to = lead ? lead->to : 0;
	return true;
}

/* -- For Lua ------------------------------------------------------------- */

static void keep_number(lua_State *L, int slot, double n)
{
	lua_pushnumber(L, n);
	lua_rawseti(L, 2, slot);
}

/* Append the headers without a level to the packet's list, which is made. */
static void keep_others(lua_State *L, const struct dissector *d,
			const struct found *found)
{
	bool apart = true;
	uint32_t i;
	int n;

	lua_rawgeti(L, 2, d->slots.more);
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		lua_createtable(L, OTHERS, 1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, 2, d->slots.more);
	} else {
		lua_getfield(L, -1, "apart");
		apart = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	n = (int)lua_rawlen(L, -1);
	for (i = 0; i < found->others; i++) {
		lua_createtable(L, 2, 0);
		lua_rawgeti(L, lua_upvalueindex(3), (int)found->other[i]);
		lua_rawseti(L, -2, 1);
		lua_pushnumber(L, (lua_Number)found->where[i]);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, n + (int)i + 1);
		apart &= !d->step[found->other[i]].mask;
	}
	lua_pushboolean(L, apart);
	lua_setfield(L, -2, "apart");
	lua_pop(L, 1);
}

/* Let the packet's table, at index 2, have what was found. */
static void keep(lua_State *L, const struct dissector *d,
		 const struct found *found)
{
	uint32_t i;

	for (i = 0; i < found->taken; i++)
		keep_number(
			L, d->slots.first + (int)d->step[found->level[i]].level,
			(double)found->at[i]);
	keep_number(L, d->slots.layers, found->layers);
	if (!found->others && !found->inside)
		return;
	if (found->others)
		keep_others(L, d, found);
	if (found->inside) {
		lua_rawgeti(L, lua_upvalueindex(3), (int)found->inside);
		lua_rawseti(L, 2, d->slots.inside);
	}
	if (found->quoted) {
		lua_pushboolean(L, true);
		lua_rawseti(L, 2, d->slots.quoted);
	}
	lua_pushboolean(L, true);
	lua_rawseti(L, 2, d->slots.loose);
}

/* How many headers without a level the packet at index 2 has room for. */
static uint32_t room_for_others(lua_State *L, const struct dissector *d)
{
	size_t n = 0;

	lua_rawgeti(L, 2, d->slots.more);
	if (lua_istable(L, -1))
		n = lua_rawlen(L, -1);
	lua_pop(L, 1);
	return n < d->most ? d->most - (uint32_t)n : 0;
}

/* The header at offsets of the arena at index 1, which are checked. */
static struct reading first_header(lua_State *L)
{
	const struct arena *arena = object_self(L);
	lua_Number at = lua_tonumber(L, 3), stop = lua_tonumber(L, 4);
	lua_Number first = lua_tonumber(L, 8);

	if (!(first >= 0 && first <= at && at <= stop &&
	      stop <= (lua_Number)arena->size))
		raise_value(L, 3, "dissect", "an offset in the arena");
	return (struct reading){
		.header = { .first = arena->bytes + (size_t)first,
			    .bytes = arena->bytes + (size_t)at,
			    .stop = arena->bytes + (size_t)stop },
	};
}

/* dissect(arena, packet, offset, stop, layers, space, number, first) -> the
 * step that is left to Lua, 0 for none, NUMBERS when Lua has to load what the
 * number leads to
 *
 * Go over the headers of a packet that begins at `first`, from the one that a
 * number of a space leads to, where `layers` are found already. The packet has
 * then what was found, as a parser in Lua leaves it. */
static int dissect(lua_State *L)
{
	struct dissector *d = lua_touserdata(L, lua_upvalueindex(2));
	struct reading r = first_header(L);
	const unsigned char *bytes =
		((struct arena *)lua_touserdata(L, 1))->bytes;
	lua_Number layers = lua_tonumber(L, 5), space = lua_tonumber(L, 6);
	struct found found = { .layers = layers >= 0 && layers < 0x1p32
						 ? (uint32_t)layers
						 : 0 };
	const struct lead *lead;
	uint32_t id;

	if (!lua_istable(L, 2))
		raise_value(L, 2, "packet", "a table");
	if (!(space >= 1 && space < SPACES))
		raise_value(L, 6, "dissect", "a space");
	lua_settop(L, 8);
	found.room = room_for_others(L, d);
	lead = space_lead(d, (uint32_t)space, lua_tonumber(L, 7));
	id = lead->key && !lead->to ? NUMBERS : lead->to;
	while (id && id < NUMBERS && read_header(d, &found, &r, id, bytes, &id))
		;
	keep(L, d, &found);
	keep_number(L, d->slots.payload, (double)(r.header.bytes - bytes));
	keep_number(L, d->slots.limit, (double)(r.header.stop - bytes));
	lua_pushinteger(L, id);
	return 1;
}

/* -- Making one ---------------------------------------------------------- */

/* The number at an index of the table at index 1, if it has 32 bits. */
static int64_t number_at(lua_State *L, uint32_t i)
{
	lua_Number value;

	lua_rawgeti(L, 1, (int)i);
	value = lua_tonumber(L, -1);
	if (!lua_isnumber(L, -1) || !(value > -0x1p31 && value < 0x1p32))
		raise_value(L, -1, "step", "a number of 32 bits");
	lua_pop(L, 1);
	return (int64_t)value;
}

static bool part_ok(const struct dissector *d, const struct step *step,
		    int part)
{
	const struct expression *e = &step->parts[part];

	return expression_ok(d->code + e->at, e->length, step->least);
}

/* Read the expressions of a step, each behind its length. False when there is
 * no room. */
static bool read_parts(lua_State *L, struct dissector *d, struct step *step)
{
	uint32_t at = HEAD, part, n;

	for (part = 0; part < PARTS; part++) {
		n = (uint32_t)number_at(L, ++at);
		if (n > CODE - d->used)
			return false;
		step->parts[part] = (struct expression){ d->used, n };
		while (n--)
			d->code[d->used++] = (int32_t)number_at(L, ++at);
		if (has_part(step, (int)part) && !part_ok(d, step, (int)part))
			raise_misuse(L, "step: operations that do not fit");
	}
	return true;
}

/* step(list) -> the id of a header's step; 0 when there is no room for more */
static int dissector_step(lua_State *L)
{
	struct dissector *d = lua_touserdata(L, lua_upvalueindex(1));
	struct step step = { 0 };
	uint32_t *head[HEAD] = { &step.flags,	    &step.least,
				 &step.mark,	    &step.mask,
				 &step.level,	    &step.next_least,
				 &step.next_size,   &step.next_space,
				 &step.inner_space, &step.holds };
	uint32_t i;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "step", "a table of numbers");
	for (i = 0; i < HEAD; i++)
		*head[i] = (uint32_t)number_at(L, i + 1);
	if (step.level >= LEVELS || d->steps == STEPS ||
	    !read_parts(L, d, &step)) {
		lua_pushinteger(L, 0);
		return 1;
	}
	d->step[++d->steps] = step;
	lua_pushinteger(L, d->steps);
	return 1;
}

/* lead(space, number, to): a number of a space leads to a header; 0 for what is
 * left to Lua. Whether there was room. */
static int dissector_lead(lua_State *L)
{
	struct dissector *d = lua_touserdata(L, lua_upvalueindex(1));
	uint32_t space = lead_number(L, 1, 1, SPACES);
	uint32_t number = lead_number(L, 2, 0, NUMBERS - 1);
	uint32_t to = lead_number(L, 3, 0, d->steps);
	struct lead *lead =
		lead_place(d->lead, LEAD_BITS, space * NUMBERS + number);

	lua_pushboolean(L, lead->key || d->leads < LEADS / 2);
	if (lead->key || d->leads < LEADS / 2) {
		d->leads += !lead->key;
		lead->key = space * NUMBERS + number;
		lead->to = to;
	}
	return 1;
}

/* core.dissector(protocols, slots, most) -> the functions step(), lead(),
 * dissect() of a new one; protocols has by step what a packet is to have of it,
 * slots the places in a packet's table, which has most headers without a level
 * at most */
static int core_dissector(lua_State *L)
{
	static const char *const names[] = { "LIMIT",  "PAYLOAD", "LAYERS",
					     "FIRST",  "MORE",	  "INSIDE",
					     "QUOTED", "LOOSE" };
	struct dissector *d;
	int *slots;
	size_t i;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 3);
	d = lua_newuserdata(L, sizeof(*d));
	memset(d, 0, sizeof(*d));
	d->most = lead_number(L, 3, 0, INT16_MAX);
	slots = (int *)&d->slots;
	for (i = 0; i < LENGTH(names); i++) {
		lua_getfield(L, 2, names[i]);
		slots[i] = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
	}
	lua_pushvalue(L, 4);
	lua_pushcclosure(L, dissector_step, 1);
	lua_pushvalue(L, 4);
	lua_pushcclosure(L, dissector_lead, 1);
	luaL_getmetatable(L, ARENA);
	lua_pushvalue(L, 4);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, dissect, 3);
	return 3;
}

static const luaL_Reg functions[] = {
	{ "dissector", core_dissector },
	{ NULL, NULL },
};

void open_dissect(lua_State *L)
{
	object_functions(L, functions);
}
