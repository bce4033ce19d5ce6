/* watch.c -- which links leave a network namespace, as they are deleted or
 * moved to another one: until then a link has the index that it had. */
#include "watch.h"

#include "../core.h"
#include "../fork.h"
#include "../handle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WATCH "tun.watch"

struct watch {
	struct handle handle;
	unsigned int generation;
};

static const struct handle_kind watch_kind = { .noun = "watch" };

/* Let the kernel keep nothing but what tells that a link leaves: changes of
 * links are many, ours among them. */
static bool watch_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
			 offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { LENGTH(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program)) == 0;
}

/* core.watch() -> watch | nil, reason, errno
 *
 * Watch the network namespace that the thread is in. */
static int core_watch(lua_State *L)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_LINK };
	struct watch *watch = handle_new(L, WATCH, sizeof(*watch), &watch_kind);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);

	watch->handle.fd = fd;
	watch->generation = fork_generation();
	if (fd >= 0 && watch_filter(fd) &&
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0)
		return 1;
	handle_close(&watch->handle);
	return fail_errno(L, "netlink");
}

/* Take a message. Returns the index of the link that it tells of, 0 for none;
 * or -1 with an errno. */
static int watch_take(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link; /* what is behind it is cut off */
	} message;
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t size = recvfrom(fd, &message, sizeof(message), 0,
				(struct sockaddr *)&from, &len);

	if (size < 0)
		return -1;
	/* A bridge tells the same of a port that it loses. */
	if (from.nl_pid != 0 || size < (ssize_t)sizeof(message) ||
	    message.head.nlmsg_type != RTM_DELLINK ||
	    message.link.ifi_family != AF_UNSPEC)
		return 0;
	return message.link.ifi_index;
}

/* watch:next() -> index of a link that left | nil: no more | false: not all can
 * be told, as they were too many or the watch is another process's
 *
 * Never waits. */
static int watch_next(lua_State *L)
{
	const struct watch *watch = handle_check(L);
	bool ours = watch->generation == fork_generation();
	int index = 0;

	while (ours && index == 0)
		index = watch_take(watch->handle.fd);
	if (index > 0)
		lua_pushinteger(L, index);
	else if (ours && errno == EAGAIN)
		lua_pushnil(L);
	else
		lua_pushboolean(L, false);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "next", watch_next },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "watch", core_watch },
	{ NULL, NULL },
};

void open_watch(lua_State *L)
{
	handle_type(L, WATCH, NULL, methods);
	lua_pop(L, 1);
	object_functions(L, functions);
}
