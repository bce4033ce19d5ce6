/* offload.c -- what a device leaves to its reader and takes from its writer:
 * checksums, and packets that stand for many. */
#include "offload.h"

#include "../core.h"
#include "ethtool.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

/* What the headers of Linux 6.1 lack. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef TUN_F_UDP_TUNNEL_GSO
#define TUN_F_UDP_TUNNEL_GSO 0x080
#define TUN_F_UDP_TUNNEL_GSO_CSUM 0x100
#endif

/* Of these a packet may be longer than the MTU. */
#define SUPER                                                                  \
	(TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6 |                   \
	 TUN_F_UDP_TUNNEL_GSO)

/* Our own, beside those of the kernel: to join no packets. */
#define SINGLE 0x80000000

/* By its feature the link shows whether an offload is on. */
static const struct offload {
	const char *name;
	unsigned int bit;
	const char *feature;
} offloads[] = {
	{ "csum", TUN_F_CSUM, "tx-checksum-ip-generic" },
	{ "tso4", TUN_F_TSO4, "tx-tcp-segmentation" },
	{ "tso6", TUN_F_TSO6, "tx-tcp6-segmentation" },
	{ "tso_ecn", TUN_F_TSO_ECN, "tx-tcp-ecn-segmentation" },
	{ "ufo", TUN_F_UFO, NULL },
	{ "uso4", TUN_F_USO4, "tx-udp-segmentation" },
	{ "uso6", TUN_F_USO6, "tx-udp-segmentation" },
	{ "udp_tunnel_gso", TUN_F_UDP_TUNNEL_GSO, "tx-udp_tnl-segmentation" },
	{ "udp_tunnel_gso_csum", TUN_F_UDP_TUNNEL_GSO_CSUM,
	  "tx-udp_tnl-csum-segmentation" },
	{ "single", SINGLE, NULL },
};

static unsigned int offload_bit(lua_State *L, int at)
{
	const struct offload *row = arg_pick(L, at, "offload", offloads,
					     sizeof(*row), LENGTH(offloads));

	return row->bit;
}

/* Argument 3, a set { csum = true } or a list { "csum" } of names, or false,
 * as bits. */
static unsigned int offload_check(lua_State *L, const struct option *o)
{
	unsigned int bits = 0;

	if (lua_isboolean(L, 3) && !lua_toboolean(L, 3))
		return 0;
	if (!lua_istable(L, 3))
		raise_value(L, 3, o->name,
			    "true, false, or a set or list of names");
	for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TNUMBER)
			bits |= offload_bit(L, -1);
		else if (!lua_isboolean(L, -1))
			raise_value(L, -1, o->name, "true or false");
		else if (lua_toboolean(L, -1))
			bits |= offload_bit(L, -2);
		else
			offload_bit(L, -2);
	}
	return bits;
}

static void offload_push(lua_State *L, unsigned int bits)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(offloads); i++) {
		if (!(bits & offloads[i].bit))
			continue;
		lua_pushboolean(L, true);
		lua_setfield(L, -2, offloads[i].name);
	}
}

/* Whether packets can be sent joined. */
static bool offload_can_join(const struct common *common, unsigned int bits)
{
	return common->vnet && bits & TUN_F_CSUM && bits & SUPER;
}

static int set_offload(lua_State *L, struct device *dev, const struct option *o)
{
	unsigned int wanted = offload_check(L, o), bits = wanted & ~SINGLE;
	struct common *common = dev->common;

	if (bits && !common->vnet)
		raise_misuse(
			L,
			"%s: %s: it was opened without a virtio-net header: "
			"open it with offload = ... or vnet_hdr = true",
			device_name(dev), o->name);
	if (bits && common->foreign) {
		errno = EOPNOTSUPP;
		return fail_option(L, dev, o);
	}
	if (ioctl(dev->handle.fd, o->set, (unsigned long)bits) < 0)
		return fail_option(L, dev, o);
	common->offload = bits;
	common->coalesce = offload_can_join(common, bits) && !(wanted & SINGLE);
	lua_pushboolean(L, true);
	return 1;
}

/* Learn from the kernel which offloads are on, whoever set them. UFO it takes
 * and has no feature for. False with an errno. */
static bool offload_read(struct device *dev, int fd)
{
	struct common *common = dev->common;
	struct features features;
	unsigned int bits = 0;
	struct ifreq ifr;
	size_t i;

	if (!device_query(dev, &ifr) ||
	    !ethtool_features(fd, ifr.ifr_name, &features))
		return false;
	for (i = 0; i < LENGTH(offloads); i++)
		if (offloads[i].feature &&
		    ethtool_is_on(&features, offloads[i].feature))
			bits |= offloads[i].bit;
	if (bits & TUN_F_CSUM)
		bits |= common->offload & TUN_F_UFO;
	if (bits != common->offload)
		common->coalesce = offload_can_join(common, bits);
	common->offload = bits;
	return true;
}

static int get_offload(lua_State *L, struct device *dev, const struct option *o)
{
	const struct common *common = dev->common;
	unsigned int bits;

	if (!offload_read(dev, ethtool_socket(L, o)))
		return fail_option(L, dev, o);
	bits = common->offload;
	if (offload_can_join(common, bits) && !common->coalesce)
		bits |= SINGLE;
	if (bits)
		offload_push(L, bits);
	else
		lua_pushboolean(L, false);
	return 1;
}

const struct codec as_offload = { "flags", get_offload, set_offload };
