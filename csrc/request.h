/* request.h -- what core.open is asked for. */
#ifndef TUN_REQUEST_H
#define TUN_REQUEST_H

#include <lua.h>
#include <net/if.h>

struct request {
	struct ifreq ifr; /* the name, "" for any */
	unsigned int flags;
	int index; /* 0 for any */
};

/* The table at argument 1. */
struct request torequest(lua_State *L);

/* Push the set of the names of flags. */
void pushflags(lua_State *L, unsigned int flags);

#endif
