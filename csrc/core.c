/* core.c -- errors, objects and arguments for the other files. */
#include "core.h"

#include "names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Registry key of the folder that holds the Lua part. */
#define HOME "tun.home"

int fail_errno(lua_State *L, const char *subject, ...)
{
	int code = errno;
	va_list args;

	lua_pushnil(L);
	va_start(args, subject);
	lua_pushvfstring(L, subject, args);
	va_end(args);
	lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), strerror(code));
	lua_remove(L, -2);
	lua_pushinteger(L, code);
	return 3;
}

/* The stack level of the nearest Lua function outside of this library. */
static int caller(lua_State *L)
{
	const char *home;
	lua_Debug ar;
	int level;

	lua_getfield(L, LUA_REGISTRYINDEX, HOME);
	home = lua_tostring(L, -1);
	for (level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 &&
		    (!home || strncmp(ar.source, home, strlen(home)) != 0))
			break;
	}
	lua_pop(L, 1);
	return level;
}

_Noreturn void raise_misuse(lua_State *L, const char *format, ...)
{
	va_list args;

	luaL_where(L, caller(L));
	va_start(args, format);
	lua_pushvfstring(L, format, args);
	va_end(args);
	lua_concat(L, 2);
	lua_error(L);
	__builtin_unreachable();
}

enum { QUOTED_MOST = 60 }; /* bytes of a string that are quoted */

/* Push a string in quotation marks, in which every byte can be seen. */
static void push_quoted(lua_State *L, const char *text, size_t n)
{
	const char *end = text + (n < QUOTED_MOST ? n : QUOTED_MOST);
	luaL_Buffer buffer;
	char code[8];

	luaL_buffinit(L, &buffer);
	luaL_addstring(&buffer, "\"");
	for (; text < end; text++) {
		snprintf(code, sizeof(code),
			 (unsigned char)*text < ' ' ? "\\%d" : "%c", *text);
		luaL_addstring(&buffer, code);
	}
	luaL_addstring(&buffer, n > QUOTED_MOST ? "...\"" : "\"");
	luaL_pushresult(&buffer);
}

const char *push_words(lua_State *L, int at)
{
	const char *text;
	size_t n;

	switch (lua_type(L, at)) {
	case LUA_TNONE:
	case LUA_TNIL:
		lua_pushstring(L, luaL_typename(L, at));
		break;
	case LUA_TNUMBER:
		lua_pushvalue(L, at);
		break;
	case LUA_TSTRING:
		text = lua_tolstring(L, at, &n);
		push_quoted(L, text, n);
		break;
	default:
		lua_pushfstring(L, "a %s", luaL_typename(L, at));
	}
	return lua_tostring(L, -1);
}

_Noreturn void raise_value(lua_State *L, int at, const char *what,
			   const char *wanted)
{
	raise_misuse(L, "%s: %s is not %s", what, push_words(L, at), wanted);
}

void object_methods(lua_State *L, int table, const luaL_Reg *f)
{
	for (; f->name; f++) {
		lua_pushvalue(L, -1);
		lua_pushcclosure(L, f->func, 1);
		lua_setfield(L, table, f->name);
	}
	lua_pop(L, 1);
}

void object_type(lua_State *L, const char *type, const luaL_Reg *meta,
		 const luaL_Reg *methods)
{
	int table;

	luaL_newmetatable(L, type);
	table = lua_gettop(L);
	lua_newtable(L);
	lua_pushvalue(L, table);
	object_methods(L, table, meta);
	lua_pushvalue(L, table);
	object_methods(L, table + 1, methods);
	lua_setfield(L, table, "__index");
}

void object_add_methods(lua_State *L, const char *type, const luaL_Reg *methods)
{
	luaL_getmetatable(L, type);
	lua_getfield(L, -1, "__index");
	lua_insert(L, -2);
	object_methods(L, lua_gettop(L) - 1, methods);
	lua_pop(L, 1);
}

void *object_new(lua_State *L, const char *type, size_t size)
{
	void *object = memset(lua_newuserdata(L, size), 0, size);

	luaL_getmetatable(L, type);
	lua_setmetatable(L, -2);
	return object;
}

void *object_self(lua_State *L)
{
	void *object = lua_touserdata(L, 1);
	bool same;

	if (object && lua_getmetatable(L, 1)) {
		same = lua_rawequal(L, -1, lua_upvalueindex(1));
		lua_pop(L, 1);
		if (same)
			return object;
	}
	raise_misuse(L, "a method was called on a %s: write object:method(...)",
		     luaL_typename(L, 1));
}

bool arg_integer(lua_State *L, int at, lua_Integer *value)
{
	if (lua_type(L, at) != LUA_TNUMBER)
		return false;
#if LUA_VERSION_NUM >= 503
	int whole;

	*value = lua_tointegerx(L, at, &whole);
	return whole;
#else
	lua_Number number = lua_tonumber(L, at);

	if (!(number >= -9007199254740992.0 && number <= 9007199254740992.0))
		return false;
	*value = (lua_Integer)number;
	return (lua_Number)*value == number;
#endif
}

void push_whole(lua_State *L, uint64_t value)
{
	if (sizeof(lua_Integer) < sizeof(value))
		lua_pushnumber(L, (lua_Number)value);
	else
		lua_pushinteger(L, (lua_Integer)value);
}

const char *arg_text(lua_State *L, int at)
{
	const char *text;

	if (lua_type(L, at) != LUA_TSTRING)
		return NULL;
	text = lua_tostring(L, at);
	return strlen(text) == lua_rawlen(L, at) ? text : NULL;
}

/* The name of the i-th row; NULL behind the last one. */
static const char *row_name(const void *rows, size_t size, size_t count,
			    size_t i)
{
	if (i == count)
		return NULL;
	return *(const char *const *)((const char *)rows + i * size);
}

static _Noreturn void raise_name(lua_State *L, const char *what,
				 const char *name, const void *rows,
				 size_t size, size_t count)
{
	struct names names = { .count = 0 };
	const char *known;
	size_t i;

	for (i = 0; (known = row_name(rows, size, count, i)); i++)
		names_add(&names, known);
	raise_misuse(L, "no %s \"%s\"; there are: %s", what, name,
		     names_push(L, &names, name));
}

const void *arg_pick(lua_State *L, int at, const char *what, const void *rows,
		     size_t size, size_t count)
{
	const char *name = arg_text(L, at), *known;
	size_t i;

	if (!name)
		raise_value(L, at, what, "a name");
	for (i = 0; (known = row_name(rows, size, count, i)); i++)
		if (strcmp(known, name) == 0)
			return (const char *)rows + i * size;
	raise_name(L, what, name, rows, size, count);
}

void object_functions(lua_State *L, const luaL_Reg *f)
{
	for (; f->name; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

/* core.home(source): the chunk name of a file in the folder of the Lua part;
 * errors of misuse are reported at the first line outside of that folder. */
static int core_home(lua_State *L)
{
	const char *source = luaL_checkstring(L, 1);
	const char *slash = strrchr(source, '/');

	lua_pushlstring(L, source, slash ? (size_t)(slash - source) + 1 : 0);
	lua_setfield(L, LUA_REGISTRYINDEX, HOME);
	return 0;
}

/* core.misuse(message): raise it at the first line outside of the library. */
static int core_misuse(lua_State *L)
{
	luaL_checkstring(L, 1); /* in which zero bytes may be */
	luaL_where(L, caller(L));
	lua_pushvalue(L, 1);
	lua_concat(L, 2);
	return lua_error(L);
}

/* core.words(value) -> what it is called in a message: a number, a string in
 * quotation marks, "a table" */
static int core_words(lua_State *L)
{
	lua_settop(L, 1);
	push_words(L, 1);
	return 1;
}

/* core.refuse(what, value, wanted): raise "what: value is not wanted" there. */
static int core_refuse(lua_State *L)
{
	raise_value(L, 2, luaL_checkstring(L, 1), luaL_checkstring(L, 3));
}

static const luaL_Reg functions[] = {
	{ "home", core_home },	 { "refuse", core_refuse },
	{ "words", core_words }, { "misuse", core_misuse },
	{ NULL, NULL },
};

void open_core(lua_State *L)
{
	object_functions(L, functions);
}
