/* io.c -- packets in and out of a device, one at a time, as strings or in
 * an arena. */
#include "io.h"

#include "../batch/arena.h"
#include "../core.h"
#include "../poll.h"
#include "batch.h"
#include "device.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The longest packet there can be, and one byte more to notice that it was
 * not: packet information, virtio-net header, Ethernet header, two VLAN tags,
 * the highest MTU. */
enum {
	PI_SIZE = sizeof(struct tun_pi),
	ROOM = FRONT_MOST + ETH_HLEN + 2 * 4 + 65535 + 1,
};

/* Read one packet, and wait only when there is none. Returns 0, or how many
 * values of a failure it pushed. */
static int device_read_packet(lua_State *L, struct device *dev, void *packet,
			      size_t room, double seconds, size_t *size)
{
	double until = 0;
	ssize_t n;

	poll_interrupt(L, dev->handle.mainthread);
	while ((n = read(dev->handle.fd, packet, room)) < 0) {
		if (!poll_retry(L, dev->handle.fd, seconds, &until))
			return fail_device(L, dev);
	}
	*size = (size_t)n;
	if (*size < room)
		return 0;
	errno = EMSGSIZE;
	return fail_errno(L, "%s", device_name(dev));
}

static int device_push_packet(lua_State *L, struct device *dev, double seconds)
{
	char packet[ROOM];
	size_t n = 0;
	int failed =
		device_read_packet(L, dev, packet, sizeof(packet), seconds, &n);

	if (failed)
		return failed;
	lua_pushlstring(L, packet, n);
	return 1;
}

/* dev:read(timeout) -> bytes | nil, reason, errno
 *
 * The next packet, with the headers that the device's flags say. Waits for
 * timeout seconds, 0 for not at all, nil for ever. */
static int device_read(lua_State *L)
{
	struct device *dev = object_self(L);

	return device_push_packet(L, dev, arg_seconds(L, 2));
}

/* dev:receive() -> bytes | nil, reason, errno
 *
 * As read(), with the timeout of settimeout(). Sizes, which LuaSocket and
 * copas pass, do not matter: a packet comes whole. A batch takes as many
 * packets as there are, see device_batch_receive(). */
static int device_receive(lua_State *L)
{
	struct device *dev = object_self(L);
	struct batch *batch = batch_to(L, 2);

	poll_interrupt(L, dev->handle.mainthread);
	return batch ? device_batch_receive(L, dev, batch)
		     : device_push_packet(L, dev, dev->handle.timeout);
}

/* What EINVAL means for a packet, of the many things that it may; or NULL. */
static const char *invalid_reason(const struct device *dev, const char *packet,
				  size_t n)
{
	size_t headers = dev->flags & IFF_NO_PI ? 0 : PI_SIZE;
	int version, vnet = 0;

	if (dev->flags & IFF_VNET_HDR)
		ioctl(dev->handle.fd, TUNGETVNETHDRSZ, &vnet);
	headers += (size_t)vnet;
	if (n == 0)
		return "an empty packet";
	if (n <= headers)
		return "headers without a packet behind them";
	if (dev->flags & IFF_TAP && n - headers < ETH_HLEN)
		return "shorter than an Ethernet header";
	version = packet[headers] >> 4 & 0xf;
	if ((dev->flags & (IFF_TAP | IFF_NO_PI)) == IFF_NO_PI && version != 4 &&
	    version != 6)
		return "neither IPv4 nor IPv6 by its first four bits";
	if (vnet)
		return "the virtio-net header does not fit the packet";
	return NULL;
}

static int device_write_packet(lua_State *L, struct device *dev,
			       const char *packet, size_t n)
{
	const char *words;

	if (write(dev->handle.fd, packet, n) >= 0)
		return 0;
	if (errno != EINVAL)
		return fail_device(L, dev);
	words = invalid_reason(dev, packet, n);
	errno = EINVAL;
	return words ? fail_errno(L, "%s: %s", device_name(dev), words)
		     : fail_device(L, dev);
}

/* Argument as bytes. */
static const char *check_bytes(lua_State *L, int at, size_t *n)
{
	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "packet", "a string");
	return lua_tolstring(L, at, n);
}

/* Write arguments 2 and up as one packet: a copy, as writev(2) is slower. */
static int device_write_parts(lua_State *L, struct device *dev)
{
	int i, top = lua_gettop(L);
	char packet[ROOM];
	const char *part;
	size_t size, n = 0;

	for (i = 2; i <= top; i++) {
		part = check_bytes(L, i, &size);
		if (size > sizeof(packet) - n) {
			errno = EMSGSIZE;
			return fail_errno(L, "%s", device_name(dev));
		}
		memcpy(packet + n, part, size);
		n += size;
	}
	return device_write_packet(L, dev, packet, n);
}

/* dev:write(...) -> true | nil, reason, errno
 *
 * Send the strings, in their order, as one packet. Never waits. */
static int device_write(lua_State *L)
{
	struct device *dev = object_self(L);
	const char *packet;
	int failed;
	size_t n;

	poll_interrupt(L, dev->handle.mainthread);
	if (lua_gettop(L) > 2) {
		failed = device_write_parts(L, dev);
	} else {
		packet = check_bytes(L, 2, &n);
		failed = device_write_packet(L, dev, packet, n);
	}
	if (failed)
		return failed;
	lua_pushboolean(L, true);
	return 1;
}

/* dev:send(bytes) -> number of bytes | nil, reason, errno
 *
 * As write(), in the shape of LuaSocket, whose positions are ignored as its
 * UDP sockets do. Of a batch, all packets: see device_batch_send(). */
static int device_send(lua_State *L)
{
	struct device *dev = object_self(L);
	struct batch *batch = batch_to(L, 2);
	const char *packet;
	int failed;
	size_t n;

	poll_interrupt(L, dev->handle.mainthread);
	if (batch)
		return device_batch_send(L, dev, batch);
	packet = check_bytes(L, 2, &n);
	failed = device_write_packet(L, dev, packet, n);
	if (failed)
		return failed;
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

/* dev:transmit(arena, at, n) -> number of bytes | nil, reason, errno
 *
 * As send(), from an arena. */
static int device_transmit(lua_State *L)
{
	struct device *dev = object_self(L);
	lua_Integer n = -1;
	unsigned char *bytes;
	int failed;

	if (!arg_integer(L, 4, &n) || n < 0)
		raise_value(L, 4, "length", "a number of bytes");
	bytes = arena_check(L, 2, 3, (size_t)n);
	poll_interrupt(L, dev->handle.mainthread);
	failed = device_write_packet(L, dev, (char *)bytes, (size_t)n);
	if (failed)
		return failed;
	lua_pushinteger(L, n);
	return 1;
}

/* dev:send_place(batch, i) -> number of bytes | nil, reason, errno
 *
 * Send one packet of a batch, where it stays. */
static int device_send_place(lua_State *L)
{
	struct device *dev = object_self(L);
	struct batch *batch = batch_check(L, 2);
	lua_Integer i;
	ssize_t n;

	if (!arg_integer(L, 3, &i) || i < 1 || i > batch->count)
		raise_value(L, 3, "place", "that of a packet in the batch");
	poll_interrupt(L, dev->handle.mainthread);
	n = device_batch_send_at(dev, batch, (uint32_t)i - 1);
	if (n < 0)
		return fail_device_batch(L, dev);
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

/* device_write_packet() for the FFI, without reasons: who wants one sends the
 * packet once more by the method. */
static int device_write_raw(struct device *dev, const void *bytes, uint32_t n)
{
	return (int)write(dev->handle.fd, bytes, n);
}

static const luaL_Reg methods[] = {
	{ "read", device_read },
	{ "receive", device_receive },
	{ "receivefrom", device_receive },
	{ "write", device_write },
	{ "send", device_send },
	{ "transmit", device_transmit },
	{ "send_place", device_send_place },
	{ NULL, NULL },
};

/* The same for the FFI, of the packet whose slot begins at an offset: without
 * reasons. */
static int device_send_place_raw(struct device *dev, struct batch *batch,
				 double i, double base)
{
	const struct pool *pool = batch->pool;
	uint32_t number;

	if (!(i >= 1 && i <= batch->count))
		return -1;
	number = batch->list[(uint32_t)i - 1];
	if (number == NO_SLOT || number * pool->stride != base)
		return -1;
	return (int)device_batch_send_at(dev, batch, (uint32_t)i - 1);
}

/* core.addresses: functions for the FFI, which wait for nothing. */
static void push_addresses(lua_State *L)
{
	static const struct {
		const char *name;
		uintptr_t address;
	} functions[] = {
		{ "receive", (uintptr_t)device_batch_refill },
		{ "send_place", (uintptr_t)device_send_place_raw },
		{ "write", (uintptr_t)device_write_raw },
	};
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(functions); i++) {
		push_whole(L, functions[i].address);
		lua_setfield(L, -2, functions[i].name);
	}
	lua_setfield(L, -2, "addresses");
}

void open_device_io(lua_State *L)
{
	object_add_methods(L, DEVICE, methods);
	push_addresses(L);
	lua_pushinteger(L, FRONT_MOST);
	lua_setfield(L, -2, "front_most");
}
