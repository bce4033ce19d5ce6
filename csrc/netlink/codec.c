/* codec.c -- the one encoder and the one decoder of rtnetlink objects. Both
 * walk the rows of an object; neither knows a socket. */
#include "codec.h"

#include "../names.h"
#include "path.h"

#include <linux/rtnetlink.h>
#include <string.h>

/* -- Keys and values ------------------------------------------------- */

_Noreturn void raise_key(struct encoder *e, const char *expected)
{
	raise_value(e->L, -1, e->path, expected);
}

const char *encode_text(struct encoder *e, const char *expected)
{
	if (lua_type(e->L, -1) != LUA_TSTRING ||
	    strlen(lua_tostring(e->L, -1)) != lua_rawlen(e->L, -1))
		raise_key(e, expected);
	return lua_tostring(e->L, -1);
}

static void list_keys(const struct field *rows, struct names *names)
{
	const struct choice *c;

	for (; rows->key; rows++) {
		if (rows->is & DUMP)
			continue;
		if (rows->choices) {
			for (c = rows->choices->list; c->kind; c++)
				names_add(names, c->key);
		} else if (rows->is & INLINE) {
			list_keys(rows->rows, names);
		} else {
			names_add(names, rows->key);
		}
	}
}

static _Noreturn void raise_unknown(struct encoder *e,
				    const struct layout *layout, int key)
{
	const char *words = push_words(e->L, key);
	struct names names = { .count = 0 };

	if (layout->head)
		list_keys(layout->head, &names);
	list_keys(layout->attrs, &names);
	raise_misuse(e->L, "%s: no key %s; there are: %s", e->path, words,
		     names_push(e->L, &names, lua_tostring(e->L, key - 1)));
}

/* -- Encoding -------------------------------------------------------- */

void encode_bytes(struct encoder *e, unsigned short type, const void *bytes,
		  size_t len)
{
	struct nlattr *a = mnl_nlmsg_get_payload_tail(e->nlh);

	if (!mnl_attr_put_check(e->nlh, e->size, type, len, bytes))
		raise_misuse(e->L, "%s: the request is longer than %d bytes",
			     e->path, (int)e->size);
	/* libmnl before 1.0.5 leaves the padding as it was. */
	memset((char *)mnl_attr_get_payload(a) + len, 0,
	       NLMSG_ALIGN(len) - len);
}

void encode_value(struct encoder *e, const struct field *f, unsigned char *base)
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
		encode_bytes(e, f->where, value, len);
}

void encode_row(struct encoder *e, const struct field *f, unsigned char *base,
		int table)
{
	size_t len = strlen(e->path);

	if (f->is & READ || (e->filter && !(f->is & (FILTER | INLINE))))
		return;
	luaL_checkstack(e->L, 8, NULL);
	if (f->is & INLINE) {
		lua_pushvalue(e->L, table);
	} else {
		lua_getfield(e->L, table, f->key);
		path_add(e->path, sizeof(e->path), f->key);
	}
	encode_value(e, f, base);
	e->path[len] = '\0';
	lua_pop(e->L, 1);
}

static void put_marked(struct encoder *e, const struct field *rows,
		       const bool *marks, unsigned char *base, int table)
{
	size_t i;

	for (i = 0; rows && rows[i].key && !e->error; i++)
		if (marks[i])
			encode_row(e, &rows[i], base, table);
}

/* Mark the rows that write a key; without a filter those of a dump do not. */
static bool mark_key(struct encoder *e, const struct field *rows,
		     const char *key, bool *marks)
{
	bool found = false;
	size_t i;

	for (i = 0; rows && rows[i].key; i++)
		if (schema_reads(&rows[i], key) &&
		    (e->filter || !(rows[i].is & DUMP)))
			found = marks[i] = true;
	return found;
}

void encode_table(struct encoder *e, const struct layout *layout,
		  unsigned char *base, bool shared)
{
	bool head[ROWS_MAX] = { false }, attrs[ROWS_MAX] = { false };
	lua_State *L = e->L;
	int table = lua_gettop(L);
	const char *key;
	bool found;

	if (!lua_istable(L, table))
		raise_misuse(L, "%s: a %s is not a table", e->path,
			     luaL_typename(L, table));
	if (++e->depth > DEPTH_MAX)
		raise_misuse(L, "%s: a table inside of too many others",
			     e->path);
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			raise_misuse(L, "%s: a key is a %s", e->path,
				     luaL_typename(L, -2));
		key = lua_tostring(L, -2);
		if (strlen(key) != lua_rawlen(L, -2))
			raise_unknown(e, layout, -2);
		found = mark_key(e, layout->head, key, head);
		found = mark_key(e, layout->attrs, key, attrs) || found;
		if (!found && !shared)
			raise_unknown(e, layout, -2);
	}
	put_marked(e, layout->head, head, base, table);
	if (layout->head && base == e->head)
		e->family = e->head[0];
	put_marked(e, layout->attrs, attrs, NULL, table);
	e->depth--;
}

bool codec_encode(struct encoder *e, const struct object *o,
		  const struct verb *v, int t)
{
	e->nlh = mnl_nlmsg_put_header(e->nlh);
	e->nlh->nlmsg_type = o->type + v->type;
	e->nlh->nlmsg_flags = NLM_F_REQUEST | v->flags;
	e->head = mnl_nlmsg_put_extra_header(e->nlh, o->layout.size);
	e->filter = (v->flags & NLM_F_DUMP) == NLM_F_DUMP;
	e->path[0] = '\0';
	path_add(e->path, sizeof(e->path), o->name);
	lua_pushvalue(e->L, t);
	encode_table(e, &o->layout, e->head, false);
	lua_pop(e->L, 1);
	if (o->family)
		e->head[0] = e->family;
	if (e->filter && o->list)
		encode_bytes(e, o->list, &o->value, sizeof(o->value));
	return e->error == 0;
}

/* -- Decoding -------------------------------------------------------- */

void decode_word(struct decoder *d, const char *text)
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
static void decode_field(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	if (f->is & INLINE) {
		f->kind->push(d, f, p, len);
		return;
	}
	decode_word(d, f->key);
	d->keys++;
	if (f->kind->push(d, f, p, len))
		lua_rawset(d->L, -3);
	else
		lua_pop(d->L, 1);
}

bool decode_bad(struct decoder *d)
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

/* Members beyond the length of a struct are of a newer kernel. */
void decode_members(struct decoder *d, const struct field *rows,
		    const char *base, size_t len)
{
	for (; rows->key; rows++)
		if ((size_t)rows->where + rows->size <= len &&
		    !(rows->is & SPARSE &&
		      is_zero(base + rows->where, rows->size)))
			decode_field(d, rows, base + rows->where, rows->size);
}

/* Whether an attribute has the size of its kind; else the message is bad. */
static bool fits(struct decoder *d, const struct field *f,
		 const struct nlattr *a)
{
	if (!f->kind->size || f->kind->size == mnl_attr_get_payload_len(a))
		return true;
	return decode_bad(d);
}

bool decode_attr(struct decoder *d, const struct field *f,
		 const struct nlattr *a)
{
	return fits(d, f, a) && f->kind->push(d, f, mnl_attr_get_payload(a),
					      mnl_attr_get_payload_len(a));
}

void decode_attrs(struct decoder *d, const struct field *rows,
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
		f = schema_find(rows, mnl_attr_get_type(a));
		if (f && fits(d, f, a))
			decode_field(d, f, mnl_attr_get_payload(a),
				     mnl_attr_get_payload_len(a));
	}
	d->depth--;
	d->attrs = attrs;
	d->end = attrs_end;
}

/* Fill the table on top of the stack from a header and its attributes. */
void decode_layout(struct decoder *d, const struct layout *layout,
		   const char *start, size_t len)
{
	decode_members(d, layout->head, start, layout->size);
	decode_attrs(d, layout->attrs, start + NLMSG_ALIGN(layout->size),
		     start + len);
}

bool codec_decode(struct decoder *d, const struct object *o,
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
	decode_layout(d, &o->layout, d->head, len);
	if (d->words)
		d->words->keys = d->keys < KEYS_MAX ? d->keys : KEYS_MAX;
	if (d->bad)
		lua_settop(d->L, top);
	return !d->bad;
}
