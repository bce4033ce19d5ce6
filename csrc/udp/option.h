/* option.h -- the options of a UDP socket. */
#ifndef TUN_UDP_OPTION_H
#define TUN_UDP_OPTION_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.udp_options to the module table on top of the stack, and methods to
 * UDP sockets. After open_udp(). */
void open_udp_option(lua_State *L);

#pragma GCC visibility pop

#endif
