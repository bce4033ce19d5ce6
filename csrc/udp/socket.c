/* socket.c -- UDP sockets: opening one, and what it is bound and connected to.
 */
#include "socket.h"

#include "../batch/arena.h"
#include "../core.h"
#include "../poll.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

typedef int address_call(int fd, struct sockaddr *address, socklen_t *size);

/* What getsockname(2) or getpeername(2) says. Keeps errno. */
static union endpoint udp_ask(const struct udp *udp, address_call *call)
{
	union endpoint e = { 0 };
	socklen_t size = sizeof(e);
	int code = errno;

	if (call(udp->handle.fd, &e.any, &size) < 0)
		e.any.sa_family = AF_UNSPEC;
	errno = code;
	return e;
}

/* Push nil, reason and errno of a failed call that concerns an address. */
static int fail_endpoint(lua_State *L, const union endpoint *e)
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
	local = udp_ask(udp, getsockname);
	return fail_endpoint(L, &local);
}

static bool udp_is_ready(const struct handle *h)
{
	const struct udp *udp = (const void *)h;

	return udp->first < udp->last || udp->code;
}

static void udp_forget(struct handle *h)
{
	struct udp *udp = (void *)h;

	udp->first = udp->last = 0;
	udp->code = 0;
}

static const struct handle_kind udp_kind = {
	.noun = "UDP socket",
	.is_ready = udp_is_ready,
	.forget = udp_forget,
};

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
	udp = handle_new(L, UDP, sizeof(*udp), &udp_kind);
	udp->family = e.any.sa_family;
	udp->most = 1;
	udp->expect = 2;
	lua_newtable(L);
	arena = arena_new(L, HELD + SCRATCH, true);
	if (!arena)
		return fail_endpoint(L, &e);
	udp->held = arena->bytes;
	udp->scratch = arena->bytes + HELD;
	lua_rawseti(L, -2, 1);
	lua_setuservalue(L, -2);
	udp->handle.fd =
		socket(udp->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       IPPROTO_UDP);
	return udp->handle.fd < 0 ? fail_endpoint(L, &e) : 1;
}

/* udp:bind(address) -> true | nil, reason, errno */
static int udp_bind(lua_State *L)
{
	struct udp *udp = handle_check(L);
	union endpoint e;

	endpoint_check(L, 2, "bind", &e);
	if (bind(udp->handle.fd, &e.any, endpoint_size(&e)) < 0)
		return fail_endpoint(L, &e);
	lua_pushboolean(L, true);
	return 1;
}

/* udp:connect(address) -> true | nil, reason, errno
 *
 * Send to one peer and receive from no other; nil: from and to any again. */
static int udp_connect(lua_State *L)
{
	struct udp *udp = handle_check(L);
	union endpoint e = { .any.sa_family = AF_UNSPEC };

	if (!lua_isnoneornil(L, 2))
		endpoint_check(L, 2, "connect", &e);
	if (connect(udp->handle.fd, &e.any,
		    endpoint_size(&e) ? endpoint_size(&e) : sizeof(e.any)) < 0)
		return fail_endpoint(L, &e);
	udp->connected = endpoint_size(&e) != 0;
	lua_pushboolean(L, true);
	return 1;
}

static int udp_push_address(lua_State *L, address_call *call)
{
	union endpoint e = udp_ask(handle_check(L), call);

	endpoint_push(L, &e);
	return 1;
}

/* udp:address() -> "10.0.0.1:5000", where the socket is */
static int udp_address(lua_State *L)
{
	return udp_push_address(L, getsockname);
}

/* udp:peer() -> "10.0.0.2:5000", what it is connected to, or nil */
static int udp_peer(lua_State *L)
{
	return udp_push_address(L, getpeername);
}

static const luaL_Reg methods[] = {
	{ "bind", udp_bind },
	{ "connect", udp_connect },
	{ "address", udp_address },
	{ "peer", udp_peer },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "udp", core_udp },
	{ NULL, NULL },
};

void open_udp(lua_State *L)
{
	handle_type(L, UDP, NULL, methods);
	lua_setfield(L, -2, "udp_socket");
	object_functions(L, functions);
}
