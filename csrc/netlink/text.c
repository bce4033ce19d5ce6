/* text.c -- kinds of text, addresses and interfaces. */
#include "text.h"

#include "codec.h"
#include "number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Text and addresses ---------------------------------------------- */

static bool push_string(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	(void)f;
	lua_pushlstring(d->L, p, strnlen(p, len));
	return true;
}

static size_t pull_string(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	const char *text = encode_text(e, "a string without zero bytes");
	size_t len = strlen(text), max = (f->most ? f->most : VALUE_MAX) - 1;
	char expected[48];

	if (len > max) {
		snprintf(expected, sizeof(expected), "at most %zu bytes", max);
		raise_key(e, expected);
	}
	memcpy(out, text, len + 1);
	return len + 1;
}

static size_t pull_bare_string(struct encoder *e, const struct field *f,
			       unsigned char *out)
{
	return pull_string(e, f, out) - 1;
}

static bool push_mac(struct decoder *d, const struct field *f, const void *p,
		     size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *byte = p, *end = byte + len;
	char text[3 * 32], *out = text;

	(void)f;
	if (len > 32)
		return decode_bad(d);
	for (; byte < end; byte++) {
		*out++ = digits[*byte >> 4];
		*out++ = digits[*byte & 15];
		*out++ = ':';
	}
	if (len)
		lua_pushlstring(d->L, text, 3 * len - 1);
	return len != 0;
}

static size_t pull_mac(struct encoder *e, const struct field *f,
		       unsigned char *out)
{
	static const char expected[] =
		"a link-layer address such as \"02:00:00:00:00:01\"";
	const char *text = encode_text(e, expected);
	size_t len = 0, digits;
	char *end;

	(void)f;
	for (; len < 32; text = end + 1) {
		digits = strspn(text, "0123456789abcdefABCDEF");
		if (digits < 1 || digits > 2)
			break;
		out[len++] = (unsigned char)strtoul(text, &end, 16);
		if (!*end)
			return len;
		if (*end != ':')
			break;
	}
	raise_key(e, expected);
}

static bool push_bridge_id(struct decoder *d, const struct field *f,
			   const void *p, size_t len)
{
	const unsigned char *b = p;
	char text[24];

	(void)f, (void)len;
	snprintf(text, sizeof(text), "%02x%02x.%02x:%02x:%02x:%02x:%02x:%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	lua_pushstring(d->L, text);
	return true;
}

/* Write a number below 256; returns the end. */
static char *decimal_text(char *out, unsigned char value)
{
	if (value >= 100)
		*out++ = (char)('0' + value / 100);
	if (value >= 10)
		*out++ = (char)('0' + value / 10 % 10);
	*out++ = (char)('0' + value % 10);
	return out;
}

/* Write an address; returns the end, NULL when it is none. IPv4 by hand:
 * inet_ntop(3) would take a fifth of the time of a dump of routes. */
static char *ip_text(char *out, const void *p, size_t len)
{
	const unsigned char *byte = p;

	if (len == 16) {
		inet_ntop(AF_INET6, p, out, INET6_ADDRSTRLEN);
		return out + strlen(out);
	}
	if (len != 4)
		return NULL;
	for (out = decimal_text(out, *byte++); --len;
	     out = decimal_text(out, *byte++))
		*out++ = '.';
	return out;
}

/* The address in a text of some length; its family, 0 for none. */
static unsigned char ip_parse(const char *text, size_t len, unsigned char *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy))
		return 0;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, out) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, copy, out) == 1 ? AF_INET6 : 0;
}

static size_t ip_size(unsigned char family)
{
	return family == AF_INET ? 4 : 16;
}

/* The first address decides the family of a message; the others follow it. A
 * bridge has addresses of either. */
static void check_family(struct encoder *e, unsigned char family)
{
	if (e->family == 0)
		e->family = family;
	if (e->family != family && e->family != AF_BRIDGE)
		raise_key(e, family == AF_INET
				     ? "an IPv6 address, as the others"
				     : "an IPv4 address, as the others");
}

static bool push_ip(struct decoder *d, const struct field *f, const void *p,
		    size_t len)
{
	char text[INET6_ADDRSTRLEN], *end = ip_text(text, p, len);

	(void)f;
	if (!end)
		return decode_bad(d);
	lua_pushlstring(d->L, text, (size_t)(end - text));
	return true;
}

static unsigned char check_ip(struct encoder *e, unsigned char *out)
{
	static const char expected[] = "an IPv4 or IPv6 address";
	const char *text = encode_text(e, expected);
	unsigned char family = ip_parse(text, strlen(text), out);

	if (!family)
		raise_key(e, expected);
	return family;
}

static size_t pull_ip(struct encoder *e, const struct field *f,
		      unsigned char *out)
{
	unsigned char family = check_ip(e, out);

	(void)f;
	check_family(e, family);
	return ip_size(family);
}

static bool push_prefix(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	char text[INET6_ADDRSTRLEN + 4], *end = ip_text(text, p, len);

	if (!end)
		return decode_bad(d);
	*end++ = '/';
	end = decimal_text(end, (unsigned char)d->head[f->length_at]);
	lua_pushlstring(d->L, text, (size_t)(end - text));
	return true;
}

/* The number behind the "/"; all bits when there is none, -1 when wrong. */
static int prefix_length(const char *slash, unsigned char family)
{
	int bits = family == AF_INET ? 32 : 128, value = 0;
	const char *digit = slash + 1;

	if (!*slash)
		return bits;
	for (; *digit >= '0' && *digit <= '9' && value <= bits; digit++)
		value = 10 * value + (*digit - '0');
	if (*digit || digit == slash + 1 || (slash[1] == '0' && slash[2]))
		return -1;
	return value > bits ? -1 : value;
}

static void put_prefix(struct encoder *e, const struct field *f)
{
	static const char expected[] =
		"a prefix such as \"10.0.0.0/8\" or \"fd00::/64\"";
	const char *text = encode_text(e, expected);
	size_t len = strcspn(text, "/");
	unsigned char address[16] = { 0 }, family;
	int bits;

	if (strcmp(text, "default") == 0)
		return;
	family = ip_parse(text, len, address);
	bits = family ? prefix_length(text + len, family) : -1;
	if (bits < 0)
		raise_key(e, expected);
	check_family(e, family);
	e->head[f->length_at] = (unsigned char)bits;
	encode_bytes(e, f->where, address, ip_size(family));
}

static bool push_default(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	(void)f;
	if (number_load(p, len) != 0)
		return false;
	decode_word(d, "default");
	return true;
}

/* The next hop stands in RTA_GATEWAY when its family is the route's, and in
 * RTA_VIA when it is not: two rows of one key, of which one writes. */
static void put_gateway(struct encoder *e, const struct field *f)
{
	unsigned char address[16];
	unsigned char family = check_ip(e, address);

	if (e->family == 0)
		e->family = family;
	if (family == e->family)
		encode_bytes(e, f->where, address, ip_size(family));
}

static bool push_via(struct decoder *d, const struct field *f, const void *p,
		     size_t len)
{
	size_t skip = offsetof(struct rtvia, rtvia_addr);

	return len < skip ? decode_bad(d)
			  : push_ip(d, f, (const char *)p + skip, len - skip);
}

static void put_via(struct encoder *e, const struct field *f)
{
	unsigned char bytes[sizeof(struct rtvia) + 16];
	struct rtvia *via = (struct rtvia *)bytes;
	unsigned char family = check_ip(e, via->rtvia_addr);

	via->rtvia_family = family;
	if (family != e->family)
		encode_bytes(e, f->where, bytes,
			     offsetof(struct rtvia, rtvia_addr) +
				     ip_size(family));
}

/* -- Interfaces ------------------------------------------------------ */

static bool push_interface(struct decoder *d, const struct field *f,
			   const void *p, size_t len)
{
	int index = (int)number_load(p, len);
	const char *name;

	if (index == 0)
		return false;
	name = d->names ? ifnames_name(d->names, index) : NULL;
	if (!name)
		return number_push(d, f, p, len);
	lua_pushstring(d->L, name);
	return true;
}

static size_t pull_interface(struct encoder *e, const struct field *f,
			     unsigned char *out)
{
	const char *name;
	int index;

	if (lua_isboolean(e->L, -1) && !lua_toboolean(e->L, -1))
		return number_store(out, 0, 4);
	if (lua_type(e->L, -1) == LUA_TNUMBER)
		return number_pull_s32(e, f, out);
	name = encode_text(e, "the name or index of an interface");
	if (!e->names)
		raise_key(e, "an index; names need a socket");
	index = ifnames_index(e->names, name);
	if (index == 0) {
		e->error = errno;
		snprintf(e->message, sizeof(e->message), "%s (%s \"%.32s\")",
			 strerror(e->error), strchr(e->path, '.') + 1, name);
	}
	return number_store(out, (uint64_t)index, 4);
}

static size_t pull_ifname(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	static const char expected[] = "the name or index of an interface";
	unsigned char index[VALUE_MAX] = { 0 };
	const char *name;

	if (lua_type(e->L, -1) != LUA_TNUMBER) {
		name = encode_text(e, expected);
	} else if (!e->names) {
		raise_key(e, "a name; an index needs a socket");
	} else {
		number_pull_s32(e, f, index);
		name = ifnames_name(e->names, (int)number_load(index, 4));
	}
	if (!name) {
		e->error = errno;
		snprintf(e->message, sizeof(e->message), "%s (%s %s)",
			 strerror(e->error), strchr(e->path, '.') + 1,
			 lua_tostring(e->L, -1));
		return 0;
	}
	if (!*name || strlen(name) >= IFNAMSIZ)
		raise_key(e, expected);
	memcpy(out, name, strlen(name) + 1);
	return strlen(name) + 1;
}

/* With IFLA_LINK_NETNSID the index is of another namespace: no name here. */
static bool push_lower(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	const struct nlattr *a = (const struct nlattr *)d->attrs;

	for (; mnl_attr_ok(a, (int)(d->end - (const char *)a));
	     a = mnl_attr_next(a))
		if (mnl_attr_get_type(a) == IFLA_LINK_NETNSID)
			return number_push(d, f, p, len);
	return push_interface(d, f, p, len);
}

const struct kind kind_string = {
	.name = "string",
	.shape = TEXT,
	.push = push_string,
	.pull = pull_string,
};
const struct kind kind_bare_string = {
	.name = "string",
	.shape = TEXT,
	.push = push_string,
	.pull = pull_bare_string,
};
const struct kind kind_mac = {
	.name = "mac",
	.push = push_mac,
	.pull = pull_mac,
};
const struct kind kind_ip = {
	.name = "ip",
	.push = push_ip,
	.pull = pull_ip,
};
const struct kind kind_bridge_id = {
	.name = "bridge_id",
	.size = 8,
	.push = push_bridge_id,
};
const struct kind kind_default = {
	.name = "default",
	.size = 1,
	.push = push_default,
};
const struct kind kind_prefix = {
	.name = "prefix",
	.shape = PREFIX,
	.push = push_prefix,
	.put = put_prefix,
};
const struct kind kind_gateway = {
	.name = "ip",
	.push = push_ip,
	.put = put_gateway,
};
const struct kind kind_via = {
	.name = "ip",
	.push = push_via,
	.put = put_via,
};
const struct kind kind_interface = {
	.name = "interface",
	.size = 4,
	.push = push_interface,
	.pull = pull_interface,
};
const struct kind kind_ifname = {
	.name = "ifname",
	.push = push_string,
	.pull = pull_ifname,
};
const struct kind kind_lower = {
	.name = "interface",
	.size = 4,
	.push = push_lower,
	.pull = pull_interface,
};
