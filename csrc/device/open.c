/* open.c -- the options of core.open, and the flags by their names. */
#include "open.h"

#include "../core.h"

#include <ctype.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <string.h>

/* A key of core.open's table; the ones that are flags name them for
 * open_push_flags() too. Reads the value on top of the stack. */
struct key {
	const char *name;
	void (*take)(lua_State *L, const struct key *key, struct request *r);
	unsigned int flag;
};

static void take_name(lua_State *L, const struct key *key, struct request *r)
{
	static const char wanted[] = "an interface name: 1 to 15 bytes "
				     "without blanks, \"/\" and \":\"";
	const char *name = "";
	size_t i, n = 0;

	if (lua_type(L, -1) == LUA_TSTRING)
		name = lua_tolstring(L, -1, &n);
	else
		raise_value(L, -1, key->name, wanted);
	for (i = 0; i < n && i < IFNAMSIZ; i++)
		if (!name[i] || strchr("/:", name[i]) ||
		    isspace((unsigned char)name[i]))
			break;
	if (n == 0 || n >= IFNAMSIZ || i < n || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		raise_misuse(L, "%s: \"%s\" is not %s", key->name, name,
			     wanted);
	memcpy(r->ifr.ifr_name, name, n);
}

static void take_mode(lua_State *L, const struct key *key, struct request *r)
{
	const char *mode = arg_text(L, -1);

	if (mode && !strcmp(mode, "tun"))
		r->flags |= IFF_TUN;
	else if (mode && !strcmp(mode, "tap"))
		r->flags |= IFF_TAP;
	else
		raise_misuse(L, "%s: \"tun\" or \"tap\" expected", key->name);
}

static void take_index(lua_State *L, const struct key *key, struct request *r)
{
	lua_Integer index;

	if (!arg_integer(L, -1, &index) || index < 1 || index > INT_MAX)
		raise_value(L, -1, key->name, "an interface index");
	r->index = (int)index;
}

static void take_flag(lua_State *L, const struct key *key, struct request *r)
{
	if (!lua_isboolean(L, -1))
		raise_value(L, -1, key->name, "true or false");
	if (lua_toboolean(L, -1))
		r->flags |= key->flag;
}

/* First what can be asked for, then what can only be read. */
static const struct key keys[] = {
	{ "name", take_name, 0 },
	{ "mode", take_mode, 0 },
	{ "index", take_index, 0 },
	{ "no_pi", take_flag, IFF_NO_PI },
	{ "vnet_hdr", take_flag, IFF_VNET_HDR },
	{ "multi_queue", take_flag, IFF_MULTI_QUEUE },
	{ "excl", take_flag, IFF_TUN_EXCL },
	{ "napi", take_flag, IFF_NAPI },
	{ "napi_frags", take_flag, IFF_NAPI_FRAGS },
	{ "no_carrier", take_flag, IFF_NO_CARRIER },
	{ "one_queue", take_flag, IFF_ONE_QUEUE },
	{ "tun", NULL, IFF_TUN },
	{ "tap", NULL, IFF_TAP },
	{ "persist", NULL, IFF_PERSIST },
	{ "detached", NULL, IFF_DETACH_QUEUE },
};

/* The key at an index, of those that can be asked for. */
static const struct key *find_key(lua_State *L, int at)
{
	size_t count = 0;

	while (keys[count].take)
		count++;
	return arg_pick(L, at, "option", keys, sizeof(*keys), count);
}

struct request open_request(lua_State *L)
{
	struct request r = { 0 };
	const struct key *key;

	if (!lua_istable(L, 1))
		raise_value(L, 1, "open", "a table of options");
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			raise_value(L, -2, "open", "the name of an option");
		key = find_key(L, -2);
		key->take(L, key, &r);
	}
	if (!(r.flags & (IFF_TUN | IFF_TAP)))
		raise_misuse(L, "mode: \"tun\" or \"tap\" expected");
	return r;
}

void open_push_flags(lua_State *L, unsigned int flags)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(keys); i++) {
		if (!(flags & keys[i].flag))
			continue;
		lua_pushboolean(L, true);
		lua_setfield(L, -2, keys[i].name);
	}
}
