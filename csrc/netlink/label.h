/* label.h -- names of numbers that several objects share. */
#ifndef TUN_NETLINK_LABEL_H
#define TUN_NETLINK_LABEL_H

#include "schema.h"

#pragma GCC visibility push(hidden)

extern const struct label label_families[];  /* AF_ */
extern const struct label label_scopes[];    /* RT_SCOPE_ */
extern const struct label label_tables[];    /* RT_TABLE_ */
extern const struct label label_protocols[]; /* RTPROT_: who made a route */
extern const struct label label_ipprotos[];  /* IPPROTO_ */
extern const struct label label_groups[];    /* of links */

extern const struct label label_hop_flags[]; /* RTNH_F_ */

/* The same as part of another list: those of a route begin with them. */
#define LABEL_HOP_FLAG(name, flag) { name, RTNH_F_##flag },
#define LABEL_HOP_FLAGS(EACH)                                                  \
	EACH("dead", DEAD)                                                     \
	EACH("pervasive", PERVASIVE)                                           \
	EACH("onlink", ONLINK)                                                 \
	EACH("offload", OFFLOAD)                                               \
	EACH("linkdown", LINKDOWN)                                             \
	EACH("unresolved", UNRESOLVED)                                         \
	EACH("trap", TRAP)

/* What the kernel reports of a next hop and refuses to have set. */
#define LABEL_HOP_STATE                                                        \
	(RTNH_F_DEAD | RTNH_F_OFFLOAD | RTNH_F_LINKDOWN | RTNH_F_UNRESOLVED |  \
	 RTNH_F_TRAP)

#pragma GCC visibility pop

#endif
