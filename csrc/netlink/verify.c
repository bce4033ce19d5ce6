/* verify.c -- whether rows say what their kinds need. The compiler knows the
 * type of each member, not which of them a kind reads. */
#include "verify.h"

#include "path.h"

#include <stdio.h>
#include <string.h>

#ifdef TUN_DEBUG

/* The members of a row that are for some shapes only. */
enum {
	MOST = 1,
	DIVISOR = 2,
	LENGTH_AT = 4,
	READONLY = 8,
	LABELS = 16,
	ROWS = 32,
	LAYOUT = 64,
	CHOICES = 128,
	SIZE = 256,
	FILTERED = 512,
	MEMBERS = 10,
};

static const char *const members[MEMBERS] = {
	".most", ".divisor", ".length_at", ".readonly", ".labels",
	".rows", ".layout",  ".choices",   ".size",	".filter",
};

static const struct {
	unsigned short needs, may;
} shapes[] = {
	[TEXT] = { 0, MOST },
	[PREFIX] = { LENGTH_AT, 0 },
	[SCALED] = { DIVISOR, 0 },
	[NAMED] = { LABELS, 0 },
	[FLAGS] = { LABELS, READONLY | FILTERED },
	[NEST] = { ROWS, 0 },
	[RECORD] = { ROWS | SIZE, 0 },
	[ARRAY] = { ROWS | SIZE, 0 },
	[LIST] = { ROWS, 0 },
	[MESSAGE] = { LAYOUT, 0 },
	[HOPS] = { LAYOUT, 0 },
	[CHOICE] = { CHOICES, 0 },
};

struct verifier {
	char path[96], fault[192];
};

static bool fault(struct verifier *v, const char *what, const char *name)
{
	snprintf(v->fault, sizeof(v->fault), "%s: %s%s", v->path, what, name);
	return false;
}

static unsigned int members_of(const struct field *f)
{
	return (f->most ? MOST : 0) | (f->divisor ? DIVISOR : 0) |
	       (f->length_at ? LENGTH_AT : 0) | (f->readonly ? READONLY : 0) |
	       (f->labels ? LABELS : 0) | (f->rows ? ROWS : 0) |
	       (f->layout ? LAYOUT : 0) | (f->choices ? CHOICES : 0) |
	       (f->size ? SIZE : 0) | (f->filter ? FILTERED : 0);
}

/* The member of a set that comes first. */
static const char *first_of(unsigned int set)
{
	size_t i = 0;

	while (!(set & 1U << i))
		i++;
	return members[i];
}

static bool verify_members(struct verifier *v, const struct field *f,
			   bool header)
{
	unsigned int has = members_of(f), needs = shapes[f->kind->shape].needs;
	unsigned int may = needs | shapes[f->kind->shape].may;

	if (header)
		needs |= SIZE, may |= SIZE;
	if (needs & ~has)
		return fault(v, "needs ", first_of(needs & ~has));
	if (has & ~may)
		return fault(v, "its kind has no use for ",
			     first_of(has & ~may));
	return true;
}

/* A member of a header or record of some size. */
static bool verify_place(struct verifier *v, const struct field *f, size_t size)
{
	if (f->kind->size && f->kind->size != f->size)
		return fault(v, "its size is not that of kind ", f->kind->name);
	if ((size_t)f->where + f->size > size)
		return fault(v, "stands behind the end of its header", "");
	return true;
}

/* Whether a request can have it: as an attribute, or as a member. */
static bool verify_request(struct verifier *v, const struct field *f,
			   bool header)
{
	if (f->kind->pull || (f->kind->put && !header))
		return true;
	return fault(v,
		     header ? "in a header it can only be READ: kind "
			    : "can only be READ: kind ",
		     f->kind->name);
}

/* Whether all names are of numbers that the kind can hold. */
static bool verify_labels(struct verifier *v, const struct field *f)
{
	size_t size = f->kind->size == 8 ? 4 : f->kind->size;
	const struct label *row;

	for (row = f->labels; row && row->name; row++)
		if (row->value >> (8 * size))
			return fault(v, "its kind cannot hold ", row->name);
	return true;
}

static bool verify_use(struct verifier *v, const struct field *f)
{
	unsigned char shape = f->kind->shape;
	bool nested = shape == NEST || shape == RECORD || shape == CHOICE;

	if (!(f->is & INLINE) != (*f->key != '\0'))
		return fault(v, "INLINE goes with a key that is \"\"", "");
	if (f->is & INLINE && !nested)
		return fault(v, "cannot be INLINE: kind ", f->kind->name);
	if (f->most > VALUE_MAX || f->size > VALUE_MAX)
		return fault(v, "longer than a value can be", "");
	if (shape == ARRAY && f->size % NLMSG_ALIGNTO != 0)
		return fault(v, "elements that are not aligned", "");
	if (shape == LIST && f->rows[1].key)
		return fault(v, "a list has elements of one row", "");
	return true;
}

static bool verify_rows(struct verifier *v, const struct field *rows,
			const size_t *size, unsigned int is, int depth);

/* What is inside of a row. A message has the rows of an object. */
static bool verify_inside(struct verifier *v, const struct field *f,
			  unsigned int is, int depth)
{
	const struct choice *c = f->choices ? f->choices->list : NULL;
	size_t len = strlen(v->path), size = f->size;

	if (f->kind->shape == RECORD || f->kind->shape == ARRAY)
		return verify_rows(v, f->rows, &size, is, depth);
	if (f->kind->shape == HOPS)
		return verify_rows(v, f->layout->head, &f->layout->size, is,
				   depth) &&
		       verify_rows(v, f->layout->attrs, NULL, is, depth);
	for (; c && c->kind; c++) {
		path_add(v->path, sizeof(v->path), c->key);
		if (!verify_rows(v, c->rows, NULL, is, depth))
			return false;
		v->path[len] = '\0';
	}
	return !f->rows || verify_rows(v, f->rows, NULL, is, depth);
}

/* Whether a row stands alone with its type, behind what it goes by. */
static bool verify_neighbours(struct verifier *v, const struct field *rows,
			      const struct field *f)
{
	const struct field *before = rows;

	if (schema_find(rows, f->where) != f && !(f->is & DUMP))
		return fault(v, "its type is taken by ",
			     schema_find(rows, f->where)->key);
	if (!f->choices)
		return true;
	while (before < f && strcmp(before->key, f->choices->by) != 0)
		before++;
	return before < f && before->kind->shape == TEXT
		       ? true
		       : fault(v, "no text before it is ", f->choices->by);
}

/* Rows of a header or record of some size, or of attributes: NULL. */
static bool verify_rows(struct verifier *v, const struct field *rows,
			const size_t *size, unsigned int is, int depth)
{
	size_t len = strlen(v->path);
	const struct field *f;

	if (depth > DEPTH_MAX)
		return fault(v, "nested too deep", "");
	for (f = rows; f->key; f++) {
		path_add(v->path, sizeof(v->path),
			 *f->key ? f->key : "(inline)");
		if (f - rows >= ROWS_MAX)
			return fault(v, "more rows than ROWS_MAX", "");
		if (!f->kind || !f->kind->push)
			return fault(v, "has no kind", "");
		if (!verify_members(v, f, size != NULL) || !verify_use(v, f) ||
		    !verify_labels(v, f) ||
		    (size && !verify_place(v, f, *size)) ||
		    (!size && !verify_neighbours(v, rows, f)) ||
		    (!((is | f->is) & READ) &&
		     !verify_request(v, f, size != NULL)) ||
		    !verify_inside(v, f, is | f->is, depth + 1))
			return false;
		v->path[len] = '\0';
	}
	return true;
}

const char *verify_object(const struct object *o)
{
	static struct verifier v;

	snprintf(v.path, sizeof(v.path), "%s", o->name);
	if (verify_rows(&v, o->layout.head, &o->layout.size, 0, 0) &&
	    verify_rows(&v, o->layout.attrs, NULL, 0, 0))
		return NULL;
	return v.fault;
}

#endif
