/* edit.h -- changes of all packets of a batch. */
#ifndef TUN_BATCH_EDIT_H
#define TUN_BATCH_EDIT_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add methods to batches. After open_batch(). */
void open_edit(lua_State *L);

#pragma GCC visibility pop

#endif
