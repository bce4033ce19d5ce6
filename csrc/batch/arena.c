/* arena.c -- memory that packets lie in, and access to its bytes: bounds are
 * checked here for the Luas that have no FFI. */
#include "arena.h"

#include "../core.h"
#include "../wire/checksum.h"
#include "../wire/crc32c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	BITS_MAX = 48,	 /* what every Lua number holds exactly */
	ROWS_MOST = 255, /* numbers that one call of load() gives */
};

/* The bytes stay: what was the arena's until now may be in use by a finalizer
 * that runs later, and by what that keeps. They go with the object. */
static int arena_gc(lua_State *L)
{
	struct arena *arena = object_self(L);

	if (arena->guard)
		mprotect(arena->guard, (size_t)getpagesize(),
			 PROT_READ | PROT_WRITE);
	arena->guard = NULL;
	return 0;
}

/* Allocate as many bytes as the argument points at. */
static int allocate(lua_State *L)
{
	const size_t *size = lua_touserdata(L, 1);

	lua_newuserdata(L, *size);
	return 1;
}

/* Push an arena with that much memory behind its struct. NULL when there is no
 * such memory. */
static struct arena *newmemory(lua_State *L, size_t size)
{
	struct arena *arena;

	size += sizeof(*arena);
	lua_pushcfunction(L, allocate);
	lua_pushlightuserdata(L, &size);
	if (lua_pcall(L, 1, 1, 0) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	arena = lua_touserdata(L, -1);
	memset(arena, 0, sizeof(*arena));
	arena->bytes = (unsigned char *)(arena + 1);
	luaL_getmetatable(L, ARENA);
	lua_setmetatable(L, -2);
	return arena;
}

/* Let the last page in the object be one that cannot be touched, and the bytes
 * end where it begins. */
static void guard(struct arena *arena, size_t size)
{
	size_t page = (size_t)getpagesize();
	unsigned char *stop = arena->bytes + size + 2 * page;

	arena->guard = stop - (uintptr_t)stop % page - page;
	arena->bytes = arena->guard - size;
	if (mprotect(arena->guard, page, PROT_NONE) < 0)
		arena->guard = NULL;
}

/* From so many bytes on, pages that are not used yet are worth a system call.
 */
enum { MANY = 1 << 18 };

/* Make bytes zero, of many those whole pages that the kernel gives anew at
 * their next use. */
static void zero(unsigned char *bytes, size_t size)
{
	size_t page = (size_t)getpagesize(), lead = -(uintptr_t)bytes % page;
	size_t whole = size > lead ? (size - lead) / page * page : 0;

	if (size < MANY || !whole ||
	    madvise(bytes + lead, whole, MADV_DONTNEED) < 0) {
		memset(bytes, 0, size);
		return;
	}
	memset(bytes, 0, lead);
	memset(bytes + lead + whole, 0, size - lead - whole);
}

struct arena *arena_new(lua_State *L, size_t size, bool guarded)
{
	size_t more = guarded ? 2 * (size_t)getpagesize() : 0;
	struct arena *arena = newmemory(L, size + more);

	if (!arena)
		return NULL;
	arena->size = size;
	if (guarded)
		guard(arena, size);
	zero(arena->bytes, size);
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

/* Argument as an offset, whose bounds are to be checked. */
static lua_Number checkoffset(lua_State *L, int at)
{
	lua_Number offset = lua_tonumber(L, at);

	if (offset == 0 && !lua_isnumber(L, at))
		raise_value(L, at, "offset", "a number");
	return offset;
}

/* An offset with n bytes behind it, as argument `at`. */
static unsigned char *checkspan(lua_State *L, struct arena *arena, int at,
				size_t n)
{
	lua_Number offset = checkoffset(L, at);

	if (!(offset >= 0 && offset + (lua_Number)n <= (lua_Number)arena->size))
		raise_misuse(
			L,
			"bytes %f to %f are outside of the arena of %d bytes",
			offset, offset + (lua_Number)n, (int)arena->size);
	return arena->bytes + (size_t)offset;
}

unsigned char *arena_check(lua_State *L, int arena, int at, size_t n)
{
	struct arena *memory = lua_touserdata(L, arena);
	bool is = memory && lua_getmetatable(L, arena);

	if (is) {
		luaL_getmetatable(L, ARENA);
		is = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	if (!is)
		raise_value(L, arena, "arena", "one of core.arena");
	return checkspan(L, memory, at, n);
}

static size_t checklength(lua_State *L, int at)
{
	lua_Integer n;

	if (!arg_integer(L, at, &n) || n < 0 || n > INT32_MAX)
		raise_value(L, at, "length", "a number of bytes up to 2 GiB");
	return (size_t)n;
}

/* An argument that has to be a string: its bytes. */
static const char *checkbytes(lua_State *L, int at, const char *what, size_t *n)
{
	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, what, "a string");
	return lua_tolstring(L, at, n);
}

/* A sum that checksum() goes on from; absent: 0. */
static uint64_t checksum_initial(lua_State *L, int at)
{
	lua_Number sum = lua_isnoneornil(L, at) ? 0 : lua_tonumber(L, at);

	if (!(sum >= 0 && sum < 0x1p48) ||
	    (sum == 0 && !lua_isnoneornil(L, at) && !lua_isnumber(L, at)))
		raise_value(L, at, "initial sum", "a number from 0 to 2^48");
	return (uint64_t)sum;
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

/* n <= 8 */
static uint64_t load(const unsigned char *b, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *b++;
	return value;
}

static int get32(lua_State *L)
{
	push_whole(L, load(checkspan(L, object_self(L), 2, 4), 4));
	return 1;
}

/* Where `width` bits begin at bit `skip` of the bytes at an offset. */
struct span {
	unsigned char *bytes;
	size_t n;
	unsigned int shift;
	uint64_t mask;
};

/* Arguments as bits to skip and the width, which fit in 64 together. */
static void check_width(lua_State *L, int at, lua_Integer *skip,
			lua_Integer *width)
{
	if (!arg_integer(L, at, skip) || *skip < 0 || *skip > 7)
		raise_value(L, at, "first bit", "a number from 0 to 7");
	if (!arg_integer(L, at + 1, width) || *width < 1 || *width > BITS_MAX)
		raise_value(L, at + 1, "bits", "a number from 1 to 48");
}

static struct span checkbits(lua_State *L)
{
	struct arena *arena = object_self(L);
	lua_Integer skip, width;
	struct span span;

	check_width(L, 3, &skip, &width);
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

	push_whole(L, load(span.bytes, span.n) >> span.shift & span.mask);
	return 1;
}

/* load(arena, offset, rows) -> a number for each row: a string whose every
 * three bytes are where the number's bytes begin behind the offset, at which
 * bit of these, and how many bits it has. */
static int loads(lua_State *L)
{
	struct arena *arena = object_self(L);
	lua_Number offset = checkoffset(L, 2);
	size_t i, n, size;
	const char *rows = checkbytes(L, 3, "rows", &n);
	const unsigned char *row, *bytes;
	uint64_t value;

	if (n / 3 > ROWS_MOST)
		raise_misuse(L, "load: more than %d rows", ROWS_MOST);
	luaL_checkstack(L, ROWS_MOST, "load");
	for (i = 0; i + 3 <= n; i += 3) {
		row = (const unsigned char *)rows + i;
		if (row[1] > 7 || row[2] < 1 || row[2] > BITS_MAX)
			raise_misuse(L, "load: %d bits at bit %d", row[2],
				     row[1]);
		size = (row[1] + row[2] + 7u) / 8;
		if (!(offset >= 0 && offset + row[0] + (lua_Number)size <=
					     (lua_Number)arena->size))
			checkspan(L, arena, 2, row[0] + size);
		bytes = arena->bytes + (size_t)offset + row[0];
		value = load(bytes, size) >> (8 * size - row[1] - row[2]);
		push_whole(L, value & (((uint64_t)1 << row[2]) - 1));
	}
	return (int)(n / 3);
}

/* What getter() made: its upvalue 2 is where, at which bit, and how many bits.
 */
static int get_field(lua_State *L)
{
	struct arena *arena = object_self(L);
	uint32_t row = (uint32_t)lua_tointeger(L, lua_upvalueindex(2));
	unsigned int at = row & 0xffff, skip = row >> 16 & 0xff;
	unsigned int width = row >> 24 & 0xff, size = (skip + width + 7) / 8;
	lua_Number offset = checkoffset(L, 2) + at;
	uint64_t value;

	if (!(offset >= 0 && offset + size <= (lua_Number)arena->size))
		raise_misuse(L, "bytes outside of the arena");
	value = load(arena->bytes + (size_t)offset, size) >>
		(8 * size - skip - width);
	push_whole(L, value & (((uint64_t)1 << width) - 1));
	return 1;
}

/* getter(at, skip, width) -> function(arena, offset): the number there. */
static int getter(lua_State *L)
{
	lua_Integer at, skip, width;

	if (!arg_integer(L, 1, &at) || at < 0 || at > 0xffff)
		raise_value(L, 1, "offset", "a number from 0 to 65535");
	check_width(L, 2, &skip, &width);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushinteger(L, at | skip << 16 | width << 24);
	lua_pushcclosure(L, get_field, 2);
	return 1;
}

/* setbits(arena, offset, skip, width, number) */
static int setbits(lua_State *L)
{
	struct span span = checkbits(L);
	lua_Number number = lua_tonumber(L, 5);
	uint64_t value, all = load(span.bytes, span.n);
	size_t i;

	if (!(number >= -0x1p53 && number <= 0x1p53) ||
	    (number == 0 && !lua_isnumber(L, 5)))
		raise_value(L, 5, "value", "a number");
	value = (uint64_t)(int64_t)number & span.mask;
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
	const char *bytes = checkbytes(L, 3, "bytes", &n);

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
	uint64_t initial = checksum_initial(L, 4);

	lua_pushinteger(L, checksum(checkspan(L, arena, 2, n), n, initial));
	return 1;
}

/* crc32c(arena, offset, n) -> CRC32c of so many bytes */
static int arena_crc32c(lua_State *L)
{
	size_t n = checklength(L, 3);
	const unsigned char *bytes = checkspan(L, object_self(L), 2, n);

	lua_pushinteger(L, (lua_Integer)crc32c(bytes, n));
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
	push_whole(L, (uintptr_t)((struct arena *)object_self(L))->bytes);
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
	{ "get8", get8 },	    { "get16", get16 },
	{ "get32", get32 },	    { "getbits", getbits },
	{ "setbits", setbits },	    { "bytes", arena_bytes },
	{ "load", loads },	    { "getter", getter },
	{ "write", arena_write },   { "copy", arena_copy },
	{ "zero", arena_zero },	    { "sum", arena_sum },
	{ "size", arena_size },	    { "address", arena_address },
	{ "crc32c", arena_crc32c }, { NULL, NULL },
};

/* core.ntop(bytes) -> the text of an address of 4 or 16 bytes */
static int core_ntop(lua_State *L)
{
	char text[INET6_ADDRSTRLEN];
	size_t n;
	const char *bytes = checkbytes(L, 1, "ntop", &n);

	if (n != 4 && n != 16)
		raise_misuse(L, "ntop: 4 or 16 bytes expected");
	inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

/* core.pton(text) -> 4 or 16 bytes, or nil when it is no address */
static int core_pton(lua_State *L)
{
	size_t n;
	const char *text = checkbytes(L, 1, "pton", &n);
	char bytes[16];
	bool whole = strlen(text) == n;

	if (whole && inet_pton(AF_INET, text, bytes) == 1)
		lua_pushlstring(L, bytes, 4);
	else if (whole && inet_pton(AF_INET6, text, bytes) == 1)
		lua_pushlstring(L, bytes, 16);
	else
		lua_pushnil(L);
	return 1;
}

/* core.checksum_address() -> where checksum() of checksum.h is, for the FFI */
static int core_checksum_address(lua_State *L)
{
	push_whole(L, (uintptr_t)checksum);
	return 1;
}

/* Whether a terminal shows bytes as they are: no control characters, ASCII. */
static int is_printable(const unsigned char *text, size_t n)
{
	unsigned int odd = 0;

	while (n--) {
		odd |= *text < 32 || *text > 126;
		text++;
	}
	return !odd;
}

/* core.printable_address() -> where is_printable() is, for the FFI */
static int core_printable_address(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)(uintptr_t)is_printable);
	return 1;
}

/* core.crc32c_address() -> where crc32c() of crc32c.h is, for the FFI */
static int core_crc32c_address(lua_State *L)
{
	push_whole(L, (uintptr_t)crc32c);
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
	{ "crc32c_address", core_crc32c_address },
	{ "printable_address", core_printable_address },
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
