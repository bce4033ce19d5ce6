/* system.h -- system calls on TUN devices and UDP sockets that are faked, for
 * scripts: module "system". */
#ifndef TUN_FUZZ_SYSTEM_H
#define TUN_FUZZ_SYSTEM_H

#include <lua.h>

int luaopen_system(lua_State *L);

#endif
