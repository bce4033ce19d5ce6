/* option.c -- the options of an open device, one row each. */
#include "option.h"

#include "../core.h"
#include "codec.h"
#include "ethtool.h"
#include "filter.h"
#include "offload.h"
#include "sysfs.h"

#include <limits.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

/* The id above means "nobody". */
#define ID_MAX 0xfffffffe

/* Every ioctl of linux/if_tun.h but the ones that attach, see device.c. How an
 * argument goes is what the kernel does, whatever the request's number says. */
static const struct option options[] = {
	{ "name", TUNGETIFF, 0, BY_POINTER, .codec = &as_name },
	{ "features", TUNGETFEATURES, 0, BY_POINTER, .codec = &as_features },
	{ "nocsum", 0, TUNSETNOCSUM, BY_VALUE, .codec = &as_boolean },
	{ "debug", SIOCETHTOOL, TUNSETDEBUG, BY_VALUE,
	  .codec = &as_message_level, .most = INT_MAX },
	{ "persist", 0, TUNSETPERSIST, BY_VALUE, .codec = &as_boolean },
	{ "owner", 0, TUNSETOWNER, BY_VALUE, .codec = &as_number,
	  .most = ID_MAX },
	{ "group", 0, TUNSETGROUP, BY_VALUE, .codec = &as_number,
	  .most = ID_MAX },
	{ "link_type", SIOCGIFHWADDR, TUNSETLINK, BY_VALUE,
	  .codec = &as_link_type, .most = USHRT_MAX },
	{ "offload", SIOCETHTOOL, TUNSETOFFLOAD, BY_VALUE,
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

/* The option that argument 2 names. */
static const struct option *option_check(lua_State *L)
{
	return arg_pick(L, 2, "option", options, sizeof(*options),
			LENGTH(options));
}

/* core.getoption(device, name, fd, index) -> value | nil, reason, errno
 *
 * fd: through what the link is asked, where core.options tells of such: the
 * descriptor of a socket, or of a sysfs and then the index of the link, in the
 * namespace of the device. Offload is a set of names, or
 * false for none; "single" is among them when packets are sent one by one:
 * because that was set, or because the kernel refused joined ones. */
static int core_getoption(lua_State *L)
{
	struct device *dev = handle_check(L);
	const struct option *o = option_check(L);

	if (!o->get)
		raise_misuse(L, "%s: it can be set and not read", o->name);
	return o->codec->get(L, dev, o);
}

/* Whether it changes what device_read_vnet() learns. */
static bool is_vnet(const struct option *o)
{
	return o->get == TUNGETVNETHDRSZ || o->get == TUNGETVNETLE ||
	       o->get == TUNGETVNETBE;
}

/* core.setoption(device, name, value, fd, index) -> true | nil, reason, errno
 *
 * fd, index: of a sysfs, as above. For tx_filter the number of addresses that
 * are filtered exactly instead of true; 0 is a filter that is off. */
static int core_setoption(lua_State *L)
{
	struct device *dev = handle_check(L);
	const struct option *o = option_check(L);
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

/* What it wants a descriptor of, beside that of the device; or NULL. */
static const char *option_through(const struct option *o)
{
	if (o->get == SIOCETHTOOL)
		return "socket";
	return o->get == IS_FILE ? "sysfs" : NULL;
}

/* core.options() -> { [name] = { kind = string, get = boolean, set = boolean,
 * through = "socket", "sysfs" or nil } } */
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
		lua_pushstring(L, option_through(o));
		lua_setfield(L, -2, "through");
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
