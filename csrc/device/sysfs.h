/* sysfs.h -- what of a device is a file. */
#ifndef TUN_DEVICE_SYSFS_H
#define TUN_DEVICE_SYSFS_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* A file with "0" or "1", which is named as the option. Its get and set want,
 * as their last two arguments, the descriptor of core.sysfs in the namespace of
 * the device, and the index of its link. */
extern const struct codec as_switch;

/* In the place of the requests of such an option. */
enum { IS_FILE = 1 };

/* Add core.sysfs and core.kept_flags to the module table on top of the stack.
 */
void open_sysfs(lua_State *L);

#pragma GCC visibility pop

#endif
