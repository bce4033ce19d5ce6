/* socket.c -- an rtnetlink socket: requests, dumps, extended acks. It moves
 * messages whole and knows no attribute; codec.c does. */
#include "socket.h"

#include "../fork.h"
#include "../handle.h"
#include "../netns.h"
#include "../poll.h"
#include "ack.h"
#include "codec.h"
#include "message.h"
#include "noun.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKET "tun.netlink"

enum { RECEIVE_MIN = 32768, DUMP_TRIES = 10 };

/* What is in the table that is the user value of a socket. */
enum { DATAGRAM = 1, STRINGS = 2 };

struct netlink {
	struct handle handle;
	unsigned int generation; /* of the process that opened it */
	unsigned int port, seq;
	struct ifnames names;
	struct words words;	     /* their table is in the user value */
	const struct object *object; /* of the dump that is going on */
	bool dumping, interrupted;
	bool brief;	/* the answer is an ack, not an object of any size */
	char *received; /* one datagram, in the user value of the socket */
	size_t size;
	struct nlmsghdr *message; /* the next one in it */
	int left;
	_Alignas(struct nlmsghdr) unsigned char request[REQUEST_MAX];
};

static const struct handle_kind netlink_kind = { .noun = "netlink socket" };

static int failed(lua_State *L, int code, const char *reason)
{
	lua_pushnil(L);
	lua_pushstring(L, reason);
	lua_pushinteger(L, code);
	return 3;
}

/* -- Opening --------------------------------------------------------- */

static int open_descriptor(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      NETLINK_ROUTE);
}

/* Make it what is wanted of the socket that was opened. False with an errno. */
static bool prepare_socket(struct netlink *nl)
{
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK,
				       NETLINK_GET_STRICT_CHK };
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	socklen_t size = sizeof(local);
	int on = 1, fd = nl->handle.fd;
	size_t i;

	if (fd < 0 || bind(fd, (struct sockaddr *)&local, size) < 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &size) < 0)
		return false;
	for (i = 0; i < LENGTH(options); i++)
		if (setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on)) <
		    0)
			return false;
	nl->port = local.nl_pid;
	return true;
}

/* Have room for a datagram. The socket is at index 1. */
static void reserve(lua_State *L, struct netlink *nl, size_t size)
{
	if (size <= nl->size)
		return;
	lua_getuservalue(L, 1);
	nl->received = lua_newuserdata(L, size);
	nl->size = size;
	lua_rawseti(L, -2, DATAGRAM);
	lua_pop(L, 1);
}

/* core.netlink(ns) -> socket | nil, message, errno
 *
 * ns: the descriptor of the network namespace that it is for, or nil for that
 * of this thread. */
static int core_netlink(lua_State *L)
{
	int ns = netns_arg(L, 1);
	struct netlink *nl;

	lua_settop(L, 0);
	nl = handle_new(L, SOCKET, sizeof(*nl), &netlink_kind);
	lua_createtable(L, 2, 0);
	lua_createtable(L, WORDS, 0);
	lua_rawseti(L, -2, STRINGS);
	lua_setuservalue(L, 1);
	reserve(L, nl, RECEIVE_MIN);
	nl->generation = fork_generation();
	nl->handle.fd = nl->names.fd = netns_open(L, ns, open_descriptor);
	if (prepare_socket(nl))
		return 1;
	handle_close(&nl->handle);
	return fail_errno(L, "netlink");
}

/* Whether no other process reads from it: after a fork each would take answers
 * that the other waits for. */
static bool is_own(const struct netlink *nl)
{
	return nl->generation == fork_generation();
}

static int fail_foreign(lua_State *L)
{
	return failed(L, ESTALE,
		      "netlink socket: it is of the process that "
		      "this one was forked from");
}

/* -- Sending and receiving ------------------------------------------- */

/* Encode and send; false when the world said no: nil, reason, errno are on the
 * stack. */
static bool send_request(lua_State *L, struct netlink *nl,
			 const struct object *o, const struct verb *v, int t)
{
	struct encoder e = { .L = L,
			     .names = &nl->names,
			     .nlh = (void *)nl->request,
			     .size = sizeof(nl->request) };

	if (!codec_encode(&e, o, v, t)) {
		failed(L, e.error, e.message);
		return false;
	}
	e.nlh->nlmsg_seq = ++nl->seq;
	e.nlh->nlmsg_pid = nl->port;
	nl->left = 0;
	nl->brief = (v->flags & NLM_F_ACK) != 0;
	if (send(nl->handle.fd, e.nlh, e.nlh->nlmsg_len, 0) < 0) {
		fail_errno(L, "netlink");
		return false;
	}
	return true;
}

/* Take a datagram of any size, if there is one. Returns its bytes and where it
 * is from, or -1 with an errno. */
static ssize_t take(lua_State *L, struct netlink *nl, uint32_t *from)
{
	int fd = nl->handle.fd;
	struct sockaddr_nl address = { 0 };
	socklen_t len = sizeof(address);
	ssize_t size = 0;

	if (!nl->brief)
		size = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	if (size < 0)
		return -1;
	reserve(L, nl, (size_t)size);
	size = recvfrom(fd, nl->received, nl->size, 0,
			(struct sockaddr *)&address, &len);
	*from = address.nl_pid;
	return size;
}

/* One whole datagram from the kernel. An error of the socket, such as ENOBUFS,
 * comes before an answer that is there, so this looks behind the first one:
 * whoever asked has to know what became of it. Returns -1 with an errno when
 * there is none, or a signal came while it waited. Source: netlink(7) */
static ssize_t netlink_receive(lua_State *L, struct netlink *nl)
{
	struct pollfd wait = { .fd = nl->handle.fd, .events = POLLIN };
	int code = 0;
	uint32_t from = 0;
	ssize_t size;

	for (;;) {
		size = take(L, nl, &from);
		if (size >= 0 && from == 0)
			return size;
		if (size >= 0)
			continue;
		if (code || (errno == EAGAIN && poll(&wait, 1, -1) < 0))
			break;
		code = errno == EAGAIN ? 0 : errno;
	}
	errno = code ? code : errno;
	return -1;
}

/* Push nil, reason and errno of a call that failed. */
static int fail_netlink(lua_State *L)
{
	if (errno != EINTR)
		return fail_errno(L, "netlink");
	poll_interrupt(L, poll_mainthread(L));
	errno = EINTR;
	return fail_word(L);
}

/* The next message that answers the last request; NULL and errno. */
static const struct nlmsghdr *next_message(lua_State *L, struct netlink *nl)
{
	const struct nlmsghdr *message;
	ssize_t size;

	for (;;) {
		if (nl->left <= 0) {
			size = netlink_receive(L, nl);
			if (size < 0)
				return NULL;
			nl->message = (struct nlmsghdr *)nl->received;
			nl->left = (int)size;
			continue;
		}
		if (!message_ok(nl->message, (size_t)nl->left)) {
			nl->left = 0;
			errno = EBADMSG;
			return NULL;
		}
		message = nl->message;
		nl->message = mnl_nlmsg_next(message, &nl->left);
		if (message->nlmsg_seq == nl->seq &&
		    message->nlmsg_pid == nl->port)
			return message;
	}
}

/* -- Requests -------------------------------------------------------- */

static bool push_object(lua_State *L, struct netlink *nl,
			const struct object *o, const struct nlmsghdr *message)
{
	struct decoder d = { .L = L, .names = &nl->names, .words = &nl->words };
	int at;

	lua_getuservalue(L, 1);
	lua_rawgeti(L, -1, STRINGS);
	at = nl->words.at = lua_gettop(L);
	if (!codec_decode(&d, o, message)) {
		lua_settop(L, at - 2);
		return false;
	}
	lua_replace(L, at - 1);
	lua_settop(L, at - 1);
	return true;
}

/* Read what is left of a dump that was not read to its end, so that the kernel
 * takes another one. */
static bool netlink_drain(lua_State *L, struct netlink *nl)
{
	const struct nlmsghdr *message;

	while (nl->dumping) {
		message = next_message(L, nl);
		if (!message)
			return false;
		nl->dumping = message->nlmsg_type != NLMSG_DONE &&
			      message->nlmsg_type != NLMSG_ERROR;
	}
	return true;
}

/* socket:request(object, verb, table) -> true [, warning]; the object for
 * "get" | nil, reason, errno */
static int netlink_request(lua_State *L)
{
	struct netlink *nl = handle_check(L);
	const struct object *o = noun_check(L, 2);
	const struct verb *v = noun_check_verb(L, 3, o);
	const struct nlmsghdr *message;

	luaL_checktype(L, 4, LUA_TTABLE);
	if (v->flags == NLM_F_DUMP)
		raise_misuse(L,
			     "\"list\" is not a request: call socket:list()");
	if (!is_own(nl))
		return fail_foreign(L);
	if (!netlink_drain(L, nl))
		return fail_netlink(L);
	ifnames_clear(&nl->names);
	if (!send_request(L, nl, o, v, 4))
		return 3;
	message = next_message(L, nl);
	if (!message)
		return fail_netlink(L);
	if (message->nlmsg_type == o->type)
		return push_object(L, nl, o, message) ? 1
						      : fail_malformed(L, o);
	return ack_push(L, o, (struct nlmsghdr *)nl->request, message);
}

/* -- Dumps ----------------------------------------------------------- */

/* Begin a dump; false with nil, reason, errno on the stack. */
static bool start_dump(lua_State *L, struct netlink *nl, const struct object *o,
		       int filter)
{
	static const struct verb list = { "list", 2, NLM_F_DUMP, NULL };

	if (!is_own(nl)) {
		fail_foreign(L);
		return false;
	}
	if (!netlink_drain(L, nl)) {
		fail_netlink(L);
		return false;
	}
	nl->object = o;
	nl->interrupted = false;
	ifnames_clear(&nl->names);
	nl->dumping = send_request(L, nl, o, &list, filter);
	return nl->dumping;
}

/* Push the next object: 1; the end: 0; nil, reason, errno: 3. */
static int next_object(lua_State *L, struct netlink *nl)
{
	const struct nlmsghdr *message = next_message(L, nl);
	struct ack ack;

	if (!message)
		return fail_netlink(L);
	nl->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (message->nlmsg_type == nl->object->type)
		return push_object(L, nl, nl->object, message)
			       ? 1
			       : fail_malformed(L, nl->object);
	nl->dumping = false;
	ack_read(nl->object, (struct nlmsghdr *)nl->request, message, &ack);
	return ack.code ? fail_ack(L, &ack) : 0;
}

/* socket:start(object, filter) -> true | nil, reason, errno */
static int netlink_start(lua_State *L)
{
	struct netlink *nl = handle_check(L);

	luaL_checktype(L, 3, LUA_TTABLE);
	if (!start_dump(L, nl, noun_check(L, 2), 3))
		return 3;
	lua_pushboolean(L, true);
	return 1;
}

/* socket:next() -> object, changed | nil at the end | nil, reason, errno.
 * changed: the kernel says that its table changed under the dump. */
static int netlink_next(lua_State *L)
{
	struct netlink *nl = handle_check(L);
	int results;

	if (!nl->dumping)
		raise_misuse(L, "no dump is going on in this netlink socket");
	if (!is_own(nl))
		return fail_foreign(L);
	results = next_object(L, nl);
	if (results != 1)
		return results;
	lua_pushboolean(L, nl->interrupted);
	return 2;
}

/* One dump into the list on top of the stack; 0, or 3 as next_object. */
static int netlink_collect(lua_State *L, struct netlink *nl)
{
	int list = lua_gettop(L), i = 0, results;

	while ((results = next_object(L, nl)) == 1)
		lua_rawseti(L, list, ++i);
	return results;
}

/* socket:list(object, filter) -> list, interrupted | nil, reason, errno.
 * A dump that the kernel calls interrupted is taken again, 10 times at most;
 * then the last one comes with interrupted = true. */
static int netlink_list(lua_State *L)
{
	struct netlink *nl = handle_check(L);
	const struct object *o = noun_check(L, 2);
	int tries = DUMP_TRIES;

	luaL_checktype(L, 3, LUA_TTABLE);
	do {
		lua_settop(L, 3);
		if (!start_dump(L, nl, o, 3))
			return 3;
		lua_newtable(L);
		if (netlink_collect(L, nl) == 3)
			return 3;
	} while (nl->interrupted && --tries > 0);
	lua_pushboolean(L, nl->interrupted);
	return 2;
}

/* -- Interface names ------------------------------------------------- */

/* socket:index(name) -> integer | nil, reason, errno */
static int netlink_index(lua_State *L)
{
	struct netlink *nl = handle_check(L);
	const char *name = arg_text(L, 2);
	int index;

	if (!name)
		raise_value(L, 2, "index", "the name of a link");
	index = ifnames_index(&nl->names, name);
	if (!index)
		return fail_errno(L, "%s", name);
	lua_pushinteger(L, index);
	return 1;
}

/* socket:name(index) -> string | nil, reason, errno */
static int netlink_name(lua_State *L)
{
	struct netlink *nl = handle_check(L);
	int index = (int)luaL_checkinteger(L, 2);
	const char *name;

	ifnames_clear(&nl->names);
	name = ifnames_name(&nl->names, index);
	if (!name)
		return fail_errno(L, "interface %d", index);
	lua_pushstring(L, name);
	return 1;
}

static int netlink_tostring(lua_State *L)
{
	struct netlink *nl = object_self(L);

	if (nl->handle.fd >= 0)
		lua_pushfstring(L, "netlink socket (fd %d)", nl->handle.fd);
	else
		lua_pushliteral(L, "netlink socket (closed)");
	return 1;
}

static const luaL_Reg meta[] = {
	{ "__tostring", netlink_tostring },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "request", netlink_request },
	{ "list", netlink_list },
	{ "start", netlink_start },
	{ "next", netlink_next },
	{ "index", netlink_index },
	{ "name", netlink_name },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "netlink", core_netlink },
	{ NULL, NULL },
};

void open_netlink(lua_State *L)
{
	handle_type(L, SOCKET, meta, methods);
	lua_pop(L, 1);
	object_functions(L, functions);
}
