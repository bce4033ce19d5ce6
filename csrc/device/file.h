/* file.h -- /dev/net/tun as a file, and who has it open. */
#ifndef TUN_DEVICE_FILE_H
#define TUN_DEVICE_FILE_H

#include <lua.h>

#pragma GCC visibility push(hidden)

#define DEVICE_FILE "/dev/net/tun"

/* Add core.device_file and core.holder to the module table on top of the
 * stack. */
void open_device_file(lua_State *L);

#pragma GCC visibility pop

#endif
