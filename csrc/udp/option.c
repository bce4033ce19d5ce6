/* option.c -- the options of a UDP socket, one row each. */
#include "option.h"

#include "../core.h"
#include "socket.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* What an option is for IPv4, and for IPv6 where that is another. */
struct row {
	const char *name;
	const struct codec *codec;
	int level, option;
	int level6, option6;
};

/* How a value goes to Lua, and from argument 3 to the kernel; both false with
 * an errno when the kernel says no, and then nothing is pushed. */
struct codec {
	bool (*get)(lua_State *L, const struct udp *udp, const struct row *r);
	bool (*set)(lua_State *L, struct udp *udp, const struct row *r);
};

/* -- Numbers --------------------------------------------------------------- */

/* Whether an IPv6 socket has an option of its own, beside the one for what it
 * does with IPv4. */
static bool is_twofold(const struct udp *udp, const struct row *r)
{
	return r->option6 && udp->family == AF_INET6;
}

static bool udp_get_number(const struct udp *udp, const struct row *r, int *n)
{
	bool own = is_twofold(udp, r);
	socklen_t size = sizeof(*n);

	*n = 0;
	return getsockopt(udp->handle.fd, own ? r->level6 : r->level,
			  own ? r->option6 : r->option, n, &size) == 0;
}

/* Both of an IPv6 socket or none: its own first, as IP_TOS changes more. */
static bool udp_set_number(const struct udp *udp, const struct row *r, int n)
{
	int fd = udp->handle.fd, was, code;

	if (is_twofold(udp, r) &&
	    (!udp_get_number(udp, r, &was) ||
	     setsockopt(fd, r->level6, r->option6, &n, sizeof(n)) < 0))
		return false;
	if (setsockopt(fd, r->level, r->option, &n, sizeof(n)) == 0)
		return true;
	code = errno;
	if (is_twofold(udp, r))
		setsockopt(fd, r->level6, r->option6, &was, sizeof(was));
	errno = code;
	return false;
}

static int check_number(lua_State *L, const struct row *r)
{
	lua_Integer n;

	if (!arg_integer(L, 3, &n) || n < 0 || n > INT_MAX)
		raise_value(L, 3, r->name, "a number from 0 on");
	return (int)n;
}

static bool check_flag(lua_State *L, const struct row *r)
{
	if (!lua_isboolean(L, 3))
		raise_value(L, 3, r->name, "true or false");
	return lua_toboolean(L, 3);
}

static bool get_integer(lua_State *L, const struct udp *udp,
			const struct row *r)
{
	int n;

	if (!udp_get_number(udp, r, &n))
		return false;
	lua_pushinteger(L, n);
	return true;
}

static bool set_integer(lua_State *L, struct udp *udp, const struct row *r)
{
	return udp_set_number(udp, r, check_number(L, r));
}

static bool get_flag(lua_State *L, const struct udp *udp, const struct row *r)
{
	int n;

	if (!udp_get_number(udp, r, &n))
		return false;
	lua_pushboolean(L, n);
	return true;
}

static bool set_flag(lua_State *L, struct udp *udp, const struct row *r)
{
	return udp_set_number(udp, r, check_flag(L, r));
}

static const struct codec as_integer = { get_integer, set_integer };
static const struct codec as_flag = { get_flag, set_flag };

/* -- Others ---------------------------------------------------------------- */

/* The second option goes over the limit of the system, which only root may. */
static bool get_buffer(lua_State *L, const struct udp *udp, const struct row *r)
{
	int n;
	socklen_t size = sizeof(n);

	if (getsockopt(udp->handle.fd, r->level, r->option, &n, &size) < 0)
		return false;
	lua_pushinteger(L, n);
	return true;
}

static bool set_buffer(lua_State *L, struct udp *udp, const struct row *r)
{
	int n = check_number(L, r);

	return setsockopt(udp->handle.fd, r->level6, r->option6, &n,
			  sizeof(n)) == 0 ||
	       setsockopt(udp->handle.fd, r->level, r->option, &n, sizeof(n)) ==
		       0;
}

/* Whether datagrams may be fragmented on their way. Source: ip(7) */
static bool get_df(lua_State *L, const struct udp *udp, const struct row *r)
{
	int n;

	if (!udp_get_number(udp, r, &n))
		return false;
	lua_pushboolean(L, n >= IP_PMTUDISC_DO);
	return true;
}

static bool set_df(lua_State *L, struct udp *udp, const struct row *r)
{
	return udp_set_number(
		udp, r, check_flag(L, r) ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
}

/* A link by its name; any is nil to read, and false to set. */
static bool get_link(lua_State *L, const struct udp *udp, const struct row *r)
{
	char name[IF_NAMESIZE] = "";
	socklen_t size = sizeof(name);

	if (getsockopt(udp->handle.fd, r->level, r->option, name, &size) < 0)
		return false;
	if (*name)
		lua_pushstring(L, name);
	else
		lua_pushnil(L);
	return true;
}

static bool set_link(lua_State *L, struct udp *udp, const struct row *r)
{
	const char *name = "";
	size_t n = 0;

	if (lua_type(L, 3) == LUA_TSTRING)
		name = lua_tolstring(L, 3, &n);
	else if (!lua_isboolean(L, 3) || lua_toboolean(L, 3))
		raise_value(L, 3, r->name, "the name of a link or false");
	if (n >= IF_NAMESIZE || strlen(name) != n)
		raise_misuse(L, "dev: \"%s\" is no name of a link", name);
	return setsockopt(udp->handle.fd, r->level, r->option, name,
			  (socklen_t)n) == 0;
}

/* Whether the kernel splits what is sent: it is asked to with each message, so
 * here only whether it could. It ends when a device on the way cannot. */
static bool get_gso(lua_State *L, const struct udp *udp, const struct row *r)
{
	int n;

	if (!udp_get_number(udp, r, &n))
		return false;
	lua_pushboolean(L, udp->gso);
	return true;
}

static bool set_gso(lua_State *L, struct udp *udp, const struct row *r)
{
	bool on = check_flag(L, r);

	if (!udp_set_number(udp, r, 0))
		return false;
	udp->gso = on;
	return true;
}

static bool set_gro(lua_State *L, struct udp *udp, const struct row *r)
{
	bool on = check_flag(L, r);

	if (!udp_set_number(udp, r, on))
		return false;
	udp->gro = on;
	return true;
}

static const struct codec as_buffer = { get_buffer, set_buffer };
static const struct codec as_df = { get_df, set_df };
static const struct codec as_link = { get_link, set_link };
static const struct codec as_gso = { get_gso, set_gso };
static const struct codec as_gro = { get_flag, set_gro };

/* In the order to set them before a socket is bound. */
static const struct row rows[] = {
	{ "dev", &as_link, SOL_SOCKET, SO_BINDTODEVICE, 0, 0 },
	{ "reuse_port", &as_flag, SOL_SOCKET, SO_REUSEPORT, 0, 0 },
	{ "reuse_addr", &as_flag, SOL_SOCKET, SO_REUSEADDR, 0, 0 },
	{ "broadcast", &as_flag, SOL_SOCKET, SO_BROADCAST, 0, 0 },
	{ "rcvbuf", &as_buffer, SOL_SOCKET, SO_RCVBUF, SOL_SOCKET,
	  SO_RCVBUFFORCE },
	{ "sndbuf", &as_buffer, SOL_SOCKET, SO_SNDBUF, SOL_SOCKET,
	  SO_SNDBUFFORCE },
	{ "mark", &as_integer, SOL_SOCKET, SO_MARK, 0, 0 },
	{ "tos", &as_integer, SOL_IP, IP_TOS, SOL_IPV6, IPV6_TCLASS },
	/* After tos, which sets it too. */
	{ "priority", &as_integer, SOL_SOCKET, SO_PRIORITY, 0, 0 },
	{ "ttl", &as_integer, SOL_IP, IP_TTL, SOL_IPV6, IPV6_UNICAST_HOPS },
	{ "df", &as_df, SOL_IP, IP_MTU_DISCOVER, SOL_IPV6, IPV6_MTU_DISCOVER },
	{ "freebind", &as_flag, SOL_IP, IP_FREEBIND, SOL_IPV6, IPV6_FREEBIND },
	{ "transparent", &as_flag, SOL_IP, IP_TRANSPARENT, SOL_IPV6,
	  IPV6_TRANSPARENT },
	{ "v6only", &as_flag, SOL_IPV6, IPV6_V6ONLY, 0, 0 },
	{ "gro", &as_gro, SOL_UDP, UDP_GRO, 0, 0 },
	{ "gso", &as_gso, SOL_UDP, UDP_SEGMENT, 0, 0 },
};

/* The option that argument 2 names. */
static const struct row *row_check(lua_State *L)
{
	return arg_pick(L, 2, "option", rows, sizeof(*rows), LENGTH(rows));
}

/* udp:setoption(name, value) -> true | nil, reason, errno */
static int udp_setoption(lua_State *L)
{
	struct udp *udp = handle_check(L);
	const struct row *r = row_check(L);

	if (!r->codec->set(L, udp, r))
		return fail_errno(L, "udp: %s", r->name);
	lua_pushboolean(L, true);
	return 1;
}

/* udp:getoption(name) -> value | nil, reason, errno
 *
 * gso is whether it is on still; dev is nil for any link. */
static int udp_getoption(lua_State *L)
{
	const struct udp *udp = handle_check(L);
	const struct row *r = row_check(L);

	return r->codec->get(L, udp, r) ? 1 : fail_errno(L, "udp: %s", r->name);
}

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

static const luaL_Reg methods[] = {
	{ "setoption", udp_setoption },
	{ "getoption", udp_getoption },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "udp_options", core_udp_options },
	{ NULL, NULL },
};

void open_udp_option(lua_State *L)
{
	object_add_methods(L, UDP, methods);
	object_functions(L, functions);
}
