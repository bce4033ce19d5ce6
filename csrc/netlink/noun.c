/* noun.c -- the objects and verbs that there are, and what the rows of an
 * object are good for without a socket: encode, decode, ack and fields for
 * Lua, and the names of attributes. */
#include "noun.h"

#include "ack.h"

#include <linux/rtnetlink.h>
#include <string.h>

static const struct object *const objects[] = { &link_object, &addr_object,
						&route_object, NULL };

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
	{ NULL, 0, 0, NULL },
};

static const char *object_name(const void *rows, size_t i)
{
	const struct object *const *list = rows;

	return list[i] ? list[i]->name : NULL;
}

const struct object *noun_check(lua_State *L, int at)
{
	const char *name = luaL_checkstring(L, at);
	const struct object *const *o;

	for (o = objects; *o; o++)
		if (strcmp((*o)->name, name) == 0)
			return *o;
	raise_name(L, "object", name, object_name, objects);
}

static const char *verb_name(const void *rows, size_t i)
{
	return ((const struct verb *)rows)[i].name;
}

const struct verb *noun_check_verb(lua_State *L, int at, const struct object *o)
{
	const char *name = luaL_checkstring(L, at);
	const struct verb *v;

	for (v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0 && (!v->of || v->of == o))
			return v;
	raise_name(L, "verb", name, verb_name, verbs);
}

/* -- Names of attributes, for extended acks -------------------------- */

/* The rows inside of an attribute, whose key is added to the path, and where
 * its own attributes begin. The kind that a choice goes by is in the string
 * attribute before it. */
static const struct field *inner(const struct field *f, const char *kind,
				 const char **attrs, char *path, size_t size)
{
	const struct layout *layout = f->more;
	const struct choice *c;

	if (f->kind == &kind_choice && kind) {
		c = schema_choose(f->more, kind);
		path_add(path, size, c->key ? c->key : kind);
		return c->rows;
	}
	if (!(f->is & INLINE))
		path_add(path, size, f->key);
	if (f->kind == &kind_nest)
		return f->more;
	if (f->kind != &kind_message)
		return NULL;
	*attrs += NLMSG_ALIGN(layout->size);
	return layout->attrs;
}

/* Add the keys down to the attribute at `at`; returns the rows inside it. */
static const struct field *locate(const struct field *rows, const char *start,
				  const char *end, const char *at, char *path,
				  size_t size)
{
	const struct nlattr *a = (const struct nlattr *)start;
	const char *kind = NULL, *next;
	const struct field *f;

	for (; mnl_attr_ok(a, (int)(end - (const char *)a)); a = (void *)next) {
		next = (const char *)mnl_attr_next(a);
		f = schema_find(rows, mnl_attr_get_type(a));
		if (f && f->kind == &kind_string)
			kind = mnl_attr_get_payload(a);
		if (at >= next)
			continue;
		if (!f || at < (const char *)a)
			return NULL;
		start = mnl_attr_get_payload(a);
		rows = inner(f, kind, &start, path, size);
		if (at == (const char *)a || !rows)
			return rows;
		return locate(rows, start, next, at, path, size);
	}
	return NULL;
}

void path_of(const struct object *o, const struct nlmsghdr *nlh,
	     unsigned int offset, unsigned int missing, char *path, size_t size)
{
	const char *start = mnl_nlmsg_get_payload_offset(nlh, o->layout.size);
	const struct field *rows = o->layout.attrs;

	*path = '\0';
	if (offset)
		rows = locate(rows, start, mnl_nlmsg_get_payload_tail(nlh),
			      (const char *)nlh + offset, path, size);
	if (missing && rows)
		rows = schema_find(rows, missing);
	if (missing && rows)
		path_add(path, size, rows->key);
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
	return mnl_nlmsg_ok(nlh, (int)len) ? nlh : NULL;
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

/* core.ack(object, request, message) -> true [, warning] | nil, reason, errno.
 * What an NLMSG_ERROR or NLMSG_DONE says of a request. Pure. */
static int core_ack(lua_State *L)
{
	const struct object *o = noun_check(L, 1);
	const struct nlmsghdr *request = noun_check_message(L, 2);
	const struct nlmsghdr *message = noun_check_message(L, 3);

	if (!request || !message)
		return fail_malformed(L, o);
	return ack_push(L, o, request, message);
}

static void push_rows(lua_State *L, const struct field *rows, unsigned int is);

static void push_names(lua_State *L, const struct label *labels)
{
	int i = 0;

	for (; labels->name; labels++) {
		lua_pushstring(L, labels->name);
		lua_rawseti(L, -2, ++i);
	}
}

/* Add the names of the values of a row, or the rows inside of it. */
static void set_more(lua_State *L, const struct field *f, unsigned int is)
{
	const struct layout *layout = f->more;
	bool rows = f->kind == &kind_nest || f->kind == &kind_record ||
		    f->kind == &kind_list;

	if (!f->more || f->kind == &kind_message)
		return;
	lua_newtable(L);
	if (f->kind == &kind_hops) {
		push_rows(L, layout->head, is);
		push_rows(L, layout->attrs, is);
	} else if (rows) {
		push_rows(L, f->more, is);
	} else {
		push_names(L, f->more);
	}
	lua_setfield(L, -2, rows || f->kind == &kind_hops ? "fields" : "names");
}

static void push_row(lua_State *L, const struct field *f, unsigned int is)
{
	lua_newtable(L);
	lua_pushstring(L, f->key);
	lua_setfield(L, -2, "key");
	lua_pushstring(L, f->kind->name);
	lua_setfield(L, -2, "kind");
	lua_pushboolean(L, is & READ);
	lua_setfield(L, -2, "read");
	lua_pushboolean(L, is & FILTER);
	lua_setfield(L, -2, "filter");
	lua_pushboolean(L, is & SPARSE);
	lua_setfield(L, -2, "sparse");
	set_more(L, f, is & READ);
	lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

/* Add rows to the list on top of the stack; what is inline, one by one. */
static void push_rows(lua_State *L, const struct field *rows, unsigned int is)
{
	struct field chosen = { .kind = &kind_nest };
	const struct choice *c;

	for (; rows && rows->key; rows++) {
		if (rows->kind == &kind_choice) {
			c = ((const struct choices *)rows->more)->list;
			for (; c->kind; c++) {
				chosen.key = c->key;
				chosen.more = c->rows;
				push_row(L, &chosen, is);
			}
		} else if (rows->is & INLINE) {
			push_rows(L, rows->more, is | rows->is);
		} else {
			push_row(L, rows, is | rows->is);
		}
	}
}

/* core.fields(object) -> list of { key =, kind =, read =, filter =, sparse =,
 * and where they have such: names = { ... }, fields = { ... } }, in wire order.
 */
static int core_fields(lua_State *L)
{
	const struct object *o = noun_check(L, 1);

	lua_newtable(L);
	push_rows(L, o->layout.head, 0);
	push_rows(L, o->layout.attrs, 0);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "encode", core_encode },
	{ "decode", core_decode },
	{ "ack", core_ack },
	{ "fields", core_fields },
	{ NULL, NULL },
};

void open_noun(lua_State *L)
{
	object_functions(L, functions);
}
