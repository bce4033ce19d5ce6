/* open.h -- what core.open is asked for. */
#ifndef TUN_DEVICE_OPEN_H
#define TUN_DEVICE_OPEN_H

#include <lua.h>
#include <net/if.h>

#pragma GCC visibility push(hidden)

struct request {
	struct ifreq ifr; /* the name, "" for any */
	unsigned int flags;
	int index; /* 0 for any */
};

/* The table at argument 1. */
struct request open_request(lua_State *L);

/* Push the set of the names of flags. */
void open_push_flags(lua_State *L, unsigned int flags);

#pragma GCC visibility pop

#endif
