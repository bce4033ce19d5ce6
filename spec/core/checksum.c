/* checksum.c -- csrc/wire/checksum.c in each of its ways. */
#include "../../csrc/wire/checksum.h"

#include "../../csrc/batch/arena.h"
#include "../../csrc/core.h"
#include "spec.h"

/* spec.checksums() -> the names of the ways in which checksum() can work, the
 * one in use last */
int spec_checksums(lua_State *L)
{
	const char *name;
	size_t i;

	lua_newtable(L);
	for (i = 0; (name = checksum_way(i)); i++) {
		lua_pushstring(L, name);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* spec.checksum(way, arena, at, n, initial[, to, to_at]) -> sum
 *
 * In the way of that number in spec.checksums(); with to, an arena, the bytes
 * are copied there. */
int spec_checksum(lua_State *L)
{
	lua_Integer way = luaL_checkinteger(L, 1) - 1;
	size_t n = (size_t)luaL_checkinteger(L, 4);
	const unsigned char *from = arena_check(L, 2, 3, n);
	uint64_t initial = (uint64_t)luaL_checknumber(L, 5);
	unsigned char *to = NULL;

	if (way < 0 || !checksum_way((size_t)way))
		raise_misuse(L, "checksum: no such way");
	if (!lua_isnoneornil(L, 6))
		to = arena_check(L, 6, 7, n);
	lua_pushinteger(L, checksum_by((size_t)way, to, from, n, initial));
	return 1;
}
