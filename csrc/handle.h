/* handle.h -- what everything with a descriptor has, as its first member. */
#ifndef TUN_HANDLE_H
#define TUN_HANDLE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

struct handle;

/* What kind of thing it is. The functions are optional. */
struct handle_kind {
	const char *noun; /* for messages */
	/* Whether receiving has something to say at once, of which the
	 * descriptor does not know. */
	bool (*is_ready)(const struct handle *h);
	/* Forget what was received, before the descriptor is closed. */
	void (*forget)(struct handle *h);
};

struct handle {
	const struct handle_kind *kind;
	lua_State *mainthread; /* for poll_interrupt() */
	double timeout;	       /* of receive(), in seconds */
	int fd;		       /* -1 when closed */
};

/* Create the metatable of a type whose objects begin with a struct handle, and
 * leave it on the stack: their finalizers, the methods that they all have, and
 * more metamethods and methods, or NULL. */
void handle_type(lua_State *L, const char *type, const luaL_Reg *meta,
		 const luaL_Reg *methods);

/* Push a zeroed object of a type, which is closed. */
void *handle_new(lua_State *L, const char *type, size_t size,
		 const struct handle_kind *kind);

/* Argument 1 as an object of the type whose method is running, which must be
 * open. */
void *handle_check(lua_State *L);

/* Close the descriptor, if it is open. Keeps errno. */
void handle_close(struct handle *h);

/* Argument as a timeout in seconds; none and nil are that of settimeout(). */
double handle_seconds(lua_State *L, int at, const struct handle *h);

#pragma GCC visibility pop

#endif
