/* walk.h -- the layers of usual packets, found by one call. */
#ifndef TUN_BATCH_WALK_H
#define TUN_BATCH_WALK_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add its functions to the module table on top of the stack. */
void open_walk(lua_State *L);

#pragma GCC visibility pop

#endif
