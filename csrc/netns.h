/* netns.h -- network namespaces as objects. */
#ifndef TUN_NETNS_H
#define TUN_NETNS_H

#include <lua.h>

struct netns {
	int fd;
};

/* Push a namespace object that holds no descriptor yet. */
struct netns *newnetns(lua_State *L);

#endif
