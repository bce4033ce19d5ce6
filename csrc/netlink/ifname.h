/* ifname.h -- interface names and indexes, in the namespace of a socket. */
#ifndef TUN_NETLINK_IFNAME_H
#define TUN_NETLINK_IFNAME_H

#include <net/if.h>

#pragma GCC visibility push(hidden)

enum { IFNAMES_SLOTS = 64 };

/* A small cache of names, for the length of one request or dump. */
struct ifnames {
	int fd; /* any socket of the namespace */
	struct {
		int index;
		char name[IFNAMSIZ];
	} slots[IFNAMES_SLOTS];
};

/* Forget all names: interfaces are renamed. */
void ifnames_clear(struct ifnames *names);

/* The name of an interface, good until the next call; NULL and errno. */
const char *ifnames_name(struct ifnames *names, int index);

/* The index of an interface; 0 and errno. */
int ifnames_index(struct ifnames *names, const char *name);

#pragma GCC visibility pop

#endif
