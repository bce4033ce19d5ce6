/* ack.c -- what an answer of the kernel says of a request, as a Lua value. */
#include "spec.h"

#include "../../csrc/netlink/ack.h"
#include "../../csrc/netlink/noun.h"

#include <errno.h>

/* spec.ack(object, request, message) -> true [, warning] | nil, reason, errno.
 * What an NLMSG_ERROR or NLMSG_DONE says of a request. */
int spec_ack(lua_State *L)
{
	const struct object *o = noun_check(L, 1);
	const struct nlmsghdr *request = noun_check_message(L, 2);
	const struct nlmsghdr *message = noun_check_message(L, 3);

	if (request && message)
		return ack_push(L, o, request, message);
	errno = EBADMSG;
	return fail_errno(L, "no whole messages");
}
