/* dissect.h -- the layers of any packet, found by one call. */
#ifndef TUN_BATCH_DISSECT_H
#define TUN_BATCH_DISSECT_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add its functions to the module table on top of the stack. */
void open_dissect(lua_State *L);

#pragma GCC visibility pop

#endif
