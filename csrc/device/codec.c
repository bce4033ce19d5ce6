/* codec.c -- values of options that an ioctl takes as they are. */
#include "codec.h"

#include "../core.h"
#include "../netns.h"
#include "../poll.h"
#include "open.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int fail_option(lua_State *L, struct device *dev, const struct option *o)
{
	if (errno == EBADFD)
		return fail_word(L);
	return fail_errno(L, "%s: %s", device_name(dev), o->name);
}

bool codec_boolean(lua_State *L, const struct option *o)
{
	if (!lua_isboolean(L, 3))
		raise_value(L, 3, o->name, "true or false");
	return lua_toboolean(L, 3);
}

/* Hand a number to the kernel. */
static int option_apply(lua_State *L, struct device *dev,
			const struct option *o, long long value)
{
	int number = (int)value, result;

	if (o->passing == BY_VALUE)
		result = ioctl(dev->handle.fd, o->set, (unsigned long)value);
	else
		result = ioctl(dev->handle.fd, o->set, &number);
	if (result < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

static int get_number(lua_State *L, struct device *dev, const struct option *o)
{
	int number;

	if (ioctl(dev->handle.fd, o->get, &number) < 0)
		return fail_option(L, dev, o);
	lua_pushinteger(L, number);
	return 1;
}

int codec_set_number(lua_State *L, struct device *dev, const struct option *o)
{
	lua_Integer number;
	char wanted[64];

	if (!arg_integer(L, 3, &number) || number < o->least ||
	    number > o->most) {
		snprintf(wanted, sizeof(wanted), "a number from %lld to %lld",
			 o->least, o->most);
		raise_value(L, 3, o->name, wanted);
	}
	return option_apply(L, dev, o, number);
}

static int get_boolean(lua_State *L, struct device *dev, const struct option *o)
{
	int number;

	if (ioctl(dev->handle.fd, o->get, &number) < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, number);
	return 1;
}

static int set_boolean(lua_State *L, struct device *dev, const struct option *o)
{
	return option_apply(L, dev, o, codec_boolean(L, o));
}

/* A BPF program by its descriptor; false for none. */
static int set_program(lua_State *L, struct device *dev, const struct option *o)
{
	lua_Integer fd = -1;

	if (!(lua_isboolean(L, 3) && !lua_toboolean(L, 3)) &&
	    (!arg_integer(L, 3, &fd) || fd < 0 || fd > INT_MAX))
		raise_value(L, 3, o->name, "a program's descriptor or false");
	return option_apply(L, dev, o, fd);
}

static int get_features(lua_State *L, struct device *dev,
			const struct option *o)
{
	unsigned int flags;

	if (ioctl(dev->handle.fd, o->get, &flags) < 0)
		return fail_option(L, dev, o);
	open_push_flags(L, flags);
	return 1;
}

/* The type of the link, which comes with its hardware address. */
static int get_link_type(lua_State *L, struct device *dev,
			 const struct option *o)
{
	struct ifreq ifr = { 0 };

	if (ioctl(dev->handle.fd, o->get, &ifr) < 0)
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

	if (ioctl(dev->handle.fd, o->get, &ifr) < 0)
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

void codec_mac(lua_State *L, int at, const char *what, unsigned char *mac)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	static const char wanted[] = "a MAC address like \"02:00:00:00:00:01\"";
	const char *text, *digits;
	int i = 0;

	text = digits = arg_text(L, at);
	if (!text)
		raise_value(L, at, what, wanted);
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

	codec_mac(L, 3, o->name, (unsigned char *)ifr.ifr_hwaddr.sa_data);
	if (ioctl(dev->handle.fd, o->set, &ifr) < 0)
		return fail_option(L, dev, o);
	lua_pushboolean(L, true);
	return 1;
}

static int get_name(lua_State *L, struct device *dev, const struct option *o)
{
	struct ifreq ifr = { 0 };

	if (ioctl(dev->handle.fd, o->get, &ifr) < 0)
		return fail_option(L, dev, o);
	lua_pushstring(L, ifr.ifr_name);
	return 1;
}

static int get_netns(lua_State *L, struct device *dev, const struct option *o)
{
	struct handle *ns = netns_new(L);

	ns->fd = ioctl(dev->handle.fd, o->get, 0);
	return ns->fd < 0 ? fail_option(L, dev, o) : 1;
}

const struct codec as_number = { "number", get_number, codec_set_number };
const struct codec as_boolean = { "boolean", get_boolean, set_boolean };
const struct codec as_program = { "program", NULL, set_program };
const struct codec as_features = { "flags", get_features, NULL };
const struct codec as_link_type = { "number", get_link_type, codec_set_number };
const struct codec as_mac = { "mac", get_mac, set_mac };
const struct codec as_name = { "string", get_name, NULL };
const struct codec as_netns = { "netns", get_netns, NULL };
