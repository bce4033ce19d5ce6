/* core.h -- what every file of tun.core shares: errors, objects, arguments,
 * and the few functions that Lua 5.1 and LuaJIT lack. */
#ifndef TUN_CORE_H
#define TUN_CORE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every header does this: what the files share is not for the process that
 * loads the module, whose own names may be the same, however it was built. */
#pragma GCC visibility push(hidden)

#if LUA_VERSION_NUM < 502
#define lua_rawlen lua_objlen
/* A table, in every version. */
#define lua_getuservalue lua_getfenv
#define lua_setuservalue lua_setfenv
#endif

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Push nil, "subject: reason", errno and return 3. Call it before anything
 * else can change errno. */
int fail_errno(lua_State *L, const char *subject, ...)
	__attribute__((format(printf, 2, 3)));

/* Raise an error for a caller who is wrong, at the first line outside of
 * this library. */
_Noreturn void raise_misuse(lua_State *L, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Push words for the value at an index: a number, a string in quotation marks,
 * or "a" and its type. Returns them. */
const char *push_words(lua_State *L, int at);

/* Raise "<what>: <value> is not <wanted>" for the value at an index. */
_Noreturn void raise_value(lua_State *L, int at, const char *what,
			   const char *wanted);

/* Create the metatable of a type, its methods under __index, and leave it on
 * the stack. Every function has the metatable as upvalue 1, for object_self().
 */
void object_type(lua_State *L, const char *type, const luaL_Reg *meta,
		 const luaL_Reg *methods);

/* Put methods in the table at an absolute index, with the value on top of the
 * stack, which is popped, as their upvalue 1. */
void object_methods(lua_State *L, int table, const luaL_Reg *functions);

/* Add methods to a type that object_type() made. */
void object_add_methods(lua_State *L, const char *type,
			const luaL_Reg *methods);

/* Push a zeroed object of a type. Collectable from its first moment, so what
 * it acquires later cannot leak. */
void *object_new(lua_State *L, const char *type, size_t size);

/* Argument 1 as an object of the type whose method is running. */
void *object_self(lua_State *L);

/* Argument or table value as an integer: false unless it is a number without
 * a fraction. Never converts strings. */
bool arg_integer(lua_State *L, int at, lua_Integer *value);

/* The row that the string at an index names. Rows of `size` bytes begin with a
 * const char *, their name; there are `count` of them, or as many as stand
 * before one whose name is NULL. Raises "no <what> "name"; there are: ..." */
const void *arg_pick(lua_State *L, int at, const char *what, const void *rows,
		     size_t size, size_t count);

/* Push a number of less than 2^53, which lua_Integer may not hold. */
void push_whole(lua_State *L, uint64_t value);

/* Argument or table value as text: NULL unless it is a string without zero
 * bytes. */
const char *arg_text(lua_State *L, int at);

/* Put functions in the table on top of the stack. */
void object_functions(lua_State *L, const luaL_Reg *functions);

/* Add core.home, core.misuse, core.refuse and core.words to the module table on
 * top of the stack. */
void open_core(lua_State *L);

#pragma GCC visibility pop

#endif
