/* watch.h -- which links leave a network namespace. */
#ifndef TUN_NETLINK_WATCH_H
#define TUN_NETLINK_WATCH_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.watch to the module table on top of the stack. */
void open_watch(lua_State *L);

#pragma GCC visibility pop

#endif
