/* path.h -- where in a request something stands, as keys: "vlan.egress_qos". */
#ifndef TUN_NETLINK_PATH_H
#define TUN_NETLINK_PATH_H

#include "schema.h"

#include <linux/netlink.h>

#pragma GCC visibility push(hidden)

/* Add ".key" to a path, as far as there is room. */
void path_add(char *path, size_t size, const char *key);

/* Write the key path of the attribute at an offset of a request of ours; of
 * the nest there and the type missing in it where missing is not 0. */
void path_of(const struct object *o, const struct nlmsghdr *nlh,
	     unsigned int offset, unsigned int missing, char *path,
	     size_t size);

#pragma GCC visibility pop

#endif
