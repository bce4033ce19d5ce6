/* lead.h -- what follows a header: numbers that lead to steps, in a table. */
#ifndef TUN_BATCH_LEAD_H
#define TUN_BATCH_LEAD_H

#include <lua.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* That a number, of which a key is made, leads to a step; 0 to what is left to
 * Lua. */
struct lead {
	uint32_t key; /* 0 where nothing is */
	uint32_t to;
};

/* Where a key is in a table of 2^bits places, or belongs; there has to be a
 * place without one. */
struct lead *lead_place(struct lead *table, unsigned int bits, uint32_t key);

/* Argument as a whole number from least to most, or raise. */
uint32_t lead_number(lua_State *L, int at, lua_Integer least, lua_Integer most);

#pragma GCC visibility pop

#endif
