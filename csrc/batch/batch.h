/* batch.h -- packets in slots of one memory, as objects of Lua. */
#ifndef TUN_BATCH_BATCH_H
#define TUN_BATCH_BATCH_H

#include "slots.h"

#include <lua.h>

#pragma GCC visibility push(hidden)

#define BATCH "tun.batch"

/* Argument as a batch; NULL when it is anything else. */
struct batch *batch_to(lua_State *L, int at);

/* Argument as a batch. */
struct batch *batch_check(lua_State *L, int at);

/* Push nil, reason and errno of a batch without a free slot, ENOBUFS.
 * Returns 3.
 */
int fail_batch_full(lua_State *L);

/* Add core.batch, the type core.batches and what Lua has to know of slots to
 * the module table on top of the stack. */
void open_batch(lua_State *L);

#pragma GCC visibility pop

#endif
