/* vnet.h -- a virtio-net header as a Lua value. */
#ifndef TUN_SPEC_CORE_VNET_H
#define TUN_SPEC_CORE_VNET_H

#include "../../csrc/wire/gso.h"

#include <lua.h>

#pragma GCC visibility push(hidden)

/* Argument as a header: nil, a table of numbers under the names of struct vnet,
 * or the bytes in front of a packet of a device. */
struct vnet vnet_check(lua_State *L, int at);

/* Push a table of the numbers that are not 0. */
void vnet_push(lua_State *L, const struct vnet *vnet);

#pragma GCC visibility pop

#endif
