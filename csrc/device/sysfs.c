/* sysfs.c -- what of a device neither an ioctl nor netlink tells. */
#include "../core.h"
#include "device.h"
#include "option.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sysfs of this network namespace, which /sys need not be; mounted nowhere.
 * Returns a descriptor, or -1 with an errno. Source: fsopen(2) */
static int opensysfs(void)
{
	int fs = (int)syscall(SYS_fsopen, "sysfs", FSOPEN_CLOEXEC);
	int root = -1, code;

	if (fs < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	code = errno;
	close(fs);
	errno = code;
	return root;
}

/* Open the file of an option. Returns a descriptor, or -1 with an errno. */
static int openfile(struct device *dev, const struct option *o, int flags)
{
	int root = opensysfs(), fd, code;
	char path[64 + IFNAMSIZ];

	if (root < 0)
		return -1;
	snprintf(path, sizeof(path), "class/net/%s/%s", device_name(dev),
		 o->name);
	fd = openat(root, path, flags | O_CLOEXEC);
	code = errno;
	close(root);
	errno = code;
	return fd;
}

static int get_switch(lua_State *L, struct device *dev, const struct option *o)
{
	int fd = openfile(dev, o, O_RDONLY);
	char text[2] = "";
	ssize_t n;

	if (fd < 0)
		return fail_option(L, dev, o);
	n = read(fd, text, 1);
	close(fd);
	if (n < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, *text == '1');
	return 1;
}

static int set_switch(lua_State *L, struct device *dev, const struct option *o)
{
	int fd, code;
	ssize_t n;

	if (!lua_isboolean(L, 3))
		raise_value(L, 3, o->name, "true or false");
	fd = openfile(dev, o, O_WRONLY);
	if (fd < 0)
		return fail_option(L, dev, o);
	n = write(fd, lua_toboolean(L, 3) ? "1" : "0", 1);
	code = errno;
	close(fd);
	errno = code;
	if (n < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

const struct codec as_switch = { "boolean", get_switch, set_switch };
