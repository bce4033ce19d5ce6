/* socket.c -- UDP sockets: what they are bound to, their options, their
 * descriptor. */
#include "socket.h"

#include "../batch/arena.h"
#include "../core.h"
#include "../poll.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- Addresses ---------------------------------------------------------------
 */

typedef int asker(int fd, struct sockaddr *address, socklen_t *size);

/* What getsockname(2) or getpeername(2) says. Keeps errno. */
static union endpoint ask(const struct udp *udp, asker *call)
{
	union endpoint e = { 0 };
	socklen_t size = sizeof(e);
	int code = errno;

	if (call(udp->fd, &e.any, &size) < 0)
		e.any.sa_family = AF_UNSPEC;
	errno = code;
	return e;
}

static struct udp *opened_udp(lua_State *L)
{
	struct udp *udp = object_self(L);

	if (udp->fd < 0)
		raise_misuse(L, "UDP socket is closed");
	return udp;
}

/* Push nil, reason and errno of a failed call that concerns an address. */
static int refuse_endpoint(lua_State *L, const union endpoint *e)
{
	int code = errno;

	endpoint_push(L, e);
	errno = code;
	return fail_errno(L, "udp %s", lua_tostring(L, -1));
}

int fail_udp(lua_State *L, struct udp *udp)
{
	union endpoint local;

	if (errno != EIO && fail_word(L))
		return 3;
	local = ask(udp, getsockname);
	return refuse_endpoint(L, &local);
}

/* core.udp(address, what) -> socket | nil, reason, errno
 *
 * A socket of the address's family, which is not bound to it yet. what: of whom
 * the address is, for messages. */
static int core_udp(lua_State *L)
{
	union endpoint e;
	struct arena *arena;
	struct udp *udp;

	endpoint_check(L, 1, luaL_checkstring(L, 2), &e);
	udp = object_new(L, UDP, sizeof(*udp));
	udp->fd = -1;
	udp->family = e.any.sa_family;
	udp->timeout = INFINITY;
	udp->mainthread = poll_mainthread(L);
	udp->most = 1;
	udp->expect = 2;
	lua_newtable(L);
	arena = arena_new(L, HELD + SCRATCH, true);
	if (!arena)
		return refuse_endpoint(L, &e);
	udp->held = arena->bytes;
	udp->scratch = arena->bytes + HELD;
	lua_rawseti(L, -2, 1);
	lua_setuservalue(L, -2);
	udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			 IPPROTO_UDP);
	return udp->fd < 0 ? refuse_endpoint(L, &e) : 1;
}

/* udp:bind(address) -> true | nil, reason, errno */
static int udp_bind(lua_State *L)
{
	struct udp *udp = opened_udp(L);
	union endpoint e;

	endpoint_check(L, 2, "bind", &e);
	if (bind(udp->fd, &e.any, endpoint_size(&e)) < 0)
		return refuse_endpoint(L, &e);
	lua_pushboolean(L, true);
	return 1;
}

/* udp:connect(address) -> true | nil, reason, errno
 *
 * Send to one peer and receive from no other; nil: from and to any again. */
static int udp_connect(lua_State *L)
{
	struct udp *udp = opened_udp(L);
	union endpoint e = { .any.sa_family = AF_UNSPEC };

	if (!lua_isnoneornil(L, 2))
		endpoint_check(L, 2, "connect", &e);
	if (connect(udp->fd, &e.any,
		    endpoint_size(&e) ? endpoint_size(&e) : sizeof(e.any)) < 0)
		return refuse_endpoint(L, &e);
	udp->connected = endpoint_size(&e) != 0;
	lua_pushboolean(L, true);
	return 1;
}

static int address_of(lua_State *L, asker *call)
{
	union endpoint e = ask(opened_udp(L), call);

	endpoint_push(L, &e);
	return 1;
}

/* udp:address() -> "10.0.0.1:5000", where the socket is */
static int udp_address(lua_State *L)
{
	return address_of(L, getsockname);
}

/* udp:peer() -> "10.0.0.2:5000", what it is connected to, or nil */
static int udp_peer(lua_State *L)
{
	return address_of(L, getpeername);
}

/* -- Options -----------------------------------------------------------------
 */

enum kind { FLAG, NUMBER, BUFFER, LINK, FRAGMENT, GSO };

/* What an option is for IPv4, and for IPv6 where that is another. */
static const struct row {
	const char *name;
	enum kind kind;
	int level, option;
	int level6, option6;
} rows[] = {
	{ "dev", LINK, SOL_SOCKET, SO_BINDTODEVICE, 0, 0 },
	{ "reuse_port", FLAG, SOL_SOCKET, SO_REUSEPORT, 0, 0 },
	{ "reuse_addr", FLAG, SOL_SOCKET, SO_REUSEADDR, 0, 0 },
	{ "broadcast", FLAG, SOL_SOCKET, SO_BROADCAST, 0, 0 },
	{ "rcvbuf", BUFFER, SOL_SOCKET, SO_RCVBUF, SOL_SOCKET, SO_RCVBUFFORCE },
	{ "sndbuf", BUFFER, SOL_SOCKET, SO_SNDBUF, SOL_SOCKET, SO_SNDBUFFORCE },
	{ "mark", NUMBER, SOL_SOCKET, SO_MARK, 0, 0 },
	{ "tos", NUMBER, SOL_IP, IP_TOS, SOL_IPV6, IPV6_TCLASS },
	/* After tos, which sets it too. */
	{ "priority", NUMBER, SOL_SOCKET, SO_PRIORITY, 0, 0 },
	{ "ttl", NUMBER, SOL_IP, IP_TTL, SOL_IPV6, IPV6_UNICAST_HOPS },
	{ "df", FRAGMENT, SOL_IP, IP_MTU_DISCOVER, SOL_IPV6,
	  IPV6_MTU_DISCOVER },
	{ "freebind", FLAG, SOL_IP, IP_FREEBIND, SOL_IPV6, IPV6_FREEBIND },
	{ "transparent", FLAG, SOL_IP, IP_TRANSPARENT, SOL_IPV6,
	  IPV6_TRANSPARENT },
	{ "v6only", FLAG, SOL_IPV6, IPV6_V6ONLY, 0, 0 },
	{ "gro", FLAG, SOL_UDP, UDP_GRO, 0, 0 },
	{ "gso", GSO, SOL_UDP, UDP_SEGMENT, 0, 0 },
};

static const char *row_name(const void *each, size_t i)
{
	return i < LENGTH(rows) ? ((const struct row *)each)[i].name : NULL;
}

static const struct row *torow(lua_State *L, int at)
{
	const char *name = lua_tostring(L, at);
	size_t i;

	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "option", "a name");
	for (i = 0; i < LENGTH(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows + i;
	raise_name(L, "option", name, row_name, rows);
}

/* Argument 3 as the number that the kernel takes. */
static int tovalue(lua_State *L, const struct row *row)
{
	lua_Integer n;

	if (row->kind == NUMBER || row->kind == BUFFER) {
		if (!arg_integer(L, 3, &n) || n < 0 || n > INT_MAX)
			raise_value(L, 3, row->name, "a number from 0 on");
		return (int)n;
	}
	if (lua_type(L, 3) != LUA_TBOOLEAN)
		raise_value(L, 3, row->name, "true or false");
	if (row->kind == FRAGMENT)
		return lua_toboolean(L, 3) ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
	return lua_toboolean(L, 3);
}

/* Whether an IPv6 socket has an option of its own, beside the one for what it
 * does with IPv4. */
static bool is_twofold(const struct udp *udp, const struct row *row)
{
	return row->option6 && row->kind != BUFFER && udp->family == AF_INET6;
}

static bool set_number(const struct udp *udp, const struct row *row, int value)
{
	int error = setsockopt(udp->fd, row->level, row->option, &value,
			       sizeof(value));

	if (!is_twofold(udp, row) && row->kind != BUFFER)
		return !error;
	/* Only root may go over the limit of the system. */
	if (row->kind != BUFFER && error)
		return false;
	return setsockopt(udp->fd, row->level6, row->option6, &value,
			  sizeof(value)) == 0 ||
	       (row->kind == BUFFER && !error);
}

static bool set_link(lua_State *L, const struct udp *udp, const struct row *row)
{
	size_t n = 0;
	const char *name = "";

	if (lua_type(L, 3) == LUA_TSTRING)
		name = lua_tolstring(L, 3, &n);
	else if (lua_type(L, 3) != LUA_TBOOLEAN || lua_toboolean(L, 3))
		raise_value(L, 3, row->name, "the name of a link or false");
	if (n >= IF_NAMESIZE || strlen(name) != n)
		raise_misuse(L, "dev: \"%s\" is no name of a link", name);
	return setsockopt(udp->fd, row->level, row->option, name,
			  (socklen_t)n) == 0;
}

/* udp:setoption(name, value) -> true | nil, reason, errno */
static int udp_setoption(lua_State *L)
{
	struct udp *udp = opened_udp(L);
	const struct row *row = torow(L, 2);
	bool done;
	int value;

	if (row->kind == LINK) {
		done = set_link(L, udp, row);
	} else {
		value = tovalue(L, row);
		done = set_number(udp, row, row->kind == GSO ? 0 : value);
		if (done && row->kind == GSO)
			udp->gso = value;
		else if (done && row->option == UDP_GRO)
			udp->gro = value;
	}
	if (!done)
		return fail_errno(L, "udp: %s", row->name);
	lua_pushboolean(L, true);
	return 1;
}

/* udp:getoption(name) -> value | nil, reason, errno
 *
 * gso is whether it is on still; dev is nil for any link. */
static int udp_getoption(lua_State *L)
{
	struct udp *udp = opened_udp(L);
	const struct row *row = torow(L, 2);
	bool own = is_twofold(udp, row);
	char name[IF_NAMESIZE] = "";
	int value = 0;
	socklen_t size = row->kind == LINK ? sizeof(name) : sizeof(value);

	if (getsockopt(udp->fd, own ? row->level6 : row->level,
		       own ? row->option6 : row->option,
		       row->kind == LINK ? (void *)name : &value, &size) < 0)
		return fail_errno(L, "udp: %s", row->name);
	if (row->kind == LINK && !*name)
		lua_pushnil(L);
	else if (row->kind == LINK)
		lua_pushstring(L, name);
	else if (row->kind == NUMBER || row->kind == BUFFER)
		lua_pushinteger(L, value);
	else if (row->kind == FRAGMENT)
		lua_pushboolean(L, value >= IP_PMTUDISC_DO);
	else
		lua_pushboolean(L, row->kind == GSO ? udp->gso : value);
	return 1;
}

/* -- The descriptor, as that of a device -------------------------------------
 */

/* udp:fd() -> descriptor, lent; -1 when closed */
static int udp_fd(lua_State *L)
{
	const struct udp *udp = object_self(L);

	lua_pushinteger(L, udp->fd);
	return 1;
}

/* udp:close() -> true */
static int udp_close(lua_State *L)
{
	struct udp *udp = object_self(L);

	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
	udp->first = udp->last = 0;
	udp->code = 0;
	lua_pushboolean(L, true);
	return 1;
}

/* udp:getfd() -> as fd(), but 0 when closed, as of a device */
static int udp_getfd(lua_State *L)
{
	const struct udp *udp = object_self(L);

	lua_pushinteger(L, udp->fd < 0 ? 0 : udp->fd);
	return 1;
}

/* Whether receiving has something to tell at once, of which the descriptor
 * does not know. */
static bool is_ready(const struct udp *udp)
{
	return udp->fd < 0 || udp->first < udp->last || udp->code;
}

/* udp:dirty() -> true when there is no need to wait */
static int udp_dirty(lua_State *L)
{
	lua_pushboolean(L, is_ready(object_self(L)));
	return 1;
}

/* udp:events() -> "r", what cqueues waits for on it */
static int udp_events(lua_State *L)
{
	object_self(L);
	lua_pushliteral(L, "r");
	return 1;
}

/* udp:timeout() -> nil, or 0 when there is no need to wait, for cqueues */
static int udp_timeout(lua_State *L)
{
	if (is_ready(object_self(L)))
		lua_pushinteger(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

/* udp:settimeout(seconds) -> true
 *
 * How long receive() waits; for ever when nil or negative, as in LuaSocket. */
static int udp_settimeout(lua_State *L)
{
	struct udp *udp = object_self(L);
	double seconds = arg_seconds(L, 2);

	udp->timeout = lua_tonumber(L, 2) < 0 ? INFINITY : seconds;
	lua_pushboolean(L, true);
	return 1;
}

static const luaL_Reg meta[] = {
	{ "__gc", udp_close },
	{ "__close", udp_close },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "bind", udp_bind },
	{ "connect", udp_connect },
	{ "address", udp_address },
	{ "peer", udp_peer },
	{ "setoption", udp_setoption },
	{ "getoption", udp_getoption },
	{ "read", udp_read },
	{ "receive", udp_receive },
	{ "receivefrom", udp_receive },
	{ "write", udp_write },
	{ "send", udp_send },
	{ "fd", udp_fd },
	{ "getfd", udp_getfd },
	{ "pollfd", udp_fd },
	{ "close", udp_close },
	{ "dirty", udp_dirty },
	{ "events", udp_events },
	{ "timeout", udp_timeout },
	{ "settimeout", udp_settimeout },
	{ NULL, NULL },
};

/* core.udp_options() -> list of the names of options, in the order to set */
static int core_udp_options(lua_State *L)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(rows); i++) {
		lua_pushstring(L, rows[i].name);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static const luaL_Reg functions[] = {
	{ "udp", core_udp },
	{ "udp_options", core_udp_options },
	{ NULL, NULL },
};

void open_udp(lua_State *L)
{
	object_type(L, UDP, meta, methods);
	lua_setfield(L, -2, "udp_socket");
	object_functions(L, functions);
}
