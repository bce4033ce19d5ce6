/* message.h -- whole netlink messages in bytes that may be anything. Of libmnl
 * 1.0.4, mnl_nlmsg_ok() takes a length above 2 GiB for one below 0, which fits
 * everywhere, and mnl_nlmsg_get_payload_tail() is up to 3 bytes behind a
 * message whose length is not a multiple of 4. */
#ifndef TUN_NETLINK_MESSAGE_H
#define TUN_NETLINK_MESSAGE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

/* Whether a whole message is there, in so many bytes. */
static inline bool message_ok(const struct nlmsghdr *message, size_t left)
{
	return left >= sizeof(*message) &&
	       message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= left;
}

/* Where it ends. */
static inline const char *message_end(const struct nlmsghdr *message)
{
	return (const char *)message + message->nlmsg_len;
}

#pragma GCC visibility pop

#endif
