/* sysfs.c -- options of a device that are files. */
#include "sysfs.h"

#include "../core.h"
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* close(2) on the way out of a failure, whose errno it keeps. */
static void close_quietly(int fd)
{
	int code = errno;

	close(fd);
	errno = code;
}

/* A sysfs of this network namespace, which /sys need not be; mounted nowhere.
 * Returns a descriptor, or -1 with an errno. Source: fsopen(2) */
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

/* Whether the device is in the network namespace of this thread, whose links a
 * sysfs shows. False with an errno. */
static bool is_here(const struct device *dev)
{
	struct stat here, there;
	int ns = ioctl(dev->handle.fd, TUNGETDEVNETNS);
	bool known;

	if (ns < 0)
		return false;
	known = fstat(ns, &there) == 0 &&
		stat("/proc/thread-self/ns/net", &here) == 0;
	close_quietly(ns);
	if (known && here.st_ino != there.st_ino)
		errno = ENOENT;
	return known && here.st_ino == there.st_ino;
}

/* Open a file of a link below a sysfs, which is closed. Returns a descriptor,
 * or -1 with an errno. */
static int sysfs_open(int root, const char *link, const char *name, int flags)
{
	char path[64 + IFNAMSIZ];
	int fd;

	if (root < 0)
		return -1;
	snprintf(path, sizeof(path), "class/net/%s/%s", link, name);
	fd = openat(root, path, flags | O_CLOEXEC);
	close_quietly(root);
	return fd;
}

/* Open the file of an option. Returns a descriptor, or -1 with an errno. */
static int option_open(const struct device *dev, const struct option *o,
		       int flags)
{
	struct ifreq ifr;

	if (!device_query(dev, &ifr) || !is_here(dev))
		return -1;
	return sysfs_open(sysfs_mount(), ifr.ifr_name, o->name, flags);
}

static int get_switch(lua_State *L, struct device *dev, const struct option *o)
{
	int fd = option_open(dev, o, O_RDONLY);
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
	int fd = option_open(dev, o, O_WRONLY);
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

/* The sysfs that is mounted for all: it may show another namespace, but then
 * hardly a link of this name and index. Returns a descriptor, or -1 with an
 * errno. */
static int sysfs_of_all(const char *link, unsigned long index)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	unsigned long there;
	int root = open("/sys", flags);

	if (root < 0)
		return -1;
	if (sysfs_number(openat(root, ".", flags), link, "ifindex", &there) &&
	    there == index)
		return root;
	close_quietly(root);
	errno = ENOENT;
	return -1;
}

/* core.kept_flags(name, index) -> set of names | nil, reason, errno
 *
 * The flags of a link of this namespace as it keeps them while nobody has it
 * open. Who attaches sets them anew. Where /sys is that of another namespace
 * they may be those of a link there with this name and index. */
static int core_kept_flags(lua_State *L)
{
	const char *name = arg_text(L, 1);
	lua_Integer index = 0;
	unsigned long flags;
	int root;

	if (!name || strlen(name) >= IFNAMSIZ)
		raise_value(L, 1, "kept_flags", "the name of a link");
	if (!arg_integer(L, 2, &index) || index < 1)
		raise_value(L, 2, "kept_flags", "the index of a link");
	root = sysfs_of_all(name, (unsigned long)index);
	if (root < 0)
		root = sysfs_mount(); /* takes milliseconds */
	if (!sysfs_number(root, name, "tun_flags", &flags))
		return fail_errno(L, "%s: tun_flags", name);
	open_push_flags(L, (unsigned int)flags);
	return 1;
}

void open_sysfs(lua_State *L)
{
	lua_pushcfunction(L, core_kept_flags);
	lua_setfield(L, -2, "kept_flags");
}
