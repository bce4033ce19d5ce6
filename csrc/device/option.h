/* option.h -- the options of an open device. */
#ifndef TUN_DEVICE_OPTION_H
#define TUN_DEVICE_OPTION_H

#include <lua.h>

/* Add core.getoption, core.setoption, core.options and core.tunnel_header to
 * the module table on top of the stack. After open_device(). */
void open_option(lua_State *L);

#endif
