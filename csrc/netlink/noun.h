/* noun.h -- the objects of rtnetlink by their names. */
#ifndef TUN_NETLINK_NOUN_H
#define TUN_NETLINK_NOUN_H

#include <lua.h>

/* Add its functions to the module table on top of the stack. */
void open_noun(lua_State *L);

#endif
