/* sysfs.c -- options of a device that are files. */
#include "sysfs.h"

#include "../core.h"
#include "../handle.h"
#include "../netns.h"
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYSFS "tun.sysfs"

/* close(2) on the way out of a failure, whose errno it keeps. */
static void close_quietly(int fd)
{
	int code = errno;

	close(fd);
	errno = code;
}

/* A sysfs of the network namespace of this thread, which /sys need not be;
 * mounted nowhere. It keeps no namespace alive. Returns a descriptor, or -1
 * with an errno. Source: fsopen(2) */
static int sysfs_mount(void)
{
	int fs = (int)syscall(SYS_fsopen, "sysfs", FSOPEN_CLOEXEC);
	int root = -1;

	if (fs < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close_quietly(fs);
	return root;
}

static const struct handle_kind sysfs_kind = { .noun = "sysfs" };

/* core.sysfs(ns) -> sysfs | nil, reason, errno
 *
 * What of links is files, in the network namespace of a descriptor or of this
 * thread. Who may not mount one, or has a kernel without fsopen(2), gets the
 * one that is mounted for all, which may be of another namespace. To unmount it
 * takes the kernel milliseconds. */
static int core_sysfs(lua_State *L)
{
	int ns = netns_arg(L, 1);
	struct handle *sysfs =
		handle_new(L, SYSFS, sizeof(*sysfs), &sysfs_kind);

	sysfs->fd = netns_open(L, ns, sysfs_mount);
	if (sysfs->fd < 0 && (errno == EPERM || errno == ENOSYS))
		sysfs->fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return sysfs->fd < 0 ? fail_errno(L, "/sys") : 1;
}

/* Open a file of a link below a sysfs. Returns a descriptor, or -1 with an
 * errno. */
static int sysfs_open(int root, const char *link, const char *name, int flags)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "class/net/%s/%s", link, name);
	return openat(root, path, flags | O_CLOEXEC);
}

/* Read a number that is a file of a link. False with an errno. */
static bool sysfs_number(int root, const char *link, const char *name,
			 unsigned long *number)
{
	int fd = sysfs_open(root, link, name, O_RDONLY);
	char text[32];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	*number = strtoul(text, NULL, 0);
	return true;
}

/* Whether the link of that name has that index: it is not another's. False with
 * an errno. */
static bool sysfs_has(int root, const char *link, unsigned long index)
{
	unsigned long there = 0;

	if (!sysfs_number(root, link, "ifindex", &there))
		return false;
	errno = ENOENT;
	return there == index;
}

/* Arguments as a sysfs, by its descriptor, and the index of a link in it. */
static int sysfs_arg(lua_State *L, int at, const char *what,
		     unsigned long *index)
{
	lua_Integer fd, number;

	if (!arg_integer(L, at, &fd) || fd < 0 || fd > INT_MAX)
		raise_value(L, at, what, "the descriptor of a sysfs");
	if (!arg_integer(L, at + 1, &number) || number < 1)
		raise_value(L, at + 1, what, "the index of a link");
	*index = (unsigned long)number;
	return (int)fd;
}

/* Open the file of an option. Returns a descriptor, or -1 with an errno. */
static int option_open(lua_State *L, const struct device *dev,
		       const struct option *o, int at, int flags)
{
	unsigned long index;
	int root = sysfs_arg(L, at, o->name, &index);
	struct ifreq ifr;

	if (!device_query(dev, &ifr) || !sysfs_has(root, ifr.ifr_name, index))
		return -1;
	return sysfs_open(root, ifr.ifr_name, o->name, flags);
}

static int get_switch(lua_State *L, struct device *dev, const struct option *o)
{
	int fd = option_open(L, dev, o, 3, O_RDONLY);
	char text[2] = "";
	ssize_t n;

	if (fd < 0)
		return fail_option(L, dev, o);
	n = read(fd, text, 1);
	close_quietly(fd);
	if (n < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, *text == '1');
	return 1;
}

static int set_switch(lua_State *L, struct device *dev, const struct option *o)
{
	const char *text = codec_boolean(L, o) ? "1" : "0";
	int fd = option_open(L, dev, o, 4, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fail_option(L, dev, o);
	n = write(fd, text, 1);
	close_quietly(fd);
	if (n < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

const struct codec as_switch = { "boolean", get_switch, set_switch };

/* core.kept_flags(sysfs, index, name) -> set of names | nil, reason, errno
 *
 * The flags of a link as it keeps them while nobody has it open. Who attaches
 * sets them anew. */
static int core_kept_flags(lua_State *L)
{
	unsigned long index, flags;
	int root = sysfs_arg(L, 1, "kept_flags", &index);
	const char *name = arg_text(L, 3);

	if (!name || strlen(name) >= IFNAMSIZ)
		raise_value(L, 3, "kept_flags", "the name of a link");
	if (!sysfs_has(root, name, index) ||
	    !sysfs_number(root, name, "tun_flags", &flags))
		return fail_errno(L, "%s: tun_flags", name);
	open_push_flags(L, (unsigned int)flags);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "sysfs", core_sysfs },
	{ "kept_flags", core_kept_flags },
	{ NULL, NULL },
};

void open_sysfs(lua_State *L)
{
	handle_type(L, SYSFS, NULL, NULL);
	lua_pop(L, 1);
	object_functions(L, functions);
}
