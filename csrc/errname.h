/* errname.h -- the names of error numbers. */
#ifndef TUN_ERRNAME_H
#define TUN_ERRNAME_H

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Add core.errno, numbers by name and names by number, and core.failure to the
 * module table on top of the stack. */
void open_errno(lua_State *L);

#pragma GCC visibility pop

#endif
