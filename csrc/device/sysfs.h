/* sysfs.h -- options of a device that are files. */
#ifndef TUN_DEVICE_SYSFS_H
#define TUN_DEVICE_SYSFS_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* A file with "0" or "1", which is named as the option. */
extern const struct codec as_switch;

/* In the place of the requests of such an option. */
enum { IS_FILE = 1 };

#pragma GCC visibility pop

#endif
