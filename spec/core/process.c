/* process.c -- fork(2) and setns(2), which scripts have from elsewhere. */
#include "spec.h"

#include <errno.h>
#include <lauxlib.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* spec.fork(f) -> number of a child that calls f, and ends with status 0 unless
 * that raised */
int spec_fork(lua_State *L)
{
	pid_t child;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	child = fork();
	if (child < 0)
		return luaL_error(L, "fork: %s", strerror(errno));
	if (child == 0) {
		if (lua_pcall(L, 0, 0, 0) == 0)
			_exit(0);
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		_exit(1);
	}
	lua_pushinteger(L, child);
	return 1;
}

/* spec.wait(child, seconds) -> status, or "hangs" when it takes longer, which
 * ends it */
int spec_wait(lua_State *L)
{
	static const struct timespec moment = { .tv_nsec = 5000000 };
	pid_t child = (pid_t)luaL_checkinteger(L, 1);
	int left = (int)(luaL_checknumber(L, 2) * 200), status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (left-- <= 0) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			lua_pushliteral(L, "hangs");
			return 1;
		}
		nanosleep(&moment, NULL);
	}
	lua_pushinteger(L, status);
	return 1;
}

/* spec.setns(descriptor): move this thread to a network namespace */
int spec_setns(lua_State *L)
{
	if (setns((int)luaL_checkinteger(L, 1), CLONE_NEWNET) < 0)
		return luaL_error(L, "setns: %s", strerror(errno));
	return 0;
}
