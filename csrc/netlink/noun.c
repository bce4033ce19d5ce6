/* noun.c -- the objects and verbs that there are, and for Lua what their rows
 * are good for without a socket: encode, decode, ack and fields. */
#include "noun.h"

#include "ack.h"
#include "codec.h"
#include "message.h"
#include "nest.h"
#include "verify.h"

#include <linux/rtnetlink.h>
#include <string.h>

static const struct row {
	const char *name;
	const struct object *object;
} objects[] = {
#define NOUN_ROW(name) { #name, &name##_object },
	NOUNS(NOUN_ROW)
};

/* The verbs of ip(8); those that end in "property" are ip link property. */
static const struct verb verbs[] = {
	{ "add", 0, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NULL },
	{ "replace", 0, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, NULL },
	{ "append", 0, NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, NULL },
	{ "change", 0, NLM_F_ACK | NLM_F_REPLACE, NULL },
	{ "set", 0, NLM_F_ACK, NULL },
	{ "del", 1, NLM_F_ACK, NULL },
	{ "get", 2, 0, NULL },
	{ "list", 2, NLM_F_DUMP, NULL },
	{ "addproperty", RTM_NEWLINKPROP - RTM_NEWLINK,
	  NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, &link_object },
	{ "delproperty", RTM_DELLINKPROP - RTM_NEWLINK, NLM_F_ACK,
	  &link_object },
};

const struct object *noun_check(lua_State *L, int at)
{
	const struct row *row = arg_pick(L, at, "object", objects, sizeof(*row),
					 LENGTH(objects));

	return row->object;
}

const struct verb *noun_check_verb(lua_State *L, int at, const struct object *o)
{
	const struct verb *v =
		arg_pick(L, at, "verb", verbs, sizeof(*v), LENGTH(verbs));

	if (v->of && v->of != o)
		raise_misuse(L, "%s: no verb \"%s\"", o->name, v->name);
	return v;
}

/* -- For Lua --------------------------------------------------------- */

/* core.encode(object, verb, table) -> the bytes of the request, with sequence
 * number and port 0; interfaces only by index. Pure. */
static int core_encode(lua_State *L)
{
	_Alignas(struct nlmsghdr) unsigned char bytes[REQUEST_MAX];
	struct encoder e = { .L = L,
			     .nlh = (void *)bytes,
			     .size = sizeof(bytes) };

	const struct object *o = noun_check(L, 1);

	luaL_checktype(L, 3, LUA_TTABLE);
	codec_encode(&e, o, noun_check_verb(L, 2, o), 3);
	lua_pushlstring(L, (char *)bytes, e.nlh->nlmsg_len);
	return 1;
}

const struct nlmsghdr *noun_check_message(lua_State *L, int at)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, at, &len);
	struct nlmsghdr *nlh = lua_newuserdata(L, len);

	memcpy(nlh, bytes, len);
	return message_ok(nlh, len) ? nlh : NULL;
}

/* core.decode(object, bytes) -> table | nil, message, EBADMSG. Pure. */
static int core_decode(lua_State *L)
{
	const struct object *o = noun_check(L, 1);
	const struct nlmsghdr *nlh = noun_check_message(L, 2);
	struct decoder d = { .L = L };

	if (nlh && codec_decode(&d, o, nlh))
		return 1;
	return fail_malformed(L, o);
}

static void noun_push_fields(lua_State *L, const struct field *rows,
			     unsigned int is);

/* Add a list of the names of some of the bits, or of all labels, under a key.
 */
static void set_names(lua_State *L, const char *key, const struct label *labels,
		      uint64_t bits, bool all)
{
	int i = 0;

	lua_newtable(L);
	for (; labels->name; labels++) {
		if (!all && !(labels->value & bits))
			continue;
		lua_pushstring(L, labels->name);
		lua_rawseti(L, -2, ++i);
	}
	lua_setfield(L, -2, key);
}

/* Add the rows inside of a row. A message has those of an object. */
static void set_fields(lua_State *L, const struct field *f, unsigned int is)
{
	lua_newtable(L);
	if (f->layout) {
		noun_push_fields(L, f->layout->head, is);
		noun_push_fields(L, f->layout->attrs, is);
	} else if (f->rows) {
		noun_push_fields(L, f->rows, is);
	}
	lua_setfield(L, -2, "fields");
}

static void noun_set_boolean(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

static void noun_push_field(lua_State *L, const struct field *f,
			    unsigned int is)
{
	lua_newtable(L);
	lua_pushstring(L, f->key);
	lua_setfield(L, -2, "key");
	lua_pushstring(L, f->kind->name);
	lua_setfield(L, -2, "kind");
	noun_set_boolean(L, "read", is & READ);
	noun_set_boolean(L, "filter", is & FILTER);
	noun_set_boolean(L, "sparse", is & SPARSE);
	noun_set_boolean(L, "dump", is & DUMP);
	if (f->labels)
		set_names(L, "names", f->labels, 0, true);
	if (f->labels && f->readonly)
		set_names(L, "readonly", f->labels, f->readonly, false);
	if (f->rows || f->kind->shape == HOPS)
		set_fields(L, f, is & READ);
	lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

/* Add rows to the list on top of the stack; what is inline, one by one. */
static void noun_push_fields(lua_State *L, const struct field *rows,
			     unsigned int is)
{
	struct field chosen = { .kind = &kind_nest };
	const struct choice *c;

	for (; rows->key; rows++) {
		if (rows->choices) {
			for (c = rows->choices->list; c->kind; c++) {
				chosen.key = c->key;
				chosen.rows = c->rows;
				noun_push_field(L, &chosen, is);
			}
		} else if (rows->is & INLINE) {
			noun_push_fields(L, rows->rows, is | rows->is);
		} else {
			noun_push_field(L, rows, is | rows->is);
		}
	}
}

/* core.fields(object) -> list of { key =, kind =, read =, filter =, sparse =,
 * dump =, and where they have such: names = { ... }, readonly = { ... } of them
 * that a request does not send, fields = { ... } }, in wire order. */
static int core_fields(lua_State *L)
{
	const struct object *o = noun_check(L, 1);

	lua_newtable(L);
	noun_push_fields(L, o->layout.head, 0);
	noun_push_fields(L, o->layout.attrs, 0);
	return 1;
}

/* core.nouns() -> list of the names of the objects. */
static int core_nouns(lua_State *L)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(objects); i++) {
		lua_pushstring(L, objects[i].name);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* Refuse to load with rows that the compiler could not refuse. */
static void verify_nouns(lua_State *L)
{
#ifdef TUN_DEBUG
	const char *fault;
	size_t i;

	for (i = 0; i < LENGTH(objects); i++) {
		fault = verify_object(objects[i].object);
		if (fault)
			luaL_error(L, "tun.core: %s", fault);
	}
#else
	(void)L;
#endif
}

static const luaL_Reg functions[] = {
	{ "encode", core_encode },
	{ "decode", core_decode },
	{ "fields", core_fields },
	{ "nouns", core_nouns },
	{ NULL, NULL },
};

void open_noun(lua_State *L)
{
	verify_nouns(L);
	object_functions(L, functions);
}
