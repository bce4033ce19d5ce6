/* send.h -- datagrams into a UDP socket. */
#ifndef TUN_UDP_SEND_H
#define TUN_UDP_SEND_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add methods to UDP sockets. After open_udp(). */
void open_udp_send(lua_State *L);

#pragma GCC visibility pop

#endif
