/* segment.h -- splitting packets that stand for many. */
#ifndef TUN_BATCH_SEGMENT_H
#define TUN_BATCH_SEGMENT_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add its functions to the module table on top of the stack, and methods to
 * batches. After open_batch(). */
void open_segment(lua_State *L);

#pragma GCC visibility pop

#endif
