/* stand_in.c -- a socket of the specs behind a descriptor of the library, for
 * answers that the kernel does not give. */
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM_MOST = 65536 };

/* spec.stand_in(fd) -> descriptor of the other end, for spec.leave(): from now
 * on the given one is one end of a pair of datagram sockets */
int spec_stand_in(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1), ends[2];
	int flags = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	if (socketpair(AF_UNIX, flags, 0, ends) < 0 ||
	    dup3(ends[0], fd, O_CLOEXEC) < 0)
		return luaL_error(L, "stand_in: %s", strerror(errno));
	close(ends[0]);
	lua_pushinteger(L, ends[1]);
	return 1;
}

/* spec.say(fd, bytes): send a datagram from the other end */
int spec_say(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);

	if (send(fd, bytes, n, 0) < 0)
		return luaL_error(L, "say: %s", strerror(errno));
	return 0;
}

/* spec.hear(fd) -> the next datagram that came to the other end, or nil */
int spec_hear(lua_State *L)
{
	char bytes[DATAGRAM_MOST];
	ssize_t n = recv((int)luaL_checkinteger(L, 1), bytes, sizeof(bytes), 0);

	if (n < 0)
		lua_pushnil(L);
	else
		lua_pushlstring(L, bytes, (size_t)n);
	return 1;
}

/* spec.leave(fd): close the other end */
int spec_leave(lua_State *L)
{
	close((int)luaL_checkinteger(L, 1));
	return 0;
}
