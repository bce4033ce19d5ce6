/* names.h -- the names that there are, for who wrote another one. */
#ifndef TUN_NAMES_H
#define TUN_NAMES_H

#include <lua.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

enum { NAMES_MOST = 256 };

struct names {
	const char *list[NAMES_MOST];
	size_t count;
};

/* Add a name, unless it is there already. What does not fit is left out. */
void names_add(struct names *names, const char *name);

/* Push them as text, those first that are like the wrong one; of many only some
 * and how many more there are. Returns the text. */
const char *names_push(lua_State *L, const struct names *names,
		       const char *wrong);

/* Add core.nearest to the module table on top of the stack. */
void open_names(lua_State *L);

#pragma GCC visibility pop

#endif
