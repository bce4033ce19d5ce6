/* nest.c -- the kinds made of others: nests, records, lists, messages inside of
 * messages, next hops. */
#include "nest.h"

#include "codec.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* The length of the list on top of the stack. */
static int check_list(struct encoder *e)
{
	int count = 0;

	if (!lua_istable(e->L, -1))
		raise_misuse(e->L, "%s: a %s is not a list", e->path,
			     luaL_typename(e->L, -1));
	for (lua_pushnil(e->L); lua_next(e->L, -2); lua_pop(e->L, 1))
		count++;
	if (count != (int)lua_rawlen(e->L, -1))
		raise_misuse(e->L, "%s: a table with names is not a list",
			     e->path);
	return count;
}

static struct nlattr *nest_start(struct encoder *e, unsigned short type)
{
	struct nlattr *nest = mnl_attr_nest_start_check(e->nlh, e->size, type);

	if (!nest)
		encode_bytes(e, type, NULL, e->size);
	return nest;
}

/* Add a fixed header of zeros. */
static void put_room(struct encoder *e, const struct field *f, size_t size)
{
	if (e->nlh->nlmsg_len + NLMSG_ALIGN(size) > e->size)
		encode_bytes(e, f->where, NULL, e->size);
	mnl_nlmsg_put_extra_header(e->nlh, size);
}

static void nest_end(struct encoder *e, struct nlattr *nest)
{
	const char *tail = mnl_nlmsg_get_payload_tail(e->nlh);

	if (tail - (const char *)nest > UINT16_MAX)
		raise_misuse(e->L, "%s: longer than an attribute can be",
			     e->path);
	mnl_attr_nest_end(e->nlh, nest);
}

static void put_nest(struct encoder *e, const struct field *f)
{
	struct layout rows = { .attrs = f->rows };
	struct nlattr *nest = nest_start(e, f->where);

	encode_table(e, &rows, NULL, f->is & INLINE);
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
	decode_attrs(d, f->rows, p, (const char *)p + len);
	return !(f->is & INLINE);
}

static const struct field no_rows[] = { END };

/* Members without a value are what their kind fills them with. */
static size_t pull_record(struct encoder *e, const struct field *f,
			  unsigned char *out)
{
	struct layout rows = { .head = f->rows, .attrs = no_rows };
	const struct field *row;

	for (row = f->rows; row->key; row++)
		memset(out + row->where, row->kind->filler, row->size);
	encode_table(e, &rows, out, f->is & INLINE);
	return f->size;
}

static bool push_record(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	if (!(f->is & INLINE))
		lua_newtable(d->L);
	decode_members(d, f->rows, p, len);
	return !(f->is & INLINE);
}

/* The rows of the kind that the table names; its values are a table under the
 * key of that kind. */
static void put_choice(struct encoder *e, const struct field *f)
{
	struct field chosen = { .kind = &kind_nest, .where = f->where };
	const struct choice *c;

	for (c = f->choices->list; c->kind; c++) {
		lua_getfield(e->L, -1, c->key);
		chosen.key = c->key;
		chosen.rows = c->rows;
		if (!lua_isnil(e->L, -1))
			encode_row(e, &chosen, NULL, lua_gettop(e->L) - 1);
		lua_pop(e->L, 1);
	}
}

static bool push_choice(struct decoder *d, const struct field *f, const void *p,
			size_t len)
{
	const struct choice *c;

	lua_getfield(d->L, -1, f->choices->by);
	c = schema_choose(f->choices, lua_tostring(d->L, -1));
	lua_pop(d->L, 1);
	if (!c->rows)
		return false;
	lua_newtable(d->L);
	decode_attrs(d, c->rows, p, (const char *)p + len);
	lua_setfield(d->L, -2, c->key);
	return false;
}

/* A whole message inside of an attribute: the peer of a veth. */
static void put_message(struct encoder *e, const struct field *f)
{
	const struct layout *layout = f->layout;
	struct nlattr *nest = nest_start(e, f->where);
	unsigned char *base = mnl_nlmsg_get_payload_tail(e->nlh);

	put_room(e, f, layout->size);
	encode_table(e, layout, base, false);
	nest_end(e, nest);
}

static bool push_message(struct decoder *d, const struct field *f,
			 const void *p, size_t len)
{
	const struct layout *layout = f->layout;

	if (len < layout->size)
		return decode_bad(d);
	lua_newtable(d->L);
	decode_layout(d, layout, p, len);
	return true;
}

/* Add each element of the list on top of the stack, all in one attribute. */
static void put_each(struct encoder *e, const struct field *f,
		     void (*put)(struct encoder *e, const struct field *f))
{
	struct nlattr *nest = nest_start(e, f->where);
	size_t len = strlen(e->path);
	int i, count = check_list(e);

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
	encode_value(e, f->rows, NULL);
}

static void put_list(struct encoder *e, const struct field *f)
{
	put_each(e, f, put_element);
}

static bool push_list(struct decoder *d, const struct field *f, const void *p,
		      size_t len)
{
	const struct field *element = f->rows;
	const char *end = (const char *)p + len;
	const struct nlattr *a = p;
	int i = 0;

	lua_newtable(d->L);
	for (; mnl_attr_ok(a, (int)(end - (const char *)a));
	     a = mnl_attr_next(a))
		if (mnl_attr_get_type(a) == element->where &&
		    decode_attr(d, element, a))
			lua_rawseti(d->L, -2, ++i);
	return true;
}

/* Records one behind the other. */
static void put_record(struct encoder *e, const struct field *f)
{
	struct layout rows = { .head = f->rows, .attrs = no_rows };
	unsigned char *base = mnl_nlmsg_get_payload_tail(e->nlh);

	put_room(e, f, f->size);
	encode_table(e, &rows, base, false);
}

static void put_array(struct encoder *e, const struct field *f)
{
	struct nlattr *a = mnl_nlmsg_get_payload_tail(e->nlh);

	put_each(e, f, put_record);
	a->nla_type = f->where; /* its bytes are no attributes */
}

static bool push_array(struct decoder *d, const struct field *f, const void *p,
		       size_t len)
{
	const char *record = p;
	int i = 0;

	if (len % f->size != 0)
		return decode_bad(d);
	lua_newtable(d->L);
	for (; len > 0; len -= f->size, record += f->size) {
		lua_newtable(d->L);
		decode_members(d, f->rows, record, f->size);
		lua_rawseti(d->L, -2, ++i);
	}
	return true;
}

/* RTA_MULTIPATH: next hops, each with its length in front. */
static void put_hop(struct encoder *e, const struct field *f)
{
	struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(e->nlh);
	const char *end;

	put_room(e, f, sizeof(*hop));
	encode_table(e, f->layout, (unsigned char *)hop, false);
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
			return lua_pop(d->L, 1), decode_bad(d);
		left -= RTNH_ALIGN(hop->rtnh_len);
		lua_newtable(d->L);
		decode_layout(d, f->layout, (const char *)hop, hop->rtnh_len);
		lua_rawseti(d->L, -2, ++i);
	}
	return true;
}

#define KIND(NAME, SHAPE, ...)                                                 \
	const struct kind kind_##NAME = { .name = #NAME,                       \
					  .shape = SHAPE,                      \
					  .push = push_##NAME,                 \
					  __VA_ARGS__ }

KIND(nest, NEST, .put = put_nest);
KIND(record, RECORD, .pull = pull_record);
KIND(choice, CHOICE, .put = put_choice);
KIND(message, MESSAGE, .put = put_message);
KIND(array, ARRAY, .put = put_array);
KIND(list, LIST, .put = put_list);
KIND(hops, HOPS, .put = put_hops);
