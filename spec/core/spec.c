/* spec.c -- tun.spec: what the specs need in C, which the rock does not have:
 * pure functions of csrc, system calls, and sockets of other programs. Its
 * objects are those of tun.core, so require that first. */
#include "spec.h"

#include "../../csrc/core.h"

__attribute__((visibility("default"))) int luaopen_tun_spec(lua_State *L);

static const luaL_Reg functions[] = {
	{ "split", spec_split },       { "complete", spec_complete },
	{ "coalesce", spec_coalesce }, { "checksums", spec_checksums },
	{ "checksum", spec_checksum }, { "ack", spec_ack },
	{ "stand_in", spec_stand_in }, { "say", spec_say },
	{ "hear", spec_hear },	       { "leave", spec_leave },
	{ "fork", spec_fork },	       { "wait", spec_wait },
	{ "setns", spec_setns },       { NULL, NULL },
};

int luaopen_tun_spec(lua_State *L)
{
	lua_newtable(L);
	object_functions(L, functions);
	return 1;
}
