/* ack.h -- what an answer of the kernel says of a request. */
#ifndef TUN_NETLINK_ACK_H
#define TUN_NETLINK_ACK_H

#include "../core.h"
#include "schema.h"

#include <linux/netlink.h>

#pragma GCC visibility push(hidden)

/* What an error, a warning or the end of a dump says. */
struct ack {
	int code;	  /* errno; 0 for success */
	const char *text; /* NULL when the kernel sent none */
	bool missing;
	char path[96];	 /* the key of the attribute; "" for none */
	char bounds[80]; /* what the kernel takes there; "" if it does not say
			  */
};

/* Read an NLMSG_ERROR (an ack when its code is 0) or NLMSG_DONE that answers
 * a request. */
void ack_read(const struct object *o, const struct nlmsghdr *request,
	      const struct nlmsghdr *message, struct ack *ack);

/* Push nil, reason, errno; 3. */
int fail_ack(lua_State *L, const struct ack *ack);

/* Push what an answer says: true [, warning] | nil, reason, errno. */
int ack_push(lua_State *L, const struct object *o,
	     const struct nlmsghdr *request, const struct nlmsghdr *message);

/* Push that a message is malformed: nil, reason, EBADMSG. */
int fail_malformed(lua_State *L, const struct object *o);

#pragma GCC visibility pop

#endif
