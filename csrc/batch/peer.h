/* peer.h -- where a packet in a slot came from or is to go. */
#ifndef TUN_BATCH_PEER_H
#define TUN_BATCH_PEER_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.peer and core.setpeer to the module table on top of the stack. */
void open_peer(lua_State *L);

#pragma GCC visibility pop

#endif
