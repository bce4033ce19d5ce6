/* option.h -- the options of an open device. */
#ifndef TUN_DEVICE_OPTION_H
#define TUN_DEVICE_OPTION_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.getoption, core.setoption, core.options and core.tunnel_header to
 * the module table on top of the stack. After open_device(). */
void open_option(lua_State *L);

#pragma GCC visibility pop

#endif
