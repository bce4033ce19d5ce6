/* receive.h -- datagrams out of a UDP socket. */
#ifndef TUN_UDP_RECEIVE_H
#define TUN_UDP_RECEIVE_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add methods to UDP sockets. After open_udp(). */
void open_udp_receive(lua_State *L);

#pragma GCC visibility pop

#endif
