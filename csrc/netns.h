/* netns.h -- network namespaces as objects. */
#ifndef TUN_NETNS_H
#define TUN_NETNS_H

#include "handle.h"

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Push a namespace object that holds no descriptor yet. */
struct handle *netns_new(lua_State *L);

/* Argument as the descriptor of a namespace; -1 for none or nil. */
int netns_arg(lua_State *L, int at);

/* Call what opens a descriptor in the network namespace of `ns`, a descriptor,
 * or where the thread is when it is -1. Returns what it returned, or -1 with an
 * errno. The thread comes back; if the kernel does not let it, which it is
 * asked before, this raises. */
int netns_open(lua_State *L, int ns, int (*opener)(void));

/* Add core.netns, core.here and core.unshare to the module table on top of the
 * stack. */
void open_netns(lua_State *L);

#pragma GCC visibility pop

#endif
