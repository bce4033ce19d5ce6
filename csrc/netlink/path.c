/* path.c -- where in a request something stands, as keys: the kernel gives an
 * offset, a caller wants the name. */
#include "path.h"

#include "message.h"

#include <libmnl/libmnl.h>
#include <string.h>

void path_add(char *path, size_t size, const char *key)
{
	char *end = path + strlen(path), *limit = path + size - 1;

	if (end > path && end < limit)
		*end++ = '.';
	while (*key && end < limit)
		*end++ = *key++;
	*end = '\0';
}

/* The rows inside of an attribute, and where they begin. */
struct level {
	const struct field *rows; /* NULL: none */
	const char *start, *end;
};

static int level_left(const struct level *l, const struct nlattr *a)
{
	return (int)(l->end - (const char *)a);
}

/* The text that the choices of a level go by; NULL when it has none. */
static const char *level_kind(const struct level *l, const char *by)
{
	const struct nlattr *a = (const struct nlattr *)l->start;
	const struct field *f;

	for (; mnl_attr_ok(a, level_left(l, a)); a = mnl_attr_next(a)) {
		f = schema_find(l->rows, mnl_attr_get_type(a));
		if (f && strcmp(f->key, by) == 0)
			return memchr(mnl_attr_get_payload(a), '\0',
				      mnl_attr_get_payload_len(a))
				       ? mnl_attr_get_str(a)
				       : NULL;
	}
	return NULL;
}

/* The level inside of an attribute, whose key is added to the path. */
static struct level level_inside(const struct level *l, const struct field *f,
				 const struct nlattr *a, char *path,
				 size_t size)
{
	struct level inside = { f->rows, mnl_attr_get_payload(a),
				(const char *)a + mnl_attr_get_len(a) };
	const struct choice *c;
	const char *kind;

	if (f->choices) {
		kind = level_kind(l, f->choices->by);
		c = schema_choose(f->choices, kind);
		if (kind)
			path_add(path, size, c->key ? c->key : kind);
		inside.rows = c->rows;
	} else if (!(f->is & INLINE)) {
		path_add(path, size, f->key);
	}
	if (f->kind->shape == MESSAGE) {
		inside.rows = f->layout->attrs;
		inside.start += NLMSG_ALIGN(f->layout->size);
	} else if (f->kind->shape != NEST && f->kind->shape != CHOICE) {
		inside.rows = NULL;
	}
	return inside;
}

/* Add the keys down to the attribute at `at`; returns the rows inside it. */
static const struct field *path_locate(struct level l, const char *at,
				       char *path, size_t size)
{
	const struct nlattr *a = (const struct nlattr *)l.start;
	const struct field *f;

	while (mnl_attr_ok(a, level_left(&l, a))) {
		if (at >= (const char *)mnl_attr_next(a)) {
			a = mnl_attr_next(a);
			continue;
		}
		f = schema_find(l.rows, mnl_attr_get_type(a));
		if (!f || at < (const char *)a)
			return NULL;
		l = level_inside(&l, f, a, path, size);
		if (at == (const char *)a || !l.rows)
			return l.rows;
		a = (const struct nlattr *)l.start;
	}
	return NULL;
}

void path_of(const struct object *o, const struct nlmsghdr *nlh,
	     unsigned int offset, unsigned int missing, char *path, size_t size)
{
	struct level top = { o->layout.attrs,
			     mnl_nlmsg_get_payload_offset(nlh, o->layout.size),
			     message_end(nlh) };
	const struct field *rows = top.rows;

	*path = '\0';
	if (offset)
		rows = path_locate(top, (const char *)nlh + offset, path, size);
	if (missing && rows)
		rows = schema_find(rows, missing);
	if (missing && rows)
		path_add(path, size, rows->key);
}
