/* lead.c -- what follows a header: numbers that lead to steps, in a table. */
#include "lead.h"

#include "../core.h"

struct lead *lead_place(struct lead *table, unsigned int bits, uint32_t key)
{
	uint32_t place = key * 2654435769u >> (32 - bits);

	while (table[place].key && table[place].key != key)
		place = (place + 1) & ((1u << bits) - 1);
	return table + place;
}

uint32_t lead_number(lua_State *L, int at, lua_Integer least, lua_Integer most)
{
	lua_Integer value;

	if (!arg_integer(L, at, &value) || value < least || value > most)
		raise_value(L, at, "lead", "a number of a header");
	return (uint32_t)value;
}
