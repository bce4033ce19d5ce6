/* netns.h -- network namespaces as objects. */
#ifndef TUN_NETNS_H
#define TUN_NETNS_H

#include <lua.h>

#pragma GCC visibility push(hidden)

struct netns {
	int fd;
};

/* Push a namespace object that holds no descriptor yet. */
struct netns *netns_new(lua_State *L);

#pragma GCC visibility pop

#endif
