/* nest.h -- kinds made of others. */
#ifndef TUN_NETLINK_NEST_H
#define TUN_NETLINK_NEST_H

#include "schema.h"

#pragma GCC visibility push(hidden)

extern const struct kind kind_nest, kind_record, kind_choice, kind_message,
	kind_hops, kind_list, kind_array;

#pragma GCC visibility pop

#endif
