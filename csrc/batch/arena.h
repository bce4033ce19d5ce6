/* arena.h -- memory that packets lie in. */
#ifndef TUN_BATCH_ARENA_H
#define TUN_BATCH_ARENA_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

#define ARENA "tun.arena"

struct arena {
	unsigned char *bytes; /* in the object */
	size_t size;
	unsigned char *guard; /* page that cannot be touched, or NULL */
};

/* Push an arena of zeroes, whose pages are taken as they are used; guarded: a
 * page behind its last byte cannot be touched. NULL with an errno when there is
 * no such memory.
 *
 * The bytes are the object's own: good for as long as anything refers to it,
 * in finalizers too. */
struct arena *arena_new(lua_State *L, size_t size, bool guarded);

/* Arguments as an arena and an offset in it with n bytes behind it. */
unsigned char *arena_check(lua_State *L, int arena, int at, size_t n);

/* Add its functions to the module table on top of the stack. */
void open_arena(lua_State *L);

#pragma GCC visibility pop

#endif
