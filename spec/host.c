/* host.c -- a process that is no interpreter: two Lua states at once, each with
 * the module, which goes with the last of them and comes back with the next.
 * Usage: host MODULE SCRIPT [ROUNDS] */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static lua_State *begin(void)
{
	lua_State *L = luaL_newstate();

	if (!L)
		exit(EXIT_FAILURE);
	luaL_openlibs(L);
	return L;
}

static void run(lua_State *L, const char *script)
{
	if (luaL_dostring(L, script)) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		exit(EXIT_FAILURE);
	}
}

/* Whether the module is in the process; looking does not keep it there. */
static int is_loaded(const char *module)
{
	void *handle = dlopen(module, RTLD_NOW | RTLD_NOLOAD);

	if (handle)
		dlclose(handle);
	return handle != NULL;
}

int main(int argc, char **argv)
{
	int round, rounds = argc > 3 ? atoi(argv[3]) : 3;
	lua_State *a, *b;

	if (argc < 3)
		return EXIT_FAILURE;
	for (round = 0; round < rounds; round++) {
		a = begin();
		b = begin();
		run(a, argv[2]);
		run(b, argv[2]);
		run(a, argv[2]);
		lua_close(a);
		run(b, argv[2]);
		printf("%d", is_loaded(argv[1]));
		lua_close(b);
		printf("%d ", is_loaded(argv[1]));
	}
	return EXIT_SUCCESS;
}
