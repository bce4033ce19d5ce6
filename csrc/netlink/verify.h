/* verify.h -- whether rows say what their kinds need, in debug builds. */
#ifndef TUN_NETLINK_VERIFY_H
#define TUN_NETLINK_VERIFY_H

#include "schema.h"

#pragma GCC visibility push(hidden)

/* Check the rows of an object: members that fit the shape of their kind, places
 * inside of the header, types that are not taken. Returns NULL, or what is
 * wrong with the first row that is: "route.metrics.rtt: needs .divisor", in a
 * buffer that is good until the next call. Only with TUN_DEBUG. */
const char *verify_object(const struct object *o);

#pragma GCC visibility pop

#endif
