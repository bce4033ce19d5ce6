/* ack.c -- what an answer of the kernel says of a request: an errno, its text,
 * the attribute that it is about. */
#include "ack.h"

#include "message.h"
#include "path.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <string.h>

enum { ERRNO_MOST = 4095 }; /* MAX_ERRNO of the kernel */

static uint32_t ack_u32(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : 0;
}

/* Add a bound to a text of them; one that does not fit is left out. */
static void add_bound(struct ack *ack, const char *format,
		      unsigned long long bound)
{
	size_t used = strlen(ack->bounds), room = sizeof(ack->bounds) - used;
	char text[48];
	int n;

	snprintf(text, sizeof(text), format, bound);
	n = snprintf(ack->bounds + used, room, "%s%s", used ? ", " : ": ",
		     text);
	if ((size_t)n >= room)
		ack->bounds[used] = '\0';
}

/* Write the bounds that the policy of an attribute gives, as numbers of 8
 * bytes or lengths of 4. */
static void read_policy(const struct nlattr *policy, struct ack *ack)
{
	static const char *const formats[] = {
		[NL_POLICY_TYPE_ATTR_MIN_VALUE_S] = "at least %lld",
		[NL_POLICY_TYPE_ATTR_MAX_VALUE_S] = "at most %lld",
		[NL_POLICY_TYPE_ATTR_MIN_VALUE_U] = "at least %llu",
		[NL_POLICY_TYPE_ATTR_MAX_VALUE_U] = "at most %llu",
		[NL_POLICY_TYPE_ATTR_MIN_LENGTH] = "at least %llu bytes",
		[NL_POLICY_TYPE_ATTR_MAX_LENGTH] = "at most %llu bytes",
	};
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, policy)
	{
		unsigned int type = mnl_attr_get_type(a);

		if (type < LENGTH(formats) && formats[type])
			add_bound(ack, formats[type],
				  mnl_attr_get_payload_len(a) >= 8
					  ? mnl_attr_get_u64(a)
					  : ack_u32(a));
	}
}

static void read_tlvs(const struct object *o, const struct nlmsghdr *request,
		      const struct nlmsghdr *message, size_t skip,
		      struct ack *ack)
{
	const struct nlattr *found[NLMSGERR_ATTR_MISS_NEST + 1] = { NULL };
	const struct nlattr *a = mnl_nlmsg_get_payload_offset(message, skip);
	const char *end = message_end(message);
	const struct nlattr *text;
	uint32_t missing, at;

	for (; mnl_attr_ok(a, (int)(end - (const char *)a));
	     a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) < LENGTH(found))
			found[mnl_attr_get_type(a)] = a;
	}
	text = found[NLMSGERR_ATTR_MSG];
	if (text && memchr(mnl_attr_get_payload(text), '\0',
			   mnl_attr_get_payload_len(text)))
		ack->text = mnl_attr_get_str(text);
	missing = ack_u32(found[NLMSGERR_ATTR_MISS_TYPE]);
	at = ack_u32(
		found[missing ? NLMSGERR_ATTR_MISS_NEST : NLMSGERR_ATTR_OFFS]);
	ack->missing = missing != 0;
	if (missing || at)
		path_of(o, request, at, missing, ack->path, sizeof(ack->path));
	if (found[NLMSGERR_ATTR_POLICY])
		read_policy(found[NLMSGERR_ATTR_POLICY], ack);
}

/* How much of a payload stands in front of the attributes: a number, and the
 * request when that is sent back. SIZE_MAX when it is no answer. */
static size_t answer_size(const struct nlmsghdr *message, size_t len)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == NLMSG_DONE)
		return sizeof(error->error);
	if (message->nlmsg_type != NLMSG_ERROR || len < sizeof(*error))
		return SIZE_MAX;
	if (message->nlmsg_flags & NLM_F_CAPPED)
		return sizeof(*error);
	if (!message_ok(&error->msg, len - sizeof(error->error)))
		return SIZE_MAX;
	return sizeof(error->error) + error->msg.nlmsg_len;
}

void ack_read(const struct object *o, const struct nlmsghdr *request,
	      const struct nlmsghdr *message, struct ack *ack)
{
	size_t len = mnl_nlmsg_get_payload_len(message);
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t skip = answer_size(message, len);

	*ack = (struct ack){ .code = EBADMSG };
	if (len < skip || error->error < -ERRNO_MOST)
		return;
	ack->code = error->error < 0 ? -error->error : 0;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		read_tlvs(o, request, message, NLMSG_ALIGN(skip), ack);
}

/* Push "reason: kernel's text (attribute: bounds)". */
static void push_reason(lua_State *L, const struct ack *ack)
{
	int parts = 0;

	if (ack->code) {
		lua_pushstring(L, strerror(ack->code));
		parts++;
	}
	if (ack->text) {
		lua_pushfstring(L, parts ? ": %s" : "%s", ack->text);
		parts++;
	}
	if (*ack->path) {
		lua_pushfstring(L, ack->missing ? " (missing: %s)" : " (%s%s)",
				ack->path, ack->bounds);
		parts++;
	}
	lua_concat(L, parts);
}

int fail_ack(lua_State *L, const struct ack *ack)
{
	lua_pushnil(L);
	push_reason(L, ack);
	lua_pushinteger(L, ack->code);
	return 3;
}

int ack_push(lua_State *L, const struct object *o,
	     const struct nlmsghdr *request, const struct nlmsghdr *message)
{
	struct ack ack;

	ack_read(o, request, message, &ack);
	if (ack.code)
		return fail_ack(L, &ack);
	lua_pushboolean(L, true);
	if (!ack.text)
		return 1;
	push_reason(L, &ack);
	return 2;
}

int fail_malformed(lua_State *L, const struct object *o)
{
	errno = EBADMSG;
	return fail_errno(L, "%s", o->name);
}
