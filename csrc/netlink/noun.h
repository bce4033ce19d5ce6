/* noun.h -- the objects that there are, and their verbs. */
#ifndef TUN_NETLINK_NOUN_H
#define TUN_NETLINK_NOUN_H

#include "../core.h"
#include "schema.h"

#include <linux/netlink.h>

#pragma GCC visibility push(hidden)

/* One line for each, whose rows are in the file of its name. */
#define NOUNS(EACH)                                                            \
	EACH(link)                                                             \
	EACH(addr)                                                             \
	EACH(route)                                                            \
	EACH(neigh)                                                            \
	EACH(rule)                                                             \
	EACH(nexthop)

#define NOUN_OBJECT(name) extern const struct object name##_object;
NOUNS(NOUN_OBJECT)

/* The object that argument `at` names; raises with the names there are. */
const struct object *noun_check(lua_State *L, int at);
const struct verb *noun_check_verb(lua_State *L, int at,
				   const struct object *o);

/* The message in the string at an index, copied to an aligned place that is
 * left on the stack; NULL when it is longer than the string. */
const struct nlmsghdr *noun_check_message(lua_State *L, int at);

/* Add its functions to the module table on top of the stack. */
void open_noun(lua_State *L);

#pragma GCC visibility pop

#endif
