/* netns.h -- network namespaces as objects. */
#ifndef TUN_NETNS_H
#define TUN_NETNS_H

#include <lua.h>

struct netns {
	int fd;
};

/* Push a namespace object that holds no descriptor yet. */
struct netns *netns_new(lua_State *L);

#endif
