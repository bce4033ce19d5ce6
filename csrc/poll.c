/* poll.c -- waiting for any number of descriptors. */
#include "poll.h"

#include "core.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* Registry key of the main thread. Lua 5.1 keeps no such thing itself. */
#define MAINTHREAD "tun.mainthread"

double arg_seconds(lua_State *L, int at)
{
	lua_Number seconds = lua_tonumber(L, at);

	if (lua_isnoneornil(L, at))
		return INFINITY;
	if (lua_type(L, at) != LUA_TNUMBER || isnan(seconds))
		raise_value(L, at, "timeout", "a number of seconds");
	return seconds > 0 ? (double)seconds : 0;
}

double poll_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int poll_await(lua_State *L, struct pollfd *fds, nfds_t n, double until)
{
	struct timespec time = { 0 }, *timeout = NULL;
	double left = isinf(until) ? until : until - poll_now();
	int ready;

	if (left < INT_MAX) {
		timeout = &time;
		time.tv_sec = left > 0 ? (time_t)left : 0;
		time.tv_nsec =
			left > 0 ? (long)((left - (double)time.tv_sec) * 1e9)
				 : 0;
	}
	ready = ppoll(fds, n, timeout, NULL);
	if (ready == 0)
		errno = EAGAIN;
	if (ready < 0 && errno == EINTR) {
		poll_interrupt(L, poll_mainthread(L));
		errno = EINTR;
	}
	return ready > 0 ? ready : 0;
}

bool poll_retry(lua_State *L, int fd, double seconds, double *until)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	if (errno != EAGAIN || seconds == 0)
		return false;
	if (*until == 0)
		*until = poll_now() + seconds;
	return poll_await(L, &readable, 1, *until);
}

lua_State *poll_mainthread(lua_State *L)
{
	lua_State *found;

#if LUA_VERSION_NUM >= 502
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
#else
	lua_getfield(L, LUA_REGISTRYINDEX, MAINTHREAD);
#endif
	found = lua_tothread(L, -1);
	lua_pop(L, 1);
	return found;
}

/* The hook of an interpreter is known by its count, "at once". */
void poll_interrupt(lua_State *L, lua_State *from)
{
	lua_Hook hook;

	if (!from || from == L)
		return;
	hook = lua_gethook(from);
	if (hook && lua_gethookcount(from) == 1)
		lua_sethook(L, hook, lua_gethookmask(from), 1);
}

int fail_word(lua_State *L)
{
	static const struct {
		int code;
		const char *word;
	} words[] = {
		{ EAGAIN, "timeout" }, { EINTR, "interrupted" },
		{ EBADF, "closed" },   { EBADFD, "deleted" },
		{ EFAULT, "deleted" }, { EIO, "down" },
	};
	int code = errno;
	size_t i;

	for (i = 0; i < LENGTH(words); i++) {
		if (words[i].code != code)
			continue;
		lua_pushnil(L);
		lua_pushstring(L, words[i].word);
		lua_pushinteger(L, code);
		return 3;
	}
	return 0;
}

/* Argument 2 of core.poll at an index, as poll(2) events: readable unless it
 * says otherwise. */
static short check_events(lua_State *L, int i)
{
	const char *text = "r";
	short events = 0;

	if (!lua_istable(L, 2))
		return POLLIN;
	lua_rawgeti(L, 2, i);
	if (!lua_isnil(L, -1))
		text = arg_text(L, -1);
	if (!text || !*text || text[strspn(text, "rw")])
		raise_misuse(L, "events %d: not \"r\", \"w\" or \"rw\"", i);
	events |= strchr(text, 'r') ? POLLIN : 0;
	events |= strchr(text, 'w') ? POLLOUT : 0;
	lua_pop(L, 1);
	return events;
}

/* Fill fds from the tables of arguments 1 and 2. Returns whether one of them
 * is closed. */
static bool check_descriptors(lua_State *L, struct pollfd *fds, int n)
{
	bool closed = false;
	lua_Integer fd;
	int i;

	for (i = 0; i < n; i++) {
		lua_rawgeti(L, 1, i + 1);
		if (!arg_integer(L, -1, &fd) || fd < -1 || fd > INT_MAX)
			raise_value(L, -1, "poll", "a descriptor");
		lua_pop(L, 1);
		fds[i] = (struct pollfd){ (int)fd, check_events(L, i + 1), 0 };
		closed |= fd < 0;
	}
	return closed;
}

/* Push what became of one descriptor. */
static void push_ready(lua_State *L, const struct pollfd *fd)
{
	char text[3];
	size_t n = 0;

	if (fd->revents & POLLIN)
		text[n++] = 'r';
	if (fd->revents & POLLOUT)
		text[n++] = 'w';
	if (fd->fd < 0 || fd->revents & (POLLERR | POLLHUP | POLLNVAL))
		text[n++] = 'e';
	if (n)
		lua_pushlstring(L, text, n);
	else
		lua_pushboolean(L, false);
}

/* core.poll(fds, events, timeout) -> table | nil, reason, errno
 *
 * Wait until one of an array of descriptors is ready. events is a parallel
 * array of "r", "w" and "rw", in which nil is "r", or nil. A descriptor of -1
 * is a closed one, ready at once. The result is a parallel array: false, or a
 * string with "r", "w", and "e" for an error, a hang-up or a closed one. */
static int core_poll(lua_State *L)
{
	double until = poll_now() + arg_seconds(L, 3);
	struct pollfd *fds;
	bool closed;
	int i, n;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "poll", "an array of descriptors");
	if (!lua_isnoneornil(L, 2) && !lua_istable(L, 2))
		raise_value(L, 2, "events", "an array or nil");
	n = (int)lua_rawlen(L, 1);
	fds = lua_newuserdata(L, (size_t)n * sizeof(*fds));
	closed = check_descriptors(L, fds, n);
	if (!poll_await(L, fds, (nfds_t)n, closed ? 0 : until) && !closed)
		return fail_word(L) ? 3 : fail_errno(L, "poll");
	lua_createtable(L, n, 0);
	for (i = 0; i < n; i++) {
		push_ready(L, fds + i);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* core.now() -> seconds on the monotonic clock */
static int core_now(lua_State *L)
{
	lua_pushnumber(L, poll_now());
	return 1;
}

static const luaL_Reg functions[] = {
	{ "poll", core_poll },
	{ "now", core_now },
	{ NULL, NULL },
};

void open_poll(lua_State *L)
{
#if LUA_VERSION_NUM < 502
	if (lua_pushthread(L))
		lua_setfield(L, LUA_REGISTRYINDEX, MAINTHREAD);
	else
		lua_pop(L, 1);
#endif
	object_functions(L, functions);
}
