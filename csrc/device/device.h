/* device.h -- a TUN/TAP device as its three files share it. */
#ifndef TUN_DEVICE_DEVICE_H
#define TUN_DEVICE_DEVICE_H

#include <lua.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define DEVICE "tun.device"

/* Bytes of the virtio-net header that the kernel takes, and that we allow. */
enum { VNET_MIN = 10, VNET_MAX = 256 };

/* What is the same for all queues of a device: known to those that stem from
 * one core.open(), and to the kernel for all. */
struct common {
	size_t vnet;	      /* bytes of the virtio-net header; 0: none */
	unsigned int offload; /* TUN_F_* as last set through one of them */
	bool known;	      /* whether offload is what the kernel has */
	bool coalesce;	      /* whether sending joins consecutive segments */
	bool foreign;	      /* its numbers are not in our byte order */
};

struct device {
	int fd;		       /* -1 when closed */
	unsigned int flags;    /* as asked of TUNSETIFF */
	double timeout;	       /* of receive(), in seconds */
	lua_State *mainthread; /* for poll_interrupt() */
	char name[IFNAMSIZ];   /* the last one known, for messages */
	struct common *common; /* is in the table that the object has */
};

/* Argument 1 as a device, which must be open. */
struct device *device_check(lua_State *L);

/* The present name, or the last one known. Keeps errno. */
const char *device_name(struct device *dev);

/* Learn from the kernel what the virtio-net header is. False with an errno, and
 * what was known stays. */
bool device_read_vnet(struct device *dev);

/* Push nil, reason and errno of a failed call on the device. Returns 3. */
int fail_device(lua_State *L, struct device *dev);

#endif
