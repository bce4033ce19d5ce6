/* option.c -- the ioctls of an open device, one row each. */
#include "option.h"
#include "../core.h"
#include "../netns.h"
#include "device.h"
#include "open.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Bytes of virtio-net header that a packet in a tunnel needs: struct
 * virtio_net_hdr_v1_hash_tunnel. */
#define TUNNEL_HEADER 24

/* Our own, beside those of the kernel: to join no packets. */
#define SINGLE 0x80000000

/* Not asked of the kernel: this object remembers it. */
#define REMEMBERED 1

int fail_option(lua_State *L, struct device *dev, const struct option *o)
{
	return fail_errno(L, "%s: %s", device_name(dev), o->name);
}

/* Hand a number to the kernel. */
static int apply(lua_State *L, struct device *dev, const struct option *o,
		 long long value)
{
	int number = (int)value, result;

	if (o->passing == BY_VALUE)
		result = ioctl(dev->fd, o->set, (unsigned long)value);
	else
		result = ioctl(dev->fd, o->set, &number);
	if (result < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

static int get_number(lua_State *L, struct device *dev, const struct option *o)
{
	int number;

	if (ioctl(dev->fd, o->get, &number) < 0)
		return fail_option(L, dev, o);
	lua_pushinteger(L, number);
	return 1;
}

static int set_number(lua_State *L, struct device *dev, const struct option *o)
{
	lua_Integer number;
	char wanted[64];

	if (!arg_integer(L, 3, &number) || number < o->least ||
	    number > o->most) {
		snprintf(wanted, sizeof(wanted), "a number from %lld to %lld",
			 o->least, o->most);
		raise_value(L, 3, o->name, wanted);
	}
	return apply(L, dev, o, number);
}

static int get_boolean(lua_State *L, struct device *dev, const struct option *o)
{
	int number;

	if (ioctl(dev->fd, o->get, &number) < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, number);
	return 1;
}

static int set_boolean(lua_State *L, struct device *dev, const struct option *o)
{
	if (!lua_isboolean(L, 3))
		raise_value(L, 3, o->name, "true or false");
	return apply(L, dev, o, lua_toboolean(L, 3));
}

/* A BPF program by its descriptor; false for none. */
static int set_program(lua_State *L, struct device *dev, const struct option *o)
{
	lua_Integer fd = -1;

	if (!(lua_isboolean(L, 3) && !lua_toboolean(L, 3)) &&
	    (!arg_integer(L, 3, &fd) || fd < 0 || fd > INT_MAX))
		raise_value(L, 3, o->name, "a program's descriptor or false");
	return apply(L, dev, o, fd);
}

static const struct {
	const char *name;
	unsigned int bit;
} offloads[] = {
	{ "csum", TUN_F_CSUM },
	{ "tso4", TUN_F_TSO4 },
	{ "tso6", TUN_F_TSO6 },
	{ "tso_ecn", TUN_F_TSO_ECN },
	{ "ufo", TUN_F_UFO },
	{ "uso4", TUN_F_USO4 },
	{ "uso6", TUN_F_USO6 },
	{ "udp_tunnel_gso", TUN_F_UDP_TUNNEL_GSO },
	{ "udp_tunnel_gso_csum", TUN_F_UDP_TUNNEL_GSO_CSUM },
	{ "single", SINGLE },
};

static const char *offload_name(const void *rows, size_t i)
{
	(void)rows;
	return i < LENGTH(offloads) ? offloads[i].name : NULL;
}

static unsigned int offload_bit(lua_State *L, int at)
{
	const char *name;
	size_t i;

	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, "offload", "the name of an offload");
	name = lua_tostring(L, at);
	for (i = 0; i < LENGTH(offloads); i++)
		if (!strcmp(offloads[i].name, name))
			return offloads[i].bit;
	raise_name(L, "offload", name, offload_name, NULL);
}

/* Argument 3, a set { csum = true } or a list { "csum" } of names, or false,
 * as bits. */
static unsigned int tooffload(lua_State *L, const struct option *o)
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

static bool can_join(unsigned int bits)
{
	return bits & TUN_F_CSUM && bits & SUPER;
}

static int set_offload(lua_State *L, struct device *dev, const struct option *o)
{
	unsigned int wanted = tooffload(L, o), bits = wanted & ~SINGLE;
	struct common *common = dev->common;

	if (bits && !common->vnet)
		raise_misuse(
			L,
			"%s: %s: it was opened without a virtio-net header: "
			"open it with offload = ... or vnet_hdr = true",
			device_name(dev), o->name);
	errno = EOPNOTSUPP;
	if ((bits && common->foreign) || ioctl(dev->fd, o->set, bits) < 0)
		return fail_option(L, dev, o);
	common->offload = bits;
	common->known = true;
	common->coalesce = can_join(bits) && !(wanted & SINGLE);
	lua_pushboolean(L, true);
	return 1;
}

/* nil when nobody set it through this device or a queue of it; false: none. */
static int get_offload(lua_State *L, struct device *dev, const struct option *o)
{
	const struct common *common = dev->common;
	unsigned int bits = common->offload;
	size_t i;

	(void)o;
	if (!bits) {
		if (common->known)
			lua_pushboolean(L, false);
		else
			lua_pushnil(L);
		return 1;
	}
	if (can_join(bits) && !common->coalesce)
		bits |= SINGLE;
	lua_newtable(L);
	for (i = 0; i < LENGTH(offloads); i++) {
		if (!(bits & offloads[i].bit))
			continue;
		lua_pushboolean(L, true);
		lua_setfield(L, -2, offloads[i].name);
	}
	return 1;
}

static int get_features(lua_State *L, struct device *dev,
			const struct option *o)
{
	unsigned int flags;

	if (ioctl(dev->fd, o->get, &flags) < 0)
		return fail_option(L, dev, o);
	open_push_flags(L, flags);
	return 1;
}

/* The type of the link, which comes with its hardware address. */
static int get_link_type(lua_State *L, struct device *dev,
			 const struct option *o)
{
	struct ifreq ifr = { 0 };

	if (ioctl(dev->fd, o->get, &ifr) < 0)
		return fail_option(L, dev, o);
	lua_pushinteger(L, ifr.ifr_hwaddr.sa_family);
	return 1;
}

static int get_mac(lua_State *L, struct device *dev, const struct option *o)
{
	struct ifreq ifr = { 0 };
	const unsigned char *mac =
		(const unsigned char *)ifr.ifr_hwaddr.sa_data;
	char text[18];

	if (ioctl(dev->fd, o->get, &ifr) < 0)
		return fail_option(L, dev, o);
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		errno = EOPNOTSUPP;
		return fail_option(L, dev, o);
	}
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
	lua_pushstring(L, text);
	return 1;
}

void option_mac(lua_State *L, int at, const char *what, unsigned char *mac)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	static const char wanted[] = "a MAC address like \"02:00:00:00:00:01\"";
	const char *text, *digits;
	int i = 0;

	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, what, wanted);
	text = digits = lua_tostring(L, at);
	for (; i < 6 && strspn(digits, hex) == 2; i++, digits += 3) {
		mac[i] = (unsigned char)strtoul(digits, NULL, 16);
		if (digits[2] != (i < 5 ? ':' : '\0'))
			break;
	}
	if (i < 6)
		raise_misuse(L, "%s: \"%s\" is not %s", what, text, wanted);
}

static int set_mac(lua_State *L, struct device *dev, const struct option *o)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	option_mac(L, 3, o->name, (unsigned char *)ifr.ifr_hwaddr.sa_data);
	if (ioctl(dev->fd, o->set, &ifr) < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

static int get_name(lua_State *L, struct device *dev, const struct option *o)
{
	struct ifreq ifr = { 0 };

	if (ioctl(dev->fd, o->get, &ifr) < 0)
		return fail_option(L, dev, o);
	lua_pushstring(L, ifr.ifr_name);
	return 1;
}

static int get_netns(lua_State *L, struct device *dev, const struct option *o)
{
	struct netns *ns = netns_new(L);

	ns->fd = ioctl(dev->fd, o->get, 0);
	return ns->fd < 0 ? fail_option(L, dev, o) : 1;
}

static const struct codec as_number = { "number", get_number, set_number };
static const struct codec as_boolean = { "boolean", get_boolean, set_boolean };
static const struct codec as_program = { "program", NULL, set_program };
static const struct codec as_offload = { "flags", get_offload, set_offload };
static const struct codec as_features = { "flags", get_features, NULL };
static const struct codec as_link_type = { "number", get_link_type,
					   set_number };
static const struct codec as_mac = { "mac", get_mac, set_mac };
static const struct codec as_name = { "string", get_name, NULL };
static const struct codec as_netns = { "netns", get_netns, NULL };

/* The id above means "nobody". */
#define ID_MAX 0xfffffffe

/* Every ioctl of linux/if_tun.h but the ones that attach, see device.c. How an
 * argument goes is what the kernel does, whatever the request's number says. */
static const struct option options[] = {
	{ "name", TUNGETIFF, 0, BY_POINTER, .codec = &as_name },
	{ "features", TUNGETFEATURES, 0, BY_POINTER, .codec = &as_features },
	{ "nocsum", 0, TUNSETNOCSUM, BY_VALUE, .codec = &as_boolean },
	{ "debug", 0, TUNSETDEBUG, BY_VALUE, .codec = &as_number,
	  .most = INT_MAX },
	{ "persist", 0, TUNSETPERSIST, BY_VALUE, .codec = &as_boolean },
	{ "owner", 0, TUNSETOWNER, BY_VALUE, .codec = &as_number,
	  .most = ID_MAX },
	{ "group", 0, TUNSETGROUP, BY_VALUE, .codec = &as_number,
	  .most = ID_MAX },
	{ "link_type", SIOCGIFHWADDR, TUNSETLINK, BY_VALUE,
	  .codec = &as_link_type, .most = USHRT_MAX },
	{ "offload", REMEMBERED, TUNSETOFFLOAD, BY_VALUE,
	  .codec = &as_offload },
	{ "tx_filter", 0, TUNSETTXFILTER, BY_POINTER, .codec = &as_tx_filter },
	{ "filter", TUNGETFILTER, TUNATTACHFILTER, BY_POINTER,
	  .codec = &as_filter },
	{ "sndbuf", TUNGETSNDBUF, TUNSETSNDBUF, BY_POINTER, .codec = &as_number,
	  .least = 1, .most = INT_MAX },
	{ "vnet_hdr_size", TUNGETVNETHDRSZ, TUNSETVNETHDRSZ, BY_POINTER,
	  .codec = &as_number, .least = VNET_MIN, .most = VNET_MAX },
	{ "vnet_le", TUNGETVNETLE, TUNSETVNETLE, BY_POINTER,
	  .codec = &as_boolean },
	{ "vnet_be", TUNGETVNETBE, TUNSETVNETBE, BY_POINTER,
	  .codec = &as_boolean },
	{ "steering_bpf", 0, TUNSETSTEERINGEBPF, BY_POINTER,
	  .codec = &as_program },
	{ "filter_bpf", 0, TUNSETFILTEREBPF, BY_POINTER, .codec = &as_program },
	{ "carrier", 0, TUNSETCARRIER, BY_POINTER, .codec = &as_boolean },
	{ "threaded", IS_FILE, IS_FILE, .codec = &as_switch },
	{ "netns", TUNGETDEVNETNS, 0, BY_POINTER, .codec = &as_netns },
	{ "socket_netns", SIOCGSKNS, 0, BY_POINTER, .codec = &as_netns },
	{ "mac", SIOCGIFHWADDR, SIOCSIFHWADDR, BY_POINTER, .codec = &as_mac },
};

static const char *option_name(const void *rows, size_t i)
{
	(void)rows;
	return i < LENGTH(options) ? options[i].name : NULL;
}

/* The option that argument 2 names. */
static const struct option *tooption(lua_State *L)
{
	const char *wanted;
	size_t i;

	if (lua_type(L, 2) != LUA_TSTRING)
		raise_value(L, 2, "option", "a name");
	wanted = lua_tostring(L, 2);
	for (i = 0; i < LENGTH(options); i++)
		if (!strcmp(options[i].name, wanted))
			return options + i;
	raise_name(L, "option", wanted, option_name, NULL);
}

/* core.getoption(device, name) -> value | nil, reason, errno
 *
 * For offload, which the kernel does not tell, what was last set: a set of
 * names, false for none, nil when that is not known. "single" is among them
 * when packets are sent one by one: because that was set, or because the kernel
 * refused joined ones. */
static int core_getoption(lua_State *L)
{
	struct device *dev = device_check(L);
	const struct option *o = tooption(L);

	if (!o->get)
		raise_misuse(L, "%s: the kernel does not tell it", o->name);
	return o->codec->get(L, dev, o);
}

/* Whether it changes what device_read_vnet() learns. */
static bool is_vnet(const struct option *o)
{
	return o->get == TUNGETVNETHDRSZ || o->get == TUNGETVNETLE ||
	       o->get == TUNGETVNETBE;
}

/* core.setoption(device, name, value) -> true | nil, reason, errno
 *
 * For tx_filter the number of addresses that are filtered exactly instead of
 * true; 0 is a filter that is off. */
static int core_setoption(lua_State *L)
{
	struct device *dev = device_check(L);
	const struct option *o = tooption(L);
	int n;

	if (!o->set)
		raise_misuse(L, "%s: can only be read", o->name);
	if (!device_read_vnet(dev))
		return fail_option(L, dev, o);
	n = o->codec->set(L, dev, o);
	if (n == 1 && is_vnet(o) && !device_read_vnet(dev))
		return fail_option(L, dev, o);
	return n;
}

/* core.options() -> { [name] = { kind = string, get = boolean,
 * set = boolean } } */
static int core_options(lua_State *L)
{
	const struct option *o;

	lua_newtable(L);
	for (o = options; o < options + LENGTH(options); o++) {
		lua_newtable(L);
		lua_pushstring(L, o->codec->name);
		lua_setfield(L, -2, "kind");
		lua_pushboolean(L, o->get != 0);
		lua_setfield(L, -2, "get");
		lua_pushboolean(L, o->set != 0);
		lua_setfield(L, -2, "set");
		lua_setfield(L, -2, o->name);
	}
	return 1;
}

static const luaL_Reg functions[] = {
	{ "getoption", core_getoption },
	{ "setoption", core_setoption },
	{ "options", core_options },
	{ NULL, NULL },
};

void open_option(lua_State *L)
{
	luaL_getmetatable(L, DEVICE);
	object_methods(L, lua_gettop(L) - 1, functions);
	lua_pushinteger(L, TUNNEL_HEADER);
	lua_setfield(L, -2, "tunnel_header");
}
