/* netns.h -- network namespaces as objects. */
#ifndef TUN_NETNS_H
#define TUN_NETNS_H

#include "handle.h"

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Push a namespace object that holds no descriptor yet. */
struct handle *netns_new(lua_State *L);

/* Add core.netns and core.unshare to the module table on top of the stack. */
void open_netns(lua_State *L);

#pragma GCC visibility pop

#endif
