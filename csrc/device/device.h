/* device.h -- a TUN/TAP device as its three files share it. */
#ifndef TUN_DEVICE_DEVICE_H
#define TUN_DEVICE_DEVICE_H

#include "../handle.h"

#include <lua.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

#define DEVICE "tun.device"

/* Bytes of the virtio-net header that the kernel takes, and that we allow. It
 * has no upper bound itself (TUNSETVNETHDRSZ), and another process may set it.
 */
enum { VNET_MIN = 10, VNET_MAX = 256 };

/* What is the same for all queues of a device: known to those that stem from
 * one core.open(), and to the kernel for all. */
struct common {
	size_t vnet; /* bytes of the virtio-net header, as the kernel says,
			which may be more than VNET_MAX; 0: none */
	unsigned int offload; /* TUN_F_* as last set or read */
	bool coalesce;	      /* whether sending joins consecutive segments */
	bool foreign;	      /* its numbers are not in our byte order */
};

struct device {
	struct handle handle;
	unsigned int flags;    /* as asked of TUNSETIFF */
	char name[IFNAMSIZ];   /* the last one known, for messages */
	struct common *common; /* is in the table that the object has */
};

/* Ask the kernel for the name and the flags. False with an errno. Source:
 * drivers/net/tun.c, TUNGETIFF */
bool device_query(const struct device *dev, struct ifreq *ifr);

/* The present name, or the last one known. Keeps errno. */
const char *device_name(struct device *dev);

/* Learn from the kernel what the virtio-net header is. False with an errno, and
 * what was known stays. */
bool device_read_vnet(struct device *dev);

/* Push nil, reason and errno of a failed call on the device. Returns 3. */
int fail_device(lua_State *L, struct device *dev);

/* Add core.open, core.queue, core.features and the type core.device to the
 * module table on top of the stack. */
void open_device(lua_State *L);

#pragma GCC visibility pop

#endif
