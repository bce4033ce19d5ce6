/* device.c -- /dev/net/tun: a device, its queues, its name and flags. */
#include "device.h"

#include "../core.h"
#include "../poll.h"
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A new device takes the index that was asked for, but the loopback has this
 * one in every namespace; so with it TUNSETIFF attaches and never creates. */
#define NEVER_CREATE 1

/* What the kernel says of name and flags. */
static bool getiff(const struct device *dev, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	return ioctl(dev->fd, TUNGETIFF, ifr) == 0;
}

const char *device_name(struct device *dev)
{
	struct ifreq ifr;
	int code = errno;

	if (getiff(dev, &ifr))
		memcpy(dev->name, ifr.ifr_name, sizeof(dev->name));
	errno = code;
	return dev->name;
}

int fail_device(lua_State *L, struct device *dev)
{
	return fail_word(L) ? 3 : fail_errno(L, "%s", device_name(dev));
}

struct device *device_check(lua_State *L)
{
	struct device *dev = object_self(L);

	if (dev->fd < 0)
		raise_misuse(L, "device is closed");
	return dev;
}

/* Numbers of the virtio-net header are in native order unless a device was told
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
	if (ioctl(dev->fd, TUNGETVNETHDRSZ, &size) < 0 ||
	    ioctl(dev->fd, TUNGETVNETLE, &little) < 0)
		return false;
	/* EINVAL: a kernel that does not know it, CONFIG_TUN_VNET_CROSS_LE */
	if (ioctl(dev->fd, TUNGETVNETBE, &big) < 0 && errno != EINVAL)
		return false;
	dev->common->vnet = (size_t)size;
	dev->common->foreign = is_foreign(little, big);
	return true;
}

/* Push a device that is not open yet. */
static struct device *newdevice(lua_State *L)
{
	struct device *dev = object_new(L, DEVICE, sizeof(*dev));

	dev->fd = -1;
	dev->timeout = INFINITY;
	dev->mainthread = poll_mainthread(L);
	lua_newtable(L);
	dev->common = memset(lua_newuserdata(L, sizeof(*dev->common)), 0,
			     sizeof(*dev->common));
	lua_setfield(L, -2, "common");
	lua_setuservalue(L, -2);
	return dev;
}

static void shut(struct device *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

/* Close what could not be opened. The reason is errno; words explain it. */
static int abandon(lua_State *L, struct device *dev, const char *words)
{
	const char *name = dev->flags & IFF_TUN ? "tun%d" : "tap%d";
	int n;

	if (dev->name[0])
		name = dev->name;
	if (words)
		n = fail_errno(L, "%s: %s", name, words);
	else
		n = fail_errno(L, "%s", name);
	shut(dev);
	return n;
}

/* With a classic BPF filter to put on a queue, the kernel reports success and
 * leaves the queue unattached. */
static const char filtered[] = "has a filter; take it off, attach the queue, "
			       "and put it on again";

/* What EBUSY means when only an existing device was wanted. */
static const char *missing(const struct request *r)
{
	if (errno != EBUSY || r->index != NEVER_CREATE)
		return NULL;
	errno = ENODEV;
	return "not in this network namespace";
}

/* Open the device on top of the stack as requested. */
static int attach(lua_State *L, struct device *dev, struct request *r)
{
	struct ifreq ifr;

	memcpy(dev->name, r->ifr.ifr_name, sizeof(dev->name));
	dev->flags = r->flags;
	r->ifr.ifr_flags = (short)r->flags;
	dev->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (dev->fd < 0)
		return fail_errno(L, "/dev/net/tun");
	if (r->index && ioctl(dev->fd, TUNSETIFINDEX, &r->index) < 0)
		return abandon(L, dev, NULL);
	if (ioctl(dev->fd, TUNSETIFF, &r->ifr) < 0)
		return abandon(L, dev, missing(r));
	if (!getiff(dev, &ifr)) {
		errno = EBUSY;
		return abandon(L, dev, filtered);
	}
	memcpy(dev->name, ifr.ifr_name, sizeof(dev->name));
	return device_read_vnet(dev) ? 1 : abandon(L, dev, NULL);
}

/* core.open(options) -> device | nil, reason, errno
 *
 * options.mode is "tun" or "tap"; name and index are chosen by the kernel when
 * absent, "%d" in a name is the next free number; the others are flags, see
 * linux/if_tun.h. A name that exists attaches to that device, unless excl;
 * fresh says that none does, so that no offload is on. */
static int core_open(lua_State *L)
{
	struct request r = open_request(L);
	struct device *dev = newdevice(L);

	dev->common->known = r.fresh;
	return attach(L, dev, &r);
}

/* core.queue(device) -> device | nil, reason, errno
 *
 * Open another queue of the same multi-queue device. */
static int core_queue(lua_State *L)
{
	struct device *dev = device_check(L);
	struct request r = { .index = NEVER_CREATE };
	struct device *queue;

	if (!(dev->flags & IFF_MULTI_QUEUE))
		raise_misuse(L, "%s was not opened with multi_queue = true",
			     device_name(dev));
	if (!getiff(dev, &r.ifr))
		return fail_device(L, dev);
	r.flags = dev->flags & ~(unsigned int)IFF_TUN_EXCL;
	queue = newdevice(L);
	lua_getuservalue(L, 1);
	lua_setuservalue(L, -2);
	queue->common = dev->common;
	return attach(L, queue, &r);
}

/* core.features() -> set of names | nil, reason, errno
 *
 * The flags that the driver knows, asked of /dev/net/tun without a device. */
static int core_features(lua_State *L)
{
	struct device *dev = newdevice(L);
	unsigned int flags;
	int n;

	dev->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (dev->fd < 0 || ioctl(dev->fd, TUNGETFEATURES, &flags) < 0) {
		n = fail_errno(L, "/dev/net/tun");
	} else {
		open_push_flags(L, flags);
		n = 1;
	}
	shut(dev);
	return n;
}

/* Attach or detach the queue. */
static int setqueue(lua_State *L, unsigned int flag)
{
	struct device *dev = device_check(L);
	struct ifreq ifr = { .ifr_flags = (short)flag };

	if (ioctl(dev->fd, TUNSETQUEUE, &ifr) < 0)
		return fail_device(L, dev);
	if (getiff(dev, &ifr) && flag == IFF_ATTACH_QUEUE &&
	    ifr.ifr_flags & IFF_DETACH_QUEUE) {
		errno = EBUSY;
		return fail_errno(L, "%s: %s", device_name(dev), filtered);
	}
	lua_pushboolean(L, true);
	return 1;
}

/* dev:attach() -> true | nil, reason, errno: let a queue carry packets again */
static int device_attach(lua_State *L)
{
	return setqueue(L, IFF_ATTACH_QUEUE);
}

/* dev:detach() -> true | nil, reason, errno: keep a queue without packets */
static int device_detach(lua_State *L)
{
	return setqueue(L, IFF_DETACH_QUEUE);
}

/* dev:name() -> name at present | nil, "deleted", EBADFD */
static int device_method_name(lua_State *L)
{
	struct device *dev = device_check(L);
	struct ifreq ifr;

	if (!getiff(dev, &ifr))
		return fail_device(L, dev);
	lua_pushstring(L, ifr.ifr_name);
	return 1;
}

/* dev:flags() -> set of names | nil, "deleted", EBADFD
 *
 * In TUNGETIFF the bit of no_pi means "no filter" too, so for that one the
 * device answers what it was opened with. */
static int device_flags(lua_State *L)
{
	struct device *dev = device_check(L);
	unsigned int flags;
	struct ifreq ifr;

	if (!getiff(dev, &ifr))
		return fail_device(L, dev);
	flags = (unsigned short)ifr.ifr_flags & ~(unsigned int)IFF_NO_PI;
	open_push_flags(L, flags | (dev->flags & IFF_NO_PI));
	return 1;
}

/* dev:fd() -> descriptor, lent; -1 when closed */
static int device_fd(lua_State *L)
{
	const struct device *dev = object_self(L);

	lua_pushinteger(L, dev->fd);
	return 1;
}

/* dev:close() -> true; the device goes with its last descriptor unless it is
 * persistent */
static int device_close(lua_State *L)
{
	shut(object_self(L));
	lua_pushboolean(L, true);
	return 1;
}

/* dev:getfd() -> as fd(), but 0 when closed: LuaSocket's select() asks only an
 * object that has a descriptor whether it is dirty, and then leaves the
 * descriptor alone. So a loop over select() wakes who waits for a closed one.
 */
static int device_getfd(lua_State *L)
{
	const struct device *dev = object_self(L);

	lua_pushinteger(L, dev->fd < 0 ? 0 : dev->fd);
	return 1;
}

/* dev:dirty() -> true when closed, so that a waiting select() wakes */
static int device_dirty(lua_State *L)
{
	const struct device *dev = object_self(L);

	lua_pushboolean(L, dev->fd < 0);
	return 1;
}

/* dev:events() -> "r", what cqueues waits for on it */
static int device_events(lua_State *L)
{
	object_self(L);
	lua_pushliteral(L, "r");
	return 1;
}

/* dev:timeout() -> nil, for cqueues; 0 when closed: there is nothing to wait
 * for, and read() tells why */
static int device_timeout(lua_State *L)
{
	const struct device *dev = object_self(L);

	if (dev->fd < 0)
		lua_pushinteger(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

/* dev:settimeout(seconds) -> true
 *
 * How long receive() waits; for ever when nil or negative, as in LuaSocket. */
static int device_settimeout(lua_State *L)
{
	struct device *dev = object_self(L);
	double seconds = arg_seconds(L, 2);

	dev->timeout = lua_tonumber(L, 2) < 0 ? INFINITY : seconds;
	lua_pushboolean(L, true);
	return 1;
}

static const luaL_Reg meta[] = {
	{ "__gc", device_close },
	{ "__close", device_close },
	{ NULL, NULL },
};

/* getfd and dirty are what LuaSocket and copas look for, pollfd, events and
 * timeout what cqueues does. */
static const luaL_Reg methods[] = {
	{ "attach", device_attach },
	{ "detach", device_detach },
	{ "name", device_method_name },
	{ "flags", device_flags },
	{ "fd", device_fd },
	{ "getfd", device_getfd },
	{ "pollfd", device_fd },
	{ "close", device_close },
	{ "dirty", device_dirty },
	{ "events", device_events },
	{ "timeout", device_timeout },
	{ "settimeout", device_settimeout },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "open", core_open },
	{ "queue", core_queue },
	{ "features", core_features },
	{ NULL, NULL },
};

void open_device(lua_State *L)
{
	object_type(L, DEVICE, meta, methods);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "device");
	object_methods(L, lua_gettop(L) - 1, functions);
}
