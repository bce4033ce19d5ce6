/* ifname.c -- interface names and indexes, in the namespace of a socket. */
#include "ifname.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

void ifnames_clear(struct ifnames *names)
{
	memset(names->slots, 0, sizeof(names->slots));
}

const char *ifnames_name(struct ifnames *names, int index)
{
	struct ifreq ifr = { .ifr_ifindex = index };
	unsigned int slot = (unsigned int)index % IFNAMES_SLOTS;

	if (names->slots[slot].index != index || index == 0) {
		if (ioctl(names->fd, SIOCGIFNAME, &ifr) < 0)
			return NULL;
		names->slots[slot].index = index;
		memcpy(names->slots[slot].name, ifr.ifr_name, IFNAMSIZ);
	}
	return names->slots[slot].name;
}

int ifnames_index(struct ifnames *names, const char *name)
{
	struct ifreq ifr = { 0 };
	size_t len = strlen(name);

	/* The kernel would take "lo:1" for "lo". */
	if (len == 0 || len >= IFNAMSIZ || strchr(name, ':')) {
		errno = ENODEV;
		return 0;
	}
	memcpy(ifr.ifr_name, name, len);
	return ioctl(names->fd, SIOCGIFINDEX, &ifr) < 0 ? 0 : ifr.ifr_ifindex;
}
