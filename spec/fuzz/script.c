/* script.c -- the targets that are scripts: <target>.lua beside this, for each
 * input a call of the function that it returns. An error that it raises is a
 * finding. PUC Lua tells libFuzzer which lines were run; LuaJIT would not
 * compile them. */
#include "fuzz.h"
#include "system.h"

#include <lauxlib.h>
#include <lualib.h>

int luaopen_tun_core(lua_State *L);
int luaopen_tun_spec(lua_State *L);

static lua_State *L;

#if LUA_VERSION_NUM > 501
enum { LINES = 1 << 13 };
__attribute__((section("__libfuzzer_extra_counters"),
	       used)) static uint8_t lines[LINES];

static void count(lua_State *thread, lua_Debug *ar)
{
	uint32_t hash = (uint32_t)ar->currentline * 2654435761u;
	const char *name;

	lua_getinfo(thread, "S", ar);
	for (name = ar->short_src; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	lines[hash % LINES] = 1;
}
#endif

static void preload(const char *name, lua_CFunction function)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, function);
	lua_setfield(L, -2, name);
	lua_pop(L, 2);
}

/* Call what is on the stack, with n arguments. */
static void call(int n, int results)
{
	int at = lua_gettop(L) - n;

	lua_getglobal(L, "debug");
	lua_getfield(L, -1, "traceback");
	lua_replace(L, -2);
	lua_insert(L, at);
	if (lua_pcall(L, n, results, at)) {
		fprintf(stderr, "raised: %s\n", lua_tostring(L, -1));
		abort();
	}
	lua_remove(L, at);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *slash = strrchr((*argv)[0], '/');
	char path[256];

	(void)argc;
	L = luaL_newstate();
	luaL_openlibs(L);
	preload("tun.core", luaopen_tun_core);
	preload("tun.spec", luaopen_tun_spec);
	preload("system", luaopen_system);
	snprintf(path, sizeof(path), "spec/fuzz/%s.lua",
		 slash ? slash + 1 : (*argv)[0]);
	if (luaL_loadfile(L, path)) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		exit(1);
	}
	call(0, 1);
#if LUA_VERSION_NUM > 501
	lua_sethook(L, count, LUA_MASKLINE, 0);
#endif
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	lua_pushvalue(L, 1);
	lua_pushlstring(L, (const char *)bytes, size);
	call(1, 0);
	lua_settop(L, 1);
	return 0;
}
