/* netns.c -- network namespaces: enter a new one, hold one open. */
#include "netns.h"

#include "core.h"
#include "fork.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NETNS "tun.netns"

/* That of the calling thread: each thread has its own. */
#define HERE "/proc/thread-self/ns/net"

static const struct handle_kind netns_kind = { .noun = "network namespace" };

struct handle *netns_new(lua_State *L)
{
	return handle_new(L, NETNS, sizeof(struct handle), &netns_kind);
}

/* The inode number, by which namespaces differ; 0 and errno. */
static ino_t netns_inode(const struct handle *ns)
{
	struct stat status;

	return fstat(ns->fd, &status) < 0 ? 0 : status.st_ino;
}

/* core.netns(path) -> namespace | nil, reason, errno
 *
 * The network namespace of a path such as "/run/netns/blue" or
 * "/proc/1/ns/net", or of this thread when path is nil. EINVAL: the file is
 * something else. */
static int core_netns(lua_State *L)
{
	const char *path = lua_isnoneornil(L, 1) ? HERE : arg_text(L, 1);
	struct handle *ns;

	if (!path)
		raise_value(L, 1, "netns", "a path or nil");
	ns = netns_new(L);
	/* A fifo would wait for who writes to it. */
	ns->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (ns->fd < 0)
		return fail_errno(L, "%s", path);
	if (ioctl(ns->fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return 1;
	handle_close(ns);
	errno = EINVAL;
	return fail_errno(L, "%s: not a network namespace", path);
}

/* core.here() -> id, generation
 *
 * The inode number of the network namespace that this thread is in now, which
 * setns(2), unshare(2) and another Lua state can change at any time, or nil
 * where /proc cannot be read; and a number that is another one after a fork. */
static int core_here(lua_State *L)
{
	char text[64] = ""; /* net:[4026531840] */
	char *digits = text + strlen("net:[");
	unsigned long long id = 0;

	if (readlink(HERE, text, sizeof(text) - 1) > digits - text)
		id = strtoull(digits, NULL, 10);
	if (id)
		lua_pushinteger(L, (lua_Integer)id);
	else
		lua_pushnil(L);
	lua_pushinteger(L, (lua_Integer)fork_generation());
	return 2;
}

int netns_arg(lua_State *L, int at)
{
	lua_Integer fd;

	if (lua_isnoneornil(L, at))
		return -1;
	if (!arg_integer(L, at, &fd) || fd < 0 || fd > INT_MAX)
		raise_value(L, at, "netns", "a descriptor");
	return (int)fd;
}

/* Go to the namespace of a descriptor. Returns the way back, another
 * descriptor; or -1 with an errno, and stays. */
static int netns_go(int ns)
{
	int back = open(HERE, O_RDONLY | O_CLOEXEC), code;

	if (back < 0)
		return -1;
	/* That it may come back it learns before it goes. */
	if (setns(back, CLONE_NEWNET) == 0 && setns(ns, CLONE_NEWNET) == 0)
		return back;
	code = errno;
	close(back);
	errno = code;
	return -1;
}

int netns_open(lua_State *L, int ns, int (*opener)(void))
{
	int back, fd, code;

	if (ns < 0)
		return opener();
	back = netns_go(ns);
	if (back < 0)
		return -1;
	fd = opener();
	code = errno;
	if (setns(back, CLONE_NEWNET) < 0) {
		code = errno;
		if (fd >= 0)
			close(fd);
		close(back);
		luaL_error(L,
			   "the script has moved to another network namespace "
			   "and cannot come back: %s",
			   strerror(code));
	}
	close(back);
	errno = code;
	return fd;
}

/* ns:id() -> inode number, equal for the same namespace */
static int netns_id(lua_State *L)
{
	ino_t id = netns_inode(handle_check(L));

	if (!id)
		return fail_errno(L, "network namespace");
	lua_pushinteger(L, (lua_Integer)id);
	return 1;
}

/* As the kernel writes it: net:[4026531840] */
static int netns_tostring(lua_State *L)
{
	const struct handle *ns = object_self(L);
	char text[32] = "net:[closed]";

	if (ns->fd >= 0)
		snprintf(text, sizeof(text), "net:[%ju]",
			 (uintmax_t)netns_inode(ns));
	lua_pushstring(L, text);
	return 1;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), code;
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) >= 0;
	code = errno;
	close(fd);
	errno = code;
	return done;
}

/* Be root in the new user namespace, and the same user outside of it. */
static bool map_ids(uid_t uid, gid_t gid)
{
	char users[32], groups[32];

	snprintf(users, sizeof(users), "0 %u 1", uid);
	snprintf(groups, sizeof(groups), "0 %u 1", gid);
	return write_file("/proc/self/uid_map", users) &&
	       write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/gid_map", groups);
}

/* Whether this process has a capability, as far as the kernel reports. */
static bool has_capability(int capability)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, sets) < 0)
		return true;
	return sets[CAP_TO_INDEX(capability)].effective &
	       CAP_TO_MASK(capability);
}

/* Whether map_ids() may do so, as far as it can be known before there is no way
 * back; false and errno. Source: user_namespaces(7) */
static bool may_map_ids(uid_t uid)
{
	if (uid != 0 || has_capability(CAP_SETFCAP))
		return faccessat(AT_FDCWD, "/proc/self/uid_map", W_OK,
				 AT_EACCESS) == 0;
	errno = EPERM;
	return false;
}

/* Push nil, what a failure of unshare(2) means here, and errno. Returns 3. */
static int fail_unshare(lua_State *L, bool user_too)
{
	const char *reason = NULL;

	if (errno == EPERM && user_too)
		reason = "user namespaces are not allowed here "
			 "(sysctl kernel.unprivileged_userns_clone, "
			 "or run as root)";
	else if (errno == EPERM)
		reason = "needs root (CAP_SYS_ADMIN) or a user namespace";
	else if (errno == EINVAL && user_too)
		reason = "the process has several threads";
	else if (errno == ENOSPC || errno == EUSERS)
		reason = "too many namespaces (sysctl user.max_net_namespaces "
			 "and user.max_user_namespaces)";
	if (!reason)
		return fail_errno(L, "new network namespace");
	return fail_errno(L, "new network namespace: %s", reason);
}

/* core.unshare(user_too) -> true | nil, reason, errno
 *
 * Move this process to a new network namespace and, where user_too is true, to
 * a new user namespace as well, in which it is root. See unshare(2) and
 * user_namespaces(7). There is no way back, so what can be known is checked
 * before; a failure after it says that the process has moved. Without
 * CAP_NET_ADMIN there is nothing to do in a namespace of the same user
 * namespace. */
static int core_unshare(lua_State *L)
{
	bool user_too = lua_toboolean(L, 1);
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!user_too && !has_capability(CAP_NET_ADMIN)) {
		errno = EPERM;
		return fail_unshare(L, user_too);
	}
	if (user_too && !may_map_ids(uid))
		return fail_errno(L, "new network namespace: %s",
				  uid == 0 && errno == EPERM
					  ? "needs CAP_NET_ADMIN and "
					    "CAP_SYS_ADMIN, or CAP_SETFCAP for "
					    "a user namespace"
					  : "/proc/self/uid_map");
	if (unshare(CLONE_NEWNET | (user_too ? CLONE_NEWUSER : 0)) < 0)
		return fail_unshare(L, user_too);
	if (user_too && !map_ids(uid, gid))
		return fail_errno(L, "new network namespace, to which the "
				     "process has moved: user and group ids");
	lua_pushboolean(L, true);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "netns", core_netns },
	{ "here", core_here },
	{ "unshare", core_unshare },
	{ NULL, NULL },
};

static const luaL_Reg meta[] = {
	{ "__tostring", netns_tostring },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "id", netns_id },
	{ NULL, NULL },
};

void open_netns(lua_State *L)
{
	fork_watch();
	handle_type(L, NETNS, meta, methods);
	lua_pop(L, 1);
	object_functions(L, functions);
}
