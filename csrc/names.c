/* names.c -- the names that there are, for who wrote another one. */
#include "names.h"

#include "core.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum {
	ALL_MOST = 12, /* so many are listed whole */
	SOME = 8,      /* of more, so many */
	LENGTH_MOST = 32,
};

void names_add(struct names *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return;
	if (names->count < NAMES_MOST)
		names->list[names->count++] = name;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many letters have to be put in, left out or changed; at most LENGTH_MOST
 * of a name count. */
static size_t edits(const char *a, const char *b)
{
	size_t row[LENGTH_MOST + 1], n = smaller(strlen(b), LENGTH_MOST);
	size_t i, j, corner, up;

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i] && i < LENGTH_MOST; i++) {
		corner = row[0]++;
		for (j = 0; j < n; j++) {
			up = row[j + 1];
			row[j + 1] = smaller(smaller(up, row[j]) + 1,
					     corner + !same_letter(a[i], b[j]));
			corner = up;
		}
	}
	return row[n];
}

/* How far a name is from a wrong one: 0 for one that begins with it, or with
 * which it begins; NAMES_MOST when they are not alike. */
static size_t distance(const char *name, const char *wrong)
{
	size_t n = strlen(name), w = strlen(wrong), d;

	if (w > 1 && n > 1 && strncasecmp(name, wrong, smaller(n, w)) == 0)
		return 0;
	d = edits(wrong, name);
	return 2 * d > smaller(n, w) + 1 ? NAMES_MOST : d;
}

/* The nearest one that was not taken yet, of which the first. */
static size_t names_next(const struct names *names, const char *wrong,
			 const bool *taken)
{
	size_t i, d, best = names->count, least = NAMES_MOST + 1;

	for (i = 0; i < names->count; i++) {
		d = taken[i] ? least : distance(names->list[i], wrong);
		if (d < least) {
			least = d;
			best = i;
		}
	}
	return best;
}

const char *names_push(lua_State *L, const struct names *names,
		       const char *wrong)
{
	size_t most = names->count > ALL_MOST ? SOME : names->count;
	bool taken[NAMES_MOST] = { false };
	size_t i, next;

	lua_pushliteral(L, "");
	for (i = 0; i < most; i++) {
		next = names_next(names, wrong, taken);
		taken[next] = true;
		lua_pushfstring(L, "%s%s", i ? ", " : "", names->list[next]);
		lua_concat(L, 2);
	}
	if (most < names->count) {
		lua_pushfstring(L, " and %d more", (int)(names->count - most));
		lua_concat(L, 2);
	}
	return lua_tostring(L, -1);
}

/* core.nearest(wrong, list) -> text: those of a list of names that are like the
 * wrong one first, and not too many */
static int core_nearest(lua_State *L)
{
	const char *wrong = luaL_checkstring(L, 1);
	struct names names = { .count = 0 };
	int i, n;

	luaL_checktype(L, 2, LUA_TTABLE);
	n = (int)lua_rawlen(L, 2);
	luaL_checkstack(L, n + 4, "names");
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 2, i); /* stays, as does its text */
		names_add(&names, luaL_checkstring(L, -1));
	}
	names_push(L, &names, wrong);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "nearest", core_nearest },
	{ NULL, NULL },
};

void open_names(lua_State *L)
{
	object_functions(L, functions);
}
