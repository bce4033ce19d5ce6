/* socket.h -- an rtnetlink socket. */
#ifndef TUN_NETLINK_SOCKET_H
#define TUN_NETLINK_SOCKET_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.netlink to the module table on top of the stack. */
void open_netlink(lua_State *L);

#pragma GCC visibility pop

#endif
