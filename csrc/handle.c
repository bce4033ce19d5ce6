/* handle.c -- descriptors of devices, sockets and namespaces: closing them, and
 * what event loops look for. getfd and dirty are for LuaSocket and copas;
 * pollfd, events and timeout for cqueues. */
#include "handle.h"

#include "core.h"
#include "poll.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

void *handle_new(lua_State *L, const char *type, size_t size,
		 const struct handle_kind *kind)
{
	struct handle *h = object_new(L, type, size);

	h->kind = kind;
	h->mainthread = poll_mainthread(L);
	h->timeout = INFINITY;
	h->fd = -1;
	return h;
}

void *handle_check(lua_State *L)
{
	struct handle *h = object_self(L);

	if (h->fd < 0)
		raise_misuse(L, "%s is closed", h->kind->noun);
	return h;
}

void handle_close(struct handle *h)
{
	int code = errno;

	if (h->fd < 0)
		return;
	if (h->kind->forget)
		h->kind->forget(h);
	close(h->fd);
	h->fd = -1;
	errno = code;
}

double handle_seconds(lua_State *L, int at, const struct handle *h)
{
	return lua_isnoneornil(L, at) ? h->timeout : arg_seconds(L, at);
}

static bool handle_is_ready(const struct handle *h)
{
	return h->fd < 0 || (h->kind->is_ready && h->kind->is_ready(h));
}

/* object:fd() -> descriptor, lent; -1 when closed */
static int handle_fd(lua_State *L)
{
	const struct handle *h = object_self(L);

	lua_pushinteger(L, h->fd);
	return 1;
}

/* object:getfd() -> as fd(), but 0 when closed: LuaSocket's select() asks only
 * an object that has a descriptor whether it is dirty, and then leaves the
 * descriptor alone. So a loop over select() wakes who waits for a closed one.
 */
static int handle_getfd(lua_State *L)
{
	const struct handle *h = object_self(L);

	lua_pushinteger(L, h->fd < 0 ? 0 : h->fd);
	return 1;
}

/* object:dirty() -> whether there is no need to wait: a select() wakes */
static int handle_dirty(lua_State *L)
{
	lua_pushboolean(L, handle_is_ready(object_self(L)));
	return 1;
}

/* object:events() -> "r", what cqueues waits for on it */
static int handle_events(lua_State *L)
{
	object_self(L);
	lua_pushliteral(L, "r");
	return 1;
}

/* object:timeout() -> nil, for cqueues; 0 when there is no need to wait */
static int handle_timeout(lua_State *L)
{
	if (handle_is_ready(object_self(L)))
		lua_pushinteger(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

/* object:settimeout(seconds) -> true
 *
 * How long receive() waits; for ever when nil or negative, as in LuaSocket. */
static int handle_settimeout(lua_State *L)
{
	struct handle *h = object_self(L);
	double seconds = arg_seconds(L, 2);

	h->timeout = lua_tonumber(L, 2) < 0 ? INFINITY : seconds;
	lua_pushboolean(L, true);
	return 1;
}

/* object:close() -> true */
static int handle_method_close(lua_State *L)
{
	handle_close(object_self(L));
	lua_pushboolean(L, true);
	return 1;
}

static const luaL_Reg handle_meta[] = {
	{ "__gc", handle_method_close },
	{ "__close", handle_method_close },
	{ NULL, NULL },
};

static const luaL_Reg handle_methods[] = {
	{ "fd", handle_fd },
	{ "getfd", handle_getfd },
	{ "pollfd", handle_fd },
	{ "dirty", handle_dirty },
	{ "events", handle_events },
	{ "timeout", handle_timeout },
	{ "settimeout", handle_settimeout },
	{ "close", handle_method_close },
	{ NULL, NULL },
};

void handle_type(lua_State *L, const char *type, const luaL_Reg *meta,
		 const luaL_Reg *methods)
{
	object_type(L, type, handle_meta, handle_methods);
	if (meta) {
		lua_pushvalue(L, -1);
		object_methods(L, lua_gettop(L) - 1, meta);
	}
	if (methods)
		object_add_methods(L, type, methods);
}
