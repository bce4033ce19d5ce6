/* label.h -- names of numbers that several objects share. */
#ifndef TUN_NETLINK_LABEL_H
#define TUN_NETLINK_LABEL_H

#include "schema.h"

#pragma GCC visibility push(hidden)

extern const struct label label_families[];  /* AF_ */
extern const struct label label_scopes[];    /* RT_SCOPE_ */
extern const struct label label_tables[];    /* RT_TABLE_ */
extern const struct label label_protocols[]; /* RTPROT_: who made a route */

#pragma GCC visibility pop

#endif
