/* attr.c -- the one encoder and the one decoder of rtnetlink objects. Both walk
 * the rows of link.c, addr.c and route.c; neither knows a socket. */
#include "attr.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
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

const struct object *checkobject(lua_State *L, int at)
{
	const char *name = luaL_checkstring(L, at);
	const struct object *const *o;

	for (o = objects; *o; o++)
		if (strcmp((*o)->name, name) == 0)
			return *o;
	misuse_name(L, "object", name, object_name, objects);
}

static const char *verb_name(const void *rows, size_t i)
{
	return ((const struct verb *)rows)[i].name;
}

const struct verb *checkverb(lua_State *L, int at, const struct object *o)
{
	const char *name = luaL_checkstring(L, at);
	const struct verb *v;

	for (v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0 && (!v->of || v->of == o))
			return v;
	misuse_name(L, "verb", name, verb_name, verbs);
}

/* -- Rows and keys --------------------------------------------------- */

static bool knows(const struct field *rows, const char *key);

static bool choice_knows(const struct choices *choices, const char *key)
{
	const struct choice *c;

	for (c = choices->list; c->kind; c++)
		if (strcmp(c->key, key) == 0)
			return true;
	return false;
}

/* Whether a row reads this key of the table; those that are inline have no key
 * of their own. */
static inline bool row_knows(const struct field *f, const char *key)
{
	if (*f->key)
		return *f->key == *key && strcmp(f->key, key) == 0;
	return f->kind == &kind_choice ? choice_knows(f->more, key)
				       : knows(f->more, key);
}

static bool knows(const struct field *rows, const char *key)
{
	for (; rows->key; rows++)
		if (row_knows(rows, key))
			return true;
	return false;
}

static void list_keys(const struct field *rows, luaL_Buffer *names,
		      const char **separator)
{
	const struct choice *c;

	for (; rows->key; rows++) {
		if (rows->kind == &kind_choice) {
			c = ((const struct choices *)rows->more)->list;
			for (; c->kind; c++) {
				luaL_addstring(names, *separator);
				luaL_addstring(names, c->key);
			}
		} else if (rows->is & INLINE) {
			list_keys(rows->more, names, separator);
		} else {
			luaL_addstring(names, *separator);
			luaL_addstring(names, rows->key);
		}
		*separator = ", ";
	}
}

static _Noreturn void unknown(struct encoder *e, const struct layout *layout,
			      const char *key)
{
	const char *separator = "";
	luaL_Buffer names;

	luaL_buffinit(e->L, &names);
	if (layout->head)
		list_keys(layout->head, &names, &separator);
	list_keys(layout->attrs, &names, &separator);
	luaL_pushresult(&names);
	misuse(e->L, "%s: no key \"%s\"; there are: %s", e->path, key,
	       lua_tostring(e->L, -1));
}

/* Add ".key" to a path, as far as there is room. */
static void add_key(char *path, size_t size, const char *key)
{
	char *end = path + strlen(path), *limit = path + size - 1;

	if (end > path && end < limit)
		*end++ = '.';
	while (*key && end < limit)
		*end++ = *key++;
	*end = '\0';
}

/* -- Encoding -------------------------------------------------------- */

void put_bytes(struct encoder *e, unsigned short type, const void *bytes,
	       size_t len)
{
	struct nlattr *a = mnl_nlmsg_get_payload_tail(e->nlh);

	if (!mnl_attr_put_check(e->nlh, e->size, type, len, bytes))
		misuse(e->L, "%s: the request is longer than %d bytes", e->path,
		       (int)e->size);
	/* libmnl before 1.0.5 leaves the padding as it was. */
	memset((char *)mnl_attr_get_payload(a) + len, 0, MNL_ALIGN(len) - len);
}

/* Write the value on top of the stack as a row says. */
static void put_value(struct encoder *e, const struct field *f,
		      unsigned char *base)
{
	unsigned char value[VALUE_MAX] = { 0 };
	size_t len;

	if (f->kind->put) {
		f->kind->put(e, f);
		return;
	}
	len = f->kind->pull(e, f, value);
	if (base)
		memcpy(base + f->where, value, len);
	else if (!e->error)
		put_bytes(e, f->where, value, len);
}

static void put_row(struct encoder *e, const struct field *f,
		    unsigned char *base, int table)
{
	size_t len = strlen(e->path);

	if (f->is & READ || (e->filter && !(f->is & (FILTER | INLINE))))
		return;
	luaL_checkstack(e->L, 8, NULL);
	if (f->is & INLINE) {
		lua_pushvalue(e->L, table);
	} else {
		lua_getfield(e->L, table, f->key);
		add_key(e->path, sizeof(e->path), f->key);
	}
	put_value(e, f, base);
	e->path[len] = '\0';
	lua_pop(e->L, 1);
}

static void put_marked(struct encoder *e, const struct field *rows,
		       const bool *marks, unsigned char *base, int table)
{
	size_t i;

	for (i = 0; rows && rows[i].key && !e->error; i++)
		if (marks[i])
			put_row(e, &rows[i], base, table);
}

static bool mark(const struct field *rows, const char *key, bool *marks)
{
	bool found = false;
	size_t i;

	for (i = 0; rows && rows[i].key; i++)
		if (row_knows(&rows[i], key))
			found = marks[i] = true;
	return found;
}

/* Write what a table says of a layout, in the order of its rows. The table on
 * top of the stack may hold keys of others when it is shared. */
static void put_table(struct encoder *e, const struct layout *layout,
		      unsigned char *base, bool shared)
{
	bool head[ROWS_MAX] = { false }, attrs[ROWS_MAX] = { false };
	lua_State *L = e->L;
	int table = lua_gettop(L);
	const char *key;
	bool found;

	if (!lua_istable(L, table))
		misuse(L, "%s: a %s is not a table", e->path,
		       luaL_typename(L, table));
	if (++e->depth > DEPTH_MAX)
		misuse(L, "%s: a table inside of too many others", e->path);
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			misuse(L, "%s: a key is a %s", e->path,
			       luaL_typename(L, -2));
		key = lua_tostring(L, -2);
		found = mark(layout->head, key, head);
		found = mark(layout->attrs, key, attrs) || found;
		if (!found && !shared)
			unknown(e, layout, key);
	}
	put_marked(e, layout->head, head, base, table);
	if (layout->head && base == e->head && e->family == 0)
		e->family = e->head[0];
	put_marked(e, layout->attrs, attrs, NULL, table);
	e->depth--;
}

bool encode(struct encoder *e, const struct object *o, const struct verb *v,
	    int t)
{
	e->nlh = mnl_nlmsg_put_header(e->nlh);
	e->nlh->nlmsg_type = o->type + v->type;
	e->nlh->nlmsg_flags = NLM_F_REQUEST | v->flags;
	e->head = mnl_nlmsg_put_extra_header(e->nlh, o->layout.size);
	e->filter = (v->flags & NLM_F_DUMP) == NLM_F_DUMP;
	e->path[0] = '\0';
	add_key(e->path, sizeof(e->path), o->name);
	lua_pushvalue(e->L, t);
	put_table(e, &o->layout, e->head, false);
	lua_pop(e->L, 1);
	if (o->family)
		e->head[0] = e->family;
	if (e->filter && o->list)
		put_bytes(e, o->list, &o->value, sizeof(o->value));
	return e->error == 0;
}

/* -- Decoding -------------------------------------------------------- */

void push_word(struct decoder *d, const char *text)
{
	size_t place = (uintptr_t)text % WORDS;

	if (!d->words) {
		lua_pushstring(d->L, text);
	} else if (d->words->texts[place] == text) {
		lua_rawgeti(d->L, d->words->at, (int)place + 1);
	} else {
		lua_pushstring(d->L, text);
		lua_pushvalue(d->L, -1);
		lua_rawseti(d->L, d->words->at, (int)place + 1);
		d->words->texts[place] = text;
	}
}

/* Set a key of the table on top of the stack to what a row's payload says. */
static void push_field(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	if (f->is & INLINE) {
		f->kind->push(d, f, p, len);
		return;
	}
	push_word(d, f->key);
	d->keys++;
	if (f->kind->push(d, f, p, len))
		lua_rawset(d->L, -3);
	else
		lua_pop(d->L, 1);
}

bool bad(struct decoder *d)
{
	d->bad = true;
	return false;
}

static bool is_zero(const char *p, size_t len)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	return len == 0;
}

/* Members of a struct; those beyond its length are from a newer kernel. */
static void push_members(struct decoder *d, const struct field *rows,
			 const char *base, size_t len)
{
	for (; rows->key; rows++)
		if ((size_t)rows->where + rows->size <= len &&
		    !(rows->is & SPARSE &&
		      is_zero(base + rows->where, rows->size)))
			push_field(d, rows, base + rows->where, rows->size);
}

static const struct field *find(const struct field *rows, unsigned int type)
{
	for (; rows->key; rows++)
		if (rows->where == type)
			return rows;
	return NULL;
}

/* Whether an attribute has the size of its kind; else the message is bad. */
static bool fits(struct decoder *d, const struct field *f,
		 const struct nlattr *a)
{
	return !f->kind->size || f->kind->size == mnl_attr_get_payload_len(a) ||
	       bad(d);
}

static void push_attrs(struct decoder *d, const struct field *rows,
		       const char *start, const char *end)
{
	const char *attrs = d->attrs, *attrs_end = d->end;
	const struct nlattr *a = (const struct nlattr *)start;
	const struct field *f;

	luaL_checkstack(d->L, 8, NULL);
	d->attrs = start;
	d->end = end;
	if (++d->depth > DEPTH_MAX)
		d->bad = true;
	for (; !d->bad && mnl_attr_ok(a, (int)(end - (const char *)a));
	     a = mnl_attr_next(a)) {
		f = find(rows, mnl_attr_get_type(a));
		if (f && fits(d, f, a))
			push_field(d, f, mnl_attr_get_payload(a),
				   mnl_attr_get_payload_len(a));
	}
	d->depth--;
	d->attrs = attrs;
	d->end = attrs_end;
}

/* Fill the table on top of the stack from a header and its attributes. */
static void push_layout(struct decoder *d, const struct layout *layout,
			const char *start, size_t len)
{
	push_members(d, layout->head, start, layout->size);
	push_attrs(d, layout->attrs, start + NLMSG_ALIGN(layout->size),
		   start + len);
}

bool decode(struct decoder *d, const struct object *o,
	    const struct nlmsghdr *nlh)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	int top = lua_gettop(d->L);

	if (mnl_nlmsg_get_payload_len(nlh) < o->layout.size)
		return false;
	d->head = mnl_nlmsg_get_payload(nlh);
	d->bad = false;
	d->keys = 0;
	lua_createtable(d->L, 0, d->words ? d->words->keys : 0);
	push_layout(d, &o->layout, d->head, len);
	if (d->words)
		d->words->keys = d->keys < KEYS_MAX ? d->keys : KEYS_MAX;
	if (d->bad)
		lua_settop(d->L, top);
	return !d->bad;
}

/* -- Kinds made of others -------------------------------------------- */

/* The length of the list on top of the stack. */
static int checklist(struct encoder *e)
{
	int count = 0;

	if (!lua_istable(e->L, -1))
		misuse(e->L, "%s: a %s is not a list", e->path,
		       luaL_typename(e->L, -1));
	for (lua_pushnil(e->L); lua_next(e->L, -2); lua_pop(e->L, 1))
		count++;
	if (count != (int)lua_rawlen(e->L, -1))
		misuse(e->L, "%s: a table with names is not a list", e->path);
	return count;
}

static struct nlattr *nest_start(struct encoder *e, unsigned short type)
{
	struct nlattr *nest = mnl_attr_nest_start_check(e->nlh, e->size, type);

	if (!nest)
		put_bytes(e, type, NULL, e->size);
	return nest;
}

/* Add a fixed header of zeros. */
static void put_room(struct encoder *e, const struct field *f, size_t size)
{
	if (e->nlh->nlmsg_len + NLMSG_ALIGN(size) > e->size)
		put_bytes(e, f->where, NULL, e->size);
	mnl_nlmsg_put_extra_header(e->nlh, size);
}

static void nest_end(struct encoder *e, struct nlattr *nest)
{
	const char *tail = mnl_nlmsg_get_payload_tail(e->nlh);

	if (tail - (const char *)nest > UINT16_MAX)
		misuse(e->L, "%s: longer than an attribute can be", e->path);
	mnl_attr_nest_end(e->nlh, nest);
}

static void put_nest(struct encoder *e, const struct field *f)
{
	struct layout rows = { .attrs = f->more };
	struct nlattr *nest = nest_start(e, f->where);

	put_table(e, &rows, NULL, f->is & INLINE);
	if (f->is & INLINE && mnl_nlmsg_get_payload_tail(e->nlh) == nest + 1)
		mnl_attr_nest_cancel(e->nlh, nest);
	else
		nest_end(e, nest);
}

static bool push_nest(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	if (!(f->is & INLINE))
		lua_newtable(d->L);
	push_attrs(d, f->more, p, (const char *)p + len);
	return !(f->is & INLINE);
}

static const struct field no_rows[] = { END };

/* A lifetime that is not given does not end; anything else is 0. */
static size_t pull_record(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	struct layout rows = { .head = f->more, .attrs = no_rows };
	const struct field *row;

	for (row = f->more; row->key; row++)
		if (row->kind == &kind_forever)
			memset(out + row->where, 0xff, row->size);
	put_table(e, &rows, out, f->is & INLINE);
	return f->size;
}

static bool push_record(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	if (!(f->is & INLINE))
		lua_newtable(d->L);
	push_members(d, f->more, p, len);
	return !(f->is & INLINE);
}

/* The choice for a kind; the empty one at the end of the list if none. */
static const struct choice *choose(const struct choices *choices,
				   const char *kind)
{
	const struct choice *c = choices->list;

	while (c->kind && !(kind && strcmp(c->kind, kind) == 0))
		c++;
	return c;
}

/* The rows of the kind that the table names; its values are a table under the
 * key of that kind. */
static void put_choice(struct encoder *e, const struct field *f)
{
	const struct choices *choices = f->more;
	struct field chosen = { .kind = &kind_nest, .where = f->where };
	const struct choice *c;

	for (c = choices->list; c->kind; c++) {
		lua_getfield(e->L, -1, c->key);
		chosen.key = c->key;
		chosen.more = c->rows;
		if (!lua_isnil(e->L, -1))
			put_row(e, &chosen, NULL, lua_gettop(e->L) - 1);
		lua_pop(e->L, 1);
	}
}

static bool push_choice(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	const struct choices *choices = f->more;
	const struct choice *c;

	lua_getfield(d->L, -1, choices->by);
	c = choose(choices, lua_tostring(d->L, -1));
	lua_pop(d->L, 1);
	if (!c->rows)
		return false;
	lua_newtable(d->L);
	push_attrs(d, c->rows, p, (const char *)p + len);
	lua_setfield(d->L, -2, c->key);
	return false;
}

/* A whole message inside of an attribute: the peer of a veth. */
static void put_message(struct encoder *e, const struct field *f)
{
	const struct layout *layout = f->more;
	struct nlattr *nest = nest_start(e, f->where);
	unsigned char *base = mnl_nlmsg_get_payload_tail(e->nlh);

	put_room(e, f, layout->size);
	put_table(e, layout, base, false);
	nest_end(e, nest);
}

static bool push_message(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	const struct layout *layout = f->more;

	if (len < layout->size)
		return bad(d);
	lua_newtable(d->L);
	push_layout(d, layout, p, len);
	return true;
}

/* Add each element of the list on top of the stack, all in one attribute. */
static void put_each(struct encoder *e, const struct field *f,
		     void (*put)(struct encoder *e, const struct field *f))
{
	struct nlattr *nest = nest_start(e, f->where);
	size_t len = strlen(e->path);
	int i, count = checklist(e);

	for (i = 1; i <= count && !e->error; i++) {
		snprintf(e->path + len, sizeof(e->path) - len, "[%d]", i);
		lua_rawgeti(e->L, -1, i);
		put(e, f);
		lua_pop(e->L, 1);
	}
	e->path[len] = '\0';
	nest_end(e, nest);
}

/* A list of elements of one row: { "name", ... } */
static void put_element(struct encoder *e, const struct field *f)
{
	put_value(e, f->more, NULL);
}

static void put_list(struct encoder *e, const struct field *f)
{
	put_each(e, f, put_element);
}

static bool push_list(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	const struct field *element = f->more;
	const char *end = (const char *)p + len;
	const struct nlattr *a = p;
	int i = 0;

	lua_newtable(d->L);
	for (; mnl_attr_ok(a, (int)(end - (const char *)a));
	     a = mnl_attr_next(a))
		if (mnl_attr_get_type(a) == element->where &&
		    fits(d, element, a) &&
		    element->kind->push(d, element, mnl_attr_get_payload(a),
					mnl_attr_get_payload_len(a)))
			lua_rawseti(d->L, -2, ++i);
	return true;
}

/* RTA_MULTIPATH: next hops, each with its length in front. */
static void put_hop(struct encoder *e, const struct field *f)
{
	struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(e->nlh);
	const char *end;

	put_room(e, f, sizeof(*hop));
	put_table(e, f->more, (unsigned char *)hop, false);
	end = mnl_nlmsg_get_payload_tail(e->nlh);
	hop->rtnh_len = (unsigned short)(end - (const char *)hop);
}

static void put_hops(struct encoder *e, const struct field *f)
{
	put_each(e, f, put_hop);
}

static bool push_hops(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	const struct rtnexthop *hop = p;
	int left = (int)len, i = 0;

	lua_newtable(d->L);
	for (; left > 0; hop = RTNH_NEXT(hop)) {
		if (left < (int)sizeof(*hop) || !RTNH_OK(hop, left))
			return lua_pop(d->L, 1), bad(d);
		left -= RTNH_ALIGN(hop->rtnh_len);
		lua_newtable(d->L);
		push_layout(d, f->more, (const char *)hop, hop->rtnh_len);
		lua_rawseti(d->L, -2, ++i);
	}
	return true;
}

const struct kind kind_nest = { "nest", 0, push_nest, NULL, put_nest };
const struct kind kind_record = { "record", 0, push_record, pull_record, NULL };
const struct kind kind_choice = { "choice", 0, push_choice, NULL, put_choice };
const struct kind kind_message = { "message", 0, push_message, NULL,
				   put_message };
const struct kind kind_list = { "list", 0, push_list, NULL, put_list };
const struct kind kind_hops = { "hops", 0, push_hops, NULL, put_hops };

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
		c = choose(f->more, kind);
		add_key(path, size, c->key ? c->key : kind);
		return c->rows;
	}
	if (!(f->is & INLINE))
		add_key(path, size, f->key);
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
		f = find(rows, mnl_attr_get_type(a));
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

void attribute_path(const struct object *o, const struct nlmsghdr *nlh,
		    unsigned int offset, unsigned int missing, char *path,
		    size_t size)
{
	const char *start = mnl_nlmsg_get_payload_offset(nlh, o->layout.size);
	const struct field *rows = o->layout.attrs;

	*path = '\0';
	if (offset)
		rows = locate(rows, start, mnl_nlmsg_get_payload_tail(nlh),
			      (const char *)nlh + offset, path, size);
	if (missing && rows)
		rows = find(rows, missing);
	if (missing && rows)
		add_key(path, size, rows->key);
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

	const struct object *o = checkobject(L, 1);

	luaL_checktype(L, 3, LUA_TTABLE);
	encode(&e, o, checkverb(L, 2, o), 3);
	lua_pushlstring(L, (char *)bytes, e.nlh->nlmsg_len);
	return 1;
}

const struct nlmsghdr *checkmessage(lua_State *L, int at)
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
	const struct object *o = checkobject(L, 1);
	const struct nlmsghdr *nlh = checkmessage(L, 2);
	struct decoder d = { .L = L };

	if (nlh && decode(&d, o, nlh))
		return 1;
	errno = EBADMSG;
	return fail(L, "%s", o->name);
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
	const struct object *o = checkobject(L, 1);

	lua_newtable(L);
	push_rows(L, o->layout.head, 0);
	push_rows(L, o->layout.attrs, 0);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "encode", core_encode },
	{ "decode", core_decode },
	{ "fields", core_fields },
	{ NULL, NULL },
};

void open_attr(lua_State *L)
{
	setfuncs(L, functions);
}
