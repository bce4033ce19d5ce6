/* arena.c -- memory that packets lie in, and access to its bytes: bounds are
 * checked here for the Luas that have no FFI. */
#include "arena.h"

#include "../core.h"
#include "../wire/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BITS_MAX = 48 }; /* what every Lua number holds exactly */

static int arena_gc(lua_State *L)
{
	struct arena *arena = object_self(L);

	if (arena->mapped)
		munmap(arena->bytes + arena->size -
			       (arena->mapped - (size_t)getpagesize()),
		       arena->mapped);
	arena->mapped = 0;
	arena->size = 0;
	return 0;
}

/* Map the bytes so that they end where a page begins that cannot be touched. */
static bool map(struct arena *arena, size_t size)
{
	size_t page = (size_t)getpagesize();
	size_t pages = (size + page - 1) / page * page;
	unsigned char *start =
		mmap(NULL, pages + page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		return false;
	mprotect(start + pages, page, PROT_NONE);
	arena->bytes = start + pages - size;
	arena->size = size;
	arena->mapped = pages + page;
	return true;
}

struct arena *arena_new(lua_State *L, size_t size, bool guarded)
{
	struct arena *arena;

	if (guarded) {
		arena = object_new(L, ARENA, sizeof(*arena));
		return map(arena, size) ? arena : NULL;
	}
	arena = object_new(L, ARENA, sizeof(*arena) + size);
	arena->bytes = (unsigned char *)(arena + 1);
	arena->size = size;
	return arena;
}

/* core.arena(size, guarded) -> arena | nil, reason, errno: zeroed memory. With
 * guarded, a page that cannot be touched lies behind its last byte. */
static int core_arena(lua_State *L)
{
	lua_Integer size = luaL_checkinteger(L, 1);

	if (size < 1 || size > INT32_MAX)
		raise_misuse(L, "arena: a size of 1 byte to 2 GiB expected");
	if (!arena_new(L, (size_t)size, lua_toboolean(L, 2)))
		return fail_errno(L, "arena");
	return 1;
}

/* An offset with n bytes behind it, as argument `at`. */
static unsigned char *checkspan(lua_State *L, struct arena *arena, int at,
				size_t n)
{
	lua_Number offset = lua_tonumber(L, at);

	if (!(offset >= 0 && offset + (lua_Number)n <= (lua_Number)arena->size))
		raise_misuse(
			L,
			"bytes %f to %f are outside of the arena of %d bytes",
			offset, offset + (lua_Number)n, (int)arena->size);
	return arena->bytes + (size_t)offset;
}

unsigned char *arena_check(lua_State *L, int arena, int at, size_t n)
{
	return checkspan(L, luaL_checkudata(L, arena, ARENA), at, n);
}

static size_t checklength(lua_State *L, int at)
{
	lua_Integer n = luaL_checkinteger(L, at);

	if (n < 0 || n > INT32_MAX)
		raise_misuse(L, "a length of %d bytes", (int)n);
	return (size_t)n;
}

static int get8(lua_State *L)
{
	lua_pushinteger(L, *checkspan(L, object_self(L), 2, 1));
	return 1;
}

static int get16(lua_State *L)
{
	const unsigned char *b = checkspan(L, object_self(L), 2, 2);

	lua_pushinteger(L, b[0] << 8 | b[1]);
	return 1;
}

static lua_Integer load(const unsigned char *b, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *b++;
	return (lua_Integer)value;
}

static int get32(lua_State *L)
{
	lua_pushinteger(L, load(checkspan(L, object_self(L), 2, 4), 4));
	return 1;
}

/* Where `width` bits begin at bit `skip` of the bytes at an offset. */
struct span {
	unsigned char *bytes;
	size_t n;
	unsigned int shift;
	uint64_t mask;
};

static struct span checkbits(lua_State *L)
{
	struct arena *arena = object_self(L);
	lua_Integer skip = lua_tointeger(L, 3), width = lua_tointeger(L, 4);
	struct span span;

	if (skip < 0 || skip > 7 || width < 1 || width > BITS_MAX)
		raise_misuse(L, "%d bits at bit %d", (int)width, (int)skip);
	span.n = (size_t)(skip + width + 7) / 8;
	span.shift = (unsigned int)(8 * (lua_Integer)span.n - skip - width);
	span.mask = ((uint64_t)1 << width) - 1;
	span.bytes = checkspan(L, arena, 2, span.n);
	return span;
}

/* bits(arena, offset, skip, width) -> number */
static int getbits(lua_State *L)
{
	struct span span = checkbits(L);
	uint64_t value = (uint64_t)load(span.bytes, span.n);

	lua_pushinteger(L, (lua_Integer)(value >> span.shift & span.mask));
	return 1;
}

/* load(arena, offset, rows) -> a number for each row: a string whose every
 * three bytes are where the number's bytes begin behind the offset, at which
 * bit of these, and how many bits it has. */
static int loads(lua_State *L)
{
	struct arena *arena = object_self(L);
	lua_Number offset = lua_tonumber(L, 2);
	size_t i, n, size;
	const char *rows = luaL_checklstring(L, 3, &n);
	const unsigned char *row, *bytes;
	uint64_t value;

	for (i = 0; i + 3 <= n; i += 3) {
		row = (const unsigned char *)rows + i;
		size = (row[1] + row[2] + 7u) / 8;
		if (!(offset >= 0 && offset + row[0] + (lua_Number)size <=
					     (lua_Number)arena->size))
			checkspan(L, arena, 2, row[0] + size);
		bytes = arena->bytes + (size_t)offset + row[0];
		value = (uint64_t)load(bytes, size);
		value = value >> (8 * size - row[1] - row[2]) &
			(((uint64_t)1 << row[2]) - 1);
		lua_pushinteger(L, (lua_Integer)value);
	}
	return (int)(n / 3);
}

/* What getter() made: its upvalue 2 is where, at which bit, and how many bits.
 */
static int get_field(lua_State *L)
{
	struct arena *arena = object_self(L);
	lua_Integer row = lua_tointeger(L, lua_upvalueindex(2));
	unsigned int at = row & 0xffff, skip = row >> 16 & 0xff;
	unsigned int width = row >> 24 & 0xff, size = (skip + width + 7) / 8;
	lua_Number offset = lua_tonumber(L, 2) + at;
	uint64_t value;

	if (!(offset >= 0 && offset + size <= (lua_Number)arena->size))
		raise_misuse(L, "bytes outside of the arena");
	value = (uint64_t)load(arena->bytes + (size_t)offset, size);
	value = value >> (8 * size - skip - width) &
		(((uint64_t)1 << width) - 1);
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* getter(at, skip, width) -> function(arena, offset): the number there. */
static int getter(lua_State *L)
{
	lua_Integer at = luaL_checkinteger(L, 1);
	lua_Integer skip = luaL_checkinteger(L, 2);
	lua_Integer width = luaL_checkinteger(L, 3);

	if (at < 0 || at > 0xffff || skip < 0 || skip > 7 || width < 1 ||
	    width > BITS_MAX)
		raise_misuse(L, "%d bits at bit %d", (int)width, (int)skip);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushinteger(L, at | skip << 16 | width << 24);
	lua_pushcclosure(L, get_field, 2);
	return 1;
}

/* setbits(arena, offset, skip, width, number) */
static int setbits(lua_State *L)
{
	struct span span = checkbits(L);
	uint64_t value = (uint64_t)(lua_Integer)lua_tonumber(L, 5) & span.mask;
	uint64_t all = (uint64_t)load(span.bytes, span.n);
	size_t i;

	all = (all & ~(span.mask << span.shift)) | value << span.shift;
	for (i = span.n; i > 0; i--, all >>= 8)
		span.bytes[i - 1] = (unsigned char)all;
	return 0;
}

static int arena_bytes(lua_State *L)
{
	struct arena *arena = object_self(L);
	size_t n = checklength(L, 3);

	lua_pushlstring(L, (char *)checkspan(L, arena, 2, n), n);
	return 1;
}

static int arena_write(lua_State *L)
{
	struct arena *arena = object_self(L);
	size_t n;
	const char *bytes = luaL_checklstring(L, 3, &n);

	memcpy(checkspan(L, arena, 2, n), bytes, n);
	return 0;
}

/* arena:copy(to, source, from, n): n bytes of this or another arena */
static int arena_copy(lua_State *L)
{
	struct arena *arena = object_self(L);
	size_t n = checklength(L, 5);

	memmove(checkspan(L, arena, 2, n), arena_check(L, 3, 4, n), n);
	return 0;
}

/* arena:zero(at, n) */
static int arena_zero(lua_State *L)
{
	struct arena *arena = object_self(L);
	size_t n = checklength(L, 3);

	memset(checkspan(L, arena, 2, n), 0, n);
	return 0;
}

/* arena:sum(at, n, initial) -> ones' complement sum, 0 to 65535 */
static int arena_sum(lua_State *L)
{
	struct arena *arena = object_self(L);
	size_t n = checklength(L, 3);
	lua_Number initial = luaL_optnumber(L, 4, 0);

	lua_pushinteger(
		L, checksum(checkspan(L, arena, 2, n), n, (uint64_t)initial));
	return 1;
}

static int arena_size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)((struct arena *)object_self(L))->size);
	return 1;
}

/* arena:address() -> where the bytes are, for the FFI; good while the arena is
 * referenced. */
static int arena_address(lua_State *L)
{
	lua_pushnumber(
		L,
		(lua_Number)(uintptr_t)((struct arena *)object_self(L))->bytes);
	return 1;
}

static int arena_tostring(lua_State *L)
{
	lua_pushfstring(L, "arena of %d bytes",
			(int)((struct arena *)object_self(L))->size);
	return 1;
}

static const luaL_Reg meta[] = {
	{ "__gc", arena_gc },
	{ "__tostring", arena_tostring },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "get8", get8 },	  { "get16", get16 },
	{ "get32", get32 },	  { "getbits", getbits },
	{ "setbits", setbits },	  { "bytes", arena_bytes },
	{ "load", loads },	  { "getter", getter },
	{ "write", arena_write }, { "copy", arena_copy },
	{ "zero", arena_zero },	  { "sum", arena_sum },
	{ "size", arena_size },	  { "address", arena_address },
	{ NULL, NULL },
};

/* core.ntop(bytes) -> the text of an address of 4 or 16 bytes */
static int core_ntop(lua_State *L)
{
	char text[INET6_ADDRSTRLEN];
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);

	if (n != 4 && n != 16)
		raise_misuse(L, "ntop: 4 or 16 bytes expected");
	inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

/* core.pton(text) -> 4 or 16 bytes, or nil when it is no address */
static int core_pton(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1);
	char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		lua_pushlstring(L, bytes, 4);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		lua_pushlstring(L, bytes, 16);
	else
		lua_pushnil(L);
	return 1;
}

/* core.checksum_address() -> where checksum() of checksum.h is, for the FFI */
static int core_checksum_address(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)(uintptr_t)checksum);
	return 1;
}

/* core.rest(): nothing. LuaJIT ends a trace where such a function is called,
 * and begins another behind it: two of a bearable length for one that is not.
 */
static int core_rest(lua_State *L)
{
	(void)L;
	return 0;
}

enum { ENTRIES = 8 }; /* what fits on the stack without asking for more */

/* core.entries(table, key) -> key, value, key, value, ...: the first 8 entries
 * of a table, those behind the key if it is not nil. For generated code in the
 * place of next(): compiled by LuaJIT of before April 2022, that may lose half
 * of a pointer (LuaJIT/LuaJIT#829). */
static int core_entries(lua_State *L)
{
	int n = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	while (lua_next(L, 1) && ++n < ENTRIES)
		lua_pushvalue(L, -2);
	return 2 * n;
}

static const luaL_Reg functions[] = {
	{ "entries", core_entries },
	{ "rest", core_rest },
	{ "arena", core_arena },
	{ "ntop", core_ntop },
	{ "pton", core_pton },
	{ "checksum_address", core_checksum_address },
	{ NULL, NULL },
};

void open_arena(lua_State *L)
{
	object_type(L, ARENA, meta, methods);
	lua_getfield(L, -1, "__index");
	lua_setfield(L, -3, "bytes");
	lua_pop(L, 1);
	object_functions(L, functions);
	lua_pushboolean(L, htons(1) != 1);
	lua_setfield(L, -2, "little_endian");
}
