/* linkinfo.h -- what the kinds of link add to a link. */
#ifndef TUN_LINKINFO_H
#define TUN_LINKINFO_H

#include "attr.h"

extern const struct field linkinfo[]; /* the rows of IFLA_LINKINFO */

#endif
