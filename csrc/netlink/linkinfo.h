/* linkinfo.h -- what the kinds of link add to a link. */
#ifndef TUN_NETLINK_LINKINFO_H
#define TUN_NETLINK_LINKINFO_H

#include "schema.h"

#pragma GCC visibility push(hidden)

extern const struct field linkinfo[]; /* the rows of IFLA_LINKINFO */

#pragma GCC visibility pop

#endif
