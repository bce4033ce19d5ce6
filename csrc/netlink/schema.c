/* schema.c -- rows by what chooses them. */
#include "schema.h"

const struct choice *schema_choose(const struct choices *choices,
				   const char *kind)
{
	const struct choice *c = choices->list;

	while (c->kind && !(kind && strcmp(c->kind, kind) == 0))
		c++;
	return c;
}

static bool choice_reads(const struct choice *c, const char *key)
{
	for (; c->kind; c++)
		if (strcmp(c->key, key) == 0)
			return true;
	return false;
}

bool schema_reads_inside(const struct field *f, const char *key)
{
	const struct field *row;

	if (f->choices)
		return choice_reads(f->choices->list, key);
	for (row = f->rows; row->key; row++)
		if (schema_reads(row, key))
			return true;
	return false;
}
