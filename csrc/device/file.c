/* file.c -- /dev/net/tun as a file, and who has it open: for the words of what
 * failed. */
#include "file.h"

#include "../core.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/major.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TUN_MINOR 200 /* linux/miscdevice.h of the kernel */

static const char *file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "plain file";
	case S_IFDIR:
		return "directory";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "file";
	}
}

/* Set the number of a device in the table on top of the stack. */
static void set_number(lua_State *L, const struct stat *file)
{
	if (!S_ISCHR(file->st_mode) && !S_ISBLK(file->st_mode))
		return;
	lua_pushfstring(L, "%d:%d", (int)major(file->st_rdev),
			(int)minor(file->st_rdev));
	lua_setfield(L, -2, "number");
}

/* The nearest folder above the file that is where its file system begins. */
static const char *mount_of(const struct stat *file)
{
	static const char *const above[] = { "/dev/net", "/dev", "/" };
	struct stat folder;
	size_t i;

	for (i = 0; i + 1 < LENGTH(above); i++)
		if (stat(above[i + 1], &folder) == 0 &&
		    folder.st_dev != file->st_dev)
			break;
	return above[i];
}

/* core.device_file() -> { type = words, or nil when there is none; is_right =
 * whether it is that of the driver; number = of a device; nodev, mount } */
static int core_device_file(lua_State *L)
{
	struct statvfs system = { 0 };
	struct stat file;

	lua_newtable(L);
	if (stat(DEVICE_FILE, &file) < 0)
		return 1;
	lua_pushstring(L, file_type(file.st_mode));
	lua_setfield(L, -2, "type");
	lua_pushboolean(L,
			S_ISCHR(file.st_mode) &&
				file.st_rdev == makedev(MISC_MAJOR, TUN_MINOR));
	lua_setfield(L, -2, "is_right");
	set_number(L, &file);
	lua_pushboolean(L, statvfs(DEVICE_FILE, &system) == 0 &&
				   system.f_flag & ST_NODEV);
	lua_setfield(L, -2, "nodev");
	lua_pushstring(L, mount_of(&file));
	lua_setfield(L, -2, "mount");
	return 1;
}

/* -- Who has it open ------------------------------------------------------- */

/* Read the begin of a file as text. Returns its length; 0 when it cannot be
 * read. */
static size_t read_text(int folder, const char *name, char *text, size_t size)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The next entry of a folder that is a number; NULL behind the last. */
static const char *next_number(DIR *folder)
{
	struct dirent *entry;

	while ((entry = readdir(folder)))
		if (isdigit((unsigned char)*entry->d_name))
			return entry->d_name;
	return NULL;
}

/* Whether a process, by its folder in /proc, has the device of a line "iff:"
 * open. */
static bool holds(int process, const char *line)
{
	int fd = openat(process, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const char *name;
	char text[512];
	bool found = false;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (name = next_number(folder)))
		found = read_text(dirfd(folder), name, text, sizeof(text)) &&
			strstr(text, line);
	closedir(folder);
	return found;
}

/* Whether a process is in the network namespace of this thread. */
static bool is_here(int process)
{
	struct stat here, there;

	return stat("/proc/thread-self/ns/net", &here) == 0 &&
	       fstatat(process, "ns/net", &there, 0) == 0 &&
	       here.st_ino == there.st_ino;
}

/* Push words for a process. */
static void push_process(lua_State *L, int process, const char *pid)
{
	char comm[32];
	size_t n = read_text(process, "comm", comm, sizeof(comm));

	if (n && comm[n - 1] == '\n')
		comm[n - 1] = '\0';
	lua_pushfstring(L, "process %s (%s)", pid, comm);
}

/* core.holder(name) -> "process 123 (lua)" | nil
 *
 * The first process in this network namespace that has a device of that name
 * open, of those whose descriptors this user may see. Source:
 * drivers/net/tun.c, tun_chr_show_fdinfo() */
static int core_holder(lua_State *L)
{
	const char *name = arg_text(L, 1), *pid;
	char line[IFNAMSIZ + 8];
	bool found = false;
	DIR *all;
	int fd;

	if (!name || strlen(name) >= IFNAMSIZ)
		raise_value(L, 1, "holder", "the name of a link");
	snprintf(line, sizeof(line), "iff:\t%s\n", name);
	all = opendir("/proc");
	while (all && !found && (pid = next_number(all))) {
		fd = openat(dirfd(all), pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		found = is_here(fd) && holds(fd, line);
		if (found)
			push_process(L, fd, pid);
		close(fd);
	}
	if (all)
		closedir(all);
	return found;
}

static const luaL_Reg functions[] = {
	{ "device_file", core_device_file },
	{ "holder", core_holder },
	{ NULL, NULL },
};

void open_device_file(lua_State *L)
{
	object_functions(L, functions);
}
