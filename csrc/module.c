/* module.c -- luaopen_tun_core: what each room adds to the module. */
#include "core.h"

#pragma GCC visibility push(hidden)

/* Each adds its functions and types to the module table on top of the stack. */
void open_errno(lua_State *L);
void open_device(lua_State *L);
void open_option(lua_State *L);
void open_device_io(lua_State *L);
void open_poll(lua_State *L);
void open_netns(lua_State *L);
void open_netlink(lua_State *L);
void open_noun(lua_State *L);
void open_arena(lua_State *L);
void open_batch(lua_State *L);
void open_segment(lua_State *L);
void open_coalesce(lua_State *L);
void open_edit(lua_State *L);
void open_endpoint(lua_State *L);
void open_udp(lua_State *L);
void open_walk(lua_State *L);

#pragma GCC visibility pop

__attribute__((visibility("default"))) int luaopen_tun_core(lua_State *L);

int luaopen_tun_core(lua_State *L)
{
	lua_newtable(L);
	open_core(L);
	open_errno(L);
	open_device(L);
	open_option(L);
	open_device_io(L);
	open_poll(L);
	open_netns(L);
	open_arena(L);
	open_batch(L);
	open_segment(L);
	open_coalesce(L);
	open_edit(L);
	open_endpoint(L);
	open_udp(L);
	open_walk(L);
	open_noun(L);
	open_netlink(L);
	return 1;
}
