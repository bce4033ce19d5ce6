/* spec.h -- what tun.spec has. */
#ifndef TUN_SPEC_CORE_SPEC_H
#define TUN_SPEC_CORE_SPEC_H

#include <lua.h>

int spec_split(lua_State *L);
int spec_complete(lua_State *L);
int spec_coalesce(lua_State *L);
int spec_checksums(lua_State *L);
int spec_checksum(lua_State *L);
int spec_ack(lua_State *L);
int spec_stand_in(lua_State *L);
int spec_say(lua_State *L);
int spec_hear(lua_State *L);
int spec_leave(lua_State *L);
int spec_fork(lua_State *L);
int spec_wait(lua_State *L);
int spec_setns(lua_State *L);

#endif
