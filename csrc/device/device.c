/* device.c -- /dev/net/tun: a device, its queues, its name and flags. */
#include "device.h"

#include "../core.h"
#include "../netns.h"
#include "../poll.h"
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A new device takes the index that was asked for, but the loopback has this
 * one in every namespace; so with it TUNSETIFF attaches and never creates, and
 * fails with EBUSY when there is nothing to attach to. */
#define NEVER_CREATE 1

bool device_query(const struct device *dev, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	return ioctl(dev->handle.fd, TUNGETIFF, ifr) == 0;
}

const char *device_name(struct device *dev)
{
	struct ifreq ifr;
	int code = errno;

	if (device_query(dev, &ifr))
		memcpy(dev->name, ifr.ifr_name, sizeof(dev->name));
	errno = code;
	return dev->name;
}

int fail_device(lua_State *L, struct device *dev)
{
	return fail_word(L) ? 3 : fail_errno(L, "%s", device_name(dev));
}

/* Numbers of the virtio-net header are in native order unless a device was set
 * otherwise. Source: drivers/net/tun_vnet.h, tun_vnet_is_little_endian(). */
static bool is_foreign(int little, int big)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return big && !little;
#else
	(void)big;
	return little;
#endif
}

bool device_read_vnet(struct device *dev)
{
	int size = 0, little = 0, big = 0;

	if (!(dev->flags & IFF_VNET_HDR))
		return true;
	if (ioctl(dev->handle.fd, TUNGETVNETHDRSZ, &size) < 0 ||
	    ioctl(dev->handle.fd, TUNGETVNETLE, &little) < 0)
		return false;
	/* EINVAL: a kernel that does not know it, CONFIG_TUN_VNET_CROSS_LE */
	if (ioctl(dev->handle.fd, TUNGETVNETBE, &big) < 0 && errno != EINVAL)
		return false;
	dev->common->vnet = (size_t)size;
	dev->common->foreign = is_foreign(little, big);
	return true;
}

static const struct handle_kind device_kind = { .noun = "device" };

/* Push a device that is not open yet. */
static struct device *device_new(lua_State *L)
{
	struct device *dev = handle_new(L, DEVICE, sizeof(*dev), &device_kind);

	lua_newtable(L);
	dev->common = memset(lua_newuserdata(L, sizeof(*dev->common)), 0,
			     sizeof(*dev->common));
	lua_setfield(L, -2, "common");
	lua_setuservalue(L, -2);
	return dev;
}

static int open_file(void)
{
	return open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

/* Close what could not be opened. The reason is errno; words, or NULL, explain
 * it. */
static int fail_open(lua_State *L, struct device *dev, const char *words)
{
	const char *name = dev->flags & IFF_TUN ? "tun%d" : "tap%d";

	handle_close(&dev->handle);
	if (dev->name[0])
		name = dev->name;
	return words ? fail_errno(L, "%s: %s", name, words)
		     : fail_errno(L, "%s", name);
}

/* With a classic BPF filter to put on a queue, the kernel reports success and
 * leaves the queue unattached. */
static const char has_filter[] = "has a filter; take it off, attach the queue, "
				 "and put it on again";

/* Attach the device on top of the stack as requested, in the network namespace
 * of a descriptor, or of this thread when that is -1. While another queue is
 * attached, the device keeps its own virtio-net header or has none, whatever is
 * asked for. Source: drivers/net/tun.c, tun_set_iff() */
static int device_attach(lua_State *L, struct device *dev, struct request *r,
			 int ns)
{
	struct ifreq ifr;

	memcpy(dev->name, r->ifr.ifr_name, sizeof(dev->name));
	dev->flags = r->flags;
	r->ifr.ifr_flags = (short)r->flags;
	dev->handle.fd = netns_open(L, ns, open_file);
	if (dev->handle.fd < 0)
		return fail_errno(L, "/dev/net/tun");
	if (r->index && ioctl(dev->handle.fd, TUNSETIFINDEX, &r->index) < 0)
		return fail_open(L, dev, NULL);
	if (ioctl(dev->handle.fd, TUNSETIFF, &r->ifr) < 0) {
		if (errno != EBUSY || r->index != NEVER_CREATE)
			return fail_open(L, dev, NULL);
		errno = ENODEV;
		return fail_open(L, dev, "not in this network namespace");
	}
	if (!device_query(dev, &ifr)) {
		errno = EBUSY;
		return fail_open(L, dev, has_filter);
	}
	memcpy(dev->name, ifr.ifr_name, sizeof(dev->name));
	if (!(ifr.ifr_flags & IFF_VNET_HDR) != !(dev->flags & IFF_VNET_HDR))
		dev->flags ^= IFF_VNET_HDR;
	return device_read_vnet(dev) ? 1 : fail_open(L, dev, NULL);
}

/* core.newdevice() -> a device that is closed, for core.open */
static int core_newdevice(lua_State *L)
{
	device_new(L);
	return 1;
}

/* Push a device to open: argument 2, which goes below argument 1, or a new one.
 */
static struct device *device_to_open(lua_State *L)
{
	struct device *dev;

	if (lua_isnoneornil(L, 2))
		return device_new(L);
	lua_settop(L, 2);
	lua_insert(L, 1);
	dev = object_self(L);
	if (dev->handle.fd >= 0)
		raise_misuse(L, "%s is open already", device_name(dev));
	lua_pushvalue(L, 1);
	return dev;
}

/* core.open(options [, device]) -> device | nil, reason, errno
 *
 * options.mode is "tun" or "tap"; name and index are chosen by the kernel when
 * absent, "%d" in a name is the next free number; the others are flags, see
 * linux/if_tun.h. A name that exists attaches to that device, unless excl.
 *
 * device: one of core.newdevice() that is closed, in which it is opened. Then
 * no memory of Lua is needed, unless it fails. */
static int core_open(lua_State *L)
{
	struct request r = open_request(L);

	return device_attach(L, device_to_open(L), &r, -1);
}

/* core.queue(device, ns) -> device | nil, reason, errno
 *
 * Open another queue of the same multi-queue device, which is in the network
 * namespace of the descriptor ns, or of this thread when it is nil. */
static int core_queue(lua_State *L)
{
	struct device *dev = handle_check(L);
	struct request r = { .index = NEVER_CREATE };
	int ns = netns_arg(L, 2);
	struct device *queue;

	if (!(dev->flags & IFF_MULTI_QUEUE))
		raise_misuse(L, "%s was not opened with multi_queue = true",
			     device_name(dev));
	if (!device_query(dev, &r.ifr))
		return fail_device(L, dev);
	r.flags = dev->flags & ~(unsigned int)IFF_TUN_EXCL;
	queue = device_new(L);
	lua_getuservalue(L, 1);
	lua_setuservalue(L, -2);
	queue->common = dev->common;
	return device_attach(L, queue, &r, ns);
}

/* core.features() -> set of names | nil, reason, errno
 *
 * The flags that the driver knows, asked of /dev/net/tun without a device. */
static int core_features(lua_State *L)
{
	struct device *dev = device_new(L);
	unsigned int flags = 0;
	bool known;

	dev->handle.fd = open_file();
	known = dev->handle.fd >= 0 &&
		ioctl(dev->handle.fd, TUNGETFEATURES, &flags) == 0;
	handle_close(&dev->handle);
	if (!known)
		return fail_errno(L, "/dev/net/tun");
	open_push_flags(L, flags);
	return 1;
}

/* Attach or detach the queue. */
static int device_set_queue(lua_State *L, unsigned int flag)
{
	struct device *dev = handle_check(L);
	struct ifreq ifr;

	if (!device_query(dev, &ifr))
		return fail_device(L, dev);
	ifr.ifr_flags = (short)flag;
	if (ioctl(dev->handle.fd, TUNSETQUEUE, &ifr) < 0)
		return fail_device(L, dev);
	if (device_query(dev, &ifr) && flag == IFF_ATTACH_QUEUE &&
	    ifr.ifr_flags & IFF_DETACH_QUEUE) {
		errno = EBUSY;
		return fail_errno(L, "%s: %s", device_name(dev), has_filter);
	}
	lua_pushboolean(L, true);
	return 1;
}

/* dev:attach() -> true | nil, reason, errno: let a queue carry packets again */
static int device_method_attach(lua_State *L)
{
	return device_set_queue(L, IFF_ATTACH_QUEUE);
}

/* dev:detach() -> true | nil, reason, errno: keep a queue without packets */
static int device_method_detach(lua_State *L)
{
	return device_set_queue(L, IFF_DETACH_QUEUE);
}

/* dev:name() -> name at present | nil, "deleted", EBADFD */
static int device_method_name(lua_State *L)
{
	struct device *dev = handle_check(L);
	struct ifreq ifr;

	if (!device_query(dev, &ifr))
		return fail_device(L, dev);
	lua_pushstring(L, ifr.ifr_name);
	return 1;
}

/* dev:flags() -> set of names | nil, "deleted", EBADFD
 *
 * In TUNGETIFF the bit of no_pi means "no filter" too, so for that one the
 * device answers what it was opened with. */
static int device_method_flags(lua_State *L)
{
	struct device *dev = handle_check(L);
	unsigned int flags;
	struct ifreq ifr;

	if (!device_query(dev, &ifr))
		return fail_device(L, dev);
	flags = (unsigned short)ifr.ifr_flags & ~(unsigned int)IFF_NO_PI;
	open_push_flags(L, flags | (dev->flags & IFF_NO_PI));
	return 1;
}

static const luaL_Reg methods[] = {
	{ "attach", device_method_attach },
	{ "detach", device_method_detach },
	{ "name", device_method_name },
	{ "flags", device_method_flags },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "newdevice", core_newdevice },
	{ "open", core_open },
	{ "queue", core_queue },
	{ "features", core_features },
	{ NULL, NULL },
};

void open_device(lua_State *L)
{
	handle_type(L, DEVICE, NULL, methods);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "device");
	object_methods(L, lua_gettop(L) - 1, functions);
}
