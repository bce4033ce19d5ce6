/* io.h -- packets in and out of a device. */
#ifndef TUN_DEVICE_IO_H
#define TUN_DEVICE_IO_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.addresses and core.front_most to the module table on top of the
 * stack, and methods to devices. After open_device(). */
void open_device_io(lua_State *L);

#pragma GCC visibility pop

#endif
