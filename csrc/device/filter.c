/* filter.c -- which packets a TAP hands over: classic BPF, MAC addresses. */
#include "filter.h"

#include "../core.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Push room for a program of n instructions. */
static struct sock_filter *filter_new(lua_State *L, size_t n)
{
	if (n < 1 || n > BPF_MAXINSNS)
		raise_misuse(L, "filter: 1 to %d instructions expected",
			     BPF_MAXINSNS);
	return lua_newuserdata(L, n * sizeof(struct sock_filter));
}

/* One number of an instruction, from the list on top of the stack. */
static unsigned int filter_column(lua_State *L, int i, unsigned int most)
{
	lua_Integer number;

	lua_rawgeti(L, -1, i);
	if (!arg_integer(L, -1, &number) || number < 0 || number > most)
		raise_value(L, -1, "filter", "a number of { code, jt, jf, k }");
	lua_pop(L, 1);
	return (unsigned int)number;
}

/* Push the program of a list of { code, jt, jf, k }. */
static struct sock_fprog filter_of_list(lua_State *L, int at)
{
	size_t i, n = lua_rawlen(L, at);
	struct sock_filter *program = filter_new(L, n);

	for (i = 0; i < n; i++) {
		lua_rawgeti(L, at, (int)i + 1);
		if (!lua_istable(L, -1))
			raise_value(L, -1, "filter", "{ code, jt, jf, k }");
		program[i].code = (__u16)filter_column(L, 1, USHRT_MAX);
		program[i].jt = (__u8)filter_column(L, 2, UCHAR_MAX);
		program[i].jf = (__u8)filter_column(L, 3, UCHAR_MAX);
		program[i].k = filter_column(L, 4, UINT_MAX);
		lua_pop(L, 1);
	}
	return (struct sock_fprog){ (unsigned short)n, program };
}

/* The next number of a text, which it moves past. */
static unsigned int filter_number(lua_State *L, const char **text,
				  unsigned int most)
{
	unsigned long value;
	char *end;

	*text += strspn(*text, " \t\r\n");
	value = strtoul(*text, &end, 10);
	if (*text[0] < '0' || *text[0] > '9' || value > most)
		raise_misuse(L,
			     "filter: not what `tcpdump -ddd` prints: \"%s\"",
			     *text);
	*text = end;
	return (unsigned int)value;
}

/* Push the program of a text as `tcpdump -ddd` prints it. */
static struct sock_fprog filter_of_text(lua_State *L, const char *text)
{
	size_t i, n = filter_number(L, &text, BPF_MAXINSNS);
	struct sock_filter *program = filter_new(L, n);

	for (i = 0; i < n; i++) {
		program[i].code = (__u16)filter_number(L, &text, USHRT_MAX);
		program[i].jt = (__u8)filter_number(L, &text, UCHAR_MAX);
		program[i].jf = (__u8)filter_number(L, &text, UCHAR_MAX);
		program[i].k = filter_number(L, &text, UINT_MAX);
	}
	if (text[strspn(text, " \t\r\n")])
		raise_misuse(L,
			     "filter: more than its count of %d instructions",
			     (int)n);
	return (struct sock_fprog){ (unsigned short)n, program };
}

/* Pop a value and keep it with the device and its queues: the kernel remembers
 * where a program was, and reads it there again when a queue is attached. false
 * stands for a filter that we took off. */
static void filter_keep(lua_State *L)
{
	lua_getuservalue(L, 1);
	lua_insert(L, -2);
	lua_setfield(L, -2, "filter");
	lua_pop(L, 1);
}

/* After a refused program the filter of before is still in force, but the
 * kernel has forgotten where its program was: say it again. */
static void filter_restore(lua_State *L, struct device *dev,
			   const struct option *o)
{
	struct sock_fprog fprog = { 0 };

	lua_getuservalue(L, 1);
	lua_getfield(L, -1, "filter");
	fprog.filter = lua_touserdata(L, -1);
	if (fprog.filter) {
		fprog.len = (unsigned short)(lua_rawlen(L, -1) /
					     sizeof(*fprog.filter));
		ioctl(dev->handle.fd, o->set, &fprog);
	} else {
		lua_pushboolean(L, false);
		filter_keep(L);
	}
	lua_pop(L, 2);
}

static int set_filter(lua_State *L, struct device *dev, const struct option *o)
{
	struct sock_fprog fprog = { 0 };
	int n;

	if (arg_text(L, 3))
		fprog = filter_of_text(L, arg_text(L, 3));
	else if (lua_istable(L, 3))
		fprog = filter_of_list(L, 3);
	else if (lua_toboolean(L, 3))
		raise_value(L, 3, o->name, "a program, text, or false");
	else
		lua_pushboolean(L, false);
	if (ioctl(dev->handle.fd, fprog.len ? o->set : TUNDETACHFILTER,
		  &fprog) < 0) {
		n = fail_option(L, dev, o);
		filter_restore(L, dev, o);
		return n;
	}
	filter_keep(L);
	lua_pushboolean(L, true);
	return 1;
}

static void filter_push(lua_State *L, const struct sock_filter *row, int n)
{
	int i;

	lua_createtable(L, n, 0);
	for (i = 1; i <= n; i++, row++) {
		lua_createtable(L, 4, 0);
		lua_pushinteger(L, row->code);
		lua_rawseti(L, -2, 1);
		lua_pushinteger(L, row->jt);
		lua_rawseti(L, -2, 2);
		lua_pushinteger(L, row->jf);
		lua_rawseti(L, -2, 3);
		lua_pushinteger(L, row->k);
		lua_rawseti(L, -2, 4);
		lua_rawseti(L, -2, i);
	}
}

/* The kernel says only where in which process's memory the program was, even
 * after it was taken off; so what can be read is a program of our own. */
static int get_filter(lua_State *L, struct device *dev, const struct option *o)
{
	struct sock_fprog fprog;

	if (ioctl(dev->handle.fd, o->get, &fprog) < 0)
		return fail_option(L, dev, o);
	lua_getuservalue(L, 1);
	lua_getfield(L, -1, "filter");
	if (lua_isuserdata(L, -1) && lua_touserdata(L, -1) == fprog.filter) {
		filter_push(L, fprog.filter, fprog.len);
	} else if (fprog.len && !lua_isboolean(L, -1)) {
		errno = ENODATA;
		return fail_option(L, dev, o);
	} else {
		lua_pushboolean(L, false);
	}
	return 1;
}

const struct codec as_filter = { "filter", get_filter, set_filter };

/* Check the keys of a tx_filter and return its flags. */
static __u16 tx_flags(lua_State *L, int at, const char *what)
{
	__u16 flags = 0;
	const char *key;

	for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TNUMBER)
			continue;
		key = arg_text(L, -2);
		if (!key || strcmp(key, "allmulti") != 0)
			raise_value(L, -2, what, "an address or \"allmulti\"");
		if (!lua_isboolean(L, -1))
			raise_value(L, -1, "allmulti", "true or false");
		flags = lua_toboolean(L, -1) ? TUN_FLT_ALLMULTI : 0;
	}
	return flags;
}

/* { allmulti = boolean, "02:00:00:00:00:01", ... }; false for no filter. */
static int set_tx_filter(lua_State *L, struct device *dev,
			 const struct option *o)
{
	struct tun_filter *f;
	__u16 flags = 0;
	size_t i, n = 0;
	int exact;

	if (lua_istable(L, 3)) {
		flags = tx_flags(L, 3, o->name);
		n = lua_rawlen(L, 3);
	} else if (!lua_isboolean(L, 3) || lua_toboolean(L, 3)) {
		raise_value(L, 3, o->name, "a list of addresses or false");
	}
	if (n > USHRT_MAX)
		raise_misuse(L, "%s: too many addresses", o->name);
	f = lua_newuserdata(L, sizeof(*f) + n * ETH_ALEN);
	f->flags = flags;
	f->count = (__u16)n;
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, 3, (int)i + 1);
		codec_mac(L, -1, o->name, f->addr[i]);
		lua_pop(L, 1);
	}
	exact = ioctl(dev->handle.fd, o->set, f);
	if (exact < 0)
		return fail_option(L, dev, o);
	lua_pushinteger(L, exact);
	return 1;
}

const struct codec as_tx_filter = { "tx_filter", NULL, set_tx_filter };
