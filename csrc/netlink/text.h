/* text.h -- kinds of text, addresses and interfaces. */
#ifndef TUN_NETLINK_TEXT_H
#define TUN_NETLINK_TEXT_H

#include "schema.h"

#pragma GCC visibility push(hidden)

extern const struct kind kind_string, kind_mac, kind_ip;
extern const struct kind kind_bare_string; /* sent without its end */
extern const struct kind kind_bridge_id;   /* "8000.aa:bb:cc:dd:ee:ff" */
extern const struct kind kind_prefix;
extern const struct kind kind_default; /* a header length: 0 is "default" */
extern const struct kind kind_gateway, kind_via; /* same, other family */
extern const struct kind kind_interface;	 /* index <-> name */
extern const struct kind kind_ifname; /* a name, of a link that may come */
extern const struct kind kind_lower;  /* as interface, maybe in another netns */

#pragma GCC visibility pop

#endif
