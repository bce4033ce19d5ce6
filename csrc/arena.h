/* arena.h -- memory that packets lie in. */
#ifndef TUN_ARENA_H
#define TUN_ARENA_H

#include <lua.h>
#include <stddef.h>

#define ARENA "tun.arena"

struct arena {
	unsigned char *bytes;
	size_t size;
	size_t mapped; /* length of the mapping; 0 when bytes follow here */
};

/* Arguments as an arena and an offset in it with n bytes behind it. */
unsigned char *checkarena(lua_State *L, int arena, int at, size_t n);

#endif
