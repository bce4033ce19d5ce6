/* sysfs.c -- options of a device that are files. */
#include "sysfs.h"

#include "../core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <stdio.h>
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

/* Open the file of an option. Returns a descriptor, or -1 with an errno. */
static int sysfs_open(const struct device *dev, const struct option *o,
		      int flags)
{
	char path[64 + IFNAMSIZ];
	struct ifreq ifr;
	int root, fd;

	if (!device_query(dev, &ifr) || !is_here(dev))
		return -1;
	root = sysfs_mount();
	if (root < 0)
		return -1;
	snprintf(path, sizeof(path), "class/net/%s/%s", ifr.ifr_name, o->name);
	fd = openat(root, path, flags | O_CLOEXEC);
	close_quietly(root);
	return fd;
}

static int get_switch(lua_State *L, struct device *dev, const struct option *o)
{
	int fd = sysfs_open(dev, o, O_RDONLY);
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
	int fd = sysfs_open(dev, o, O_WRONLY);
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
