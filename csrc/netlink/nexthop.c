/* nexthop.c -- a next hop object on the wire: struct nhmsg and NHA_*. Data
 * only. */
#include "label.h"
#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

static const struct label types[] = {
	{ "mpath", NEXTHOP_GRP_TYPE_MPATH },
	{ "resilient", NEXTHOP_GRP_TYPE_RES },
	{ NULL, 0 },
};

static const struct field member[] = {
	HEAD("id", u32, struct nexthop_grp, id),
	HEAD("weight", weight, struct nexthop_grp, weight),
	END,
};

/* Times in 1/100 s on the wire (USER_HZ), in seconds for Lua. */
static const struct field resilient[] = {
	ATTR("buckets", u16, NHA_RES_GROUP_BUCKETS),
	ATTR("idle_timer", scaled, NHA_RES_GROUP_IDLE_TIMER, .divisor = 100),
	ATTR("unbalanced_timer", scaled, NHA_RES_GROUP_UNBALANCED_TIMER,
	     .divisor = 100),
	ATTR("unbalanced_time", u64, NHA_RES_GROUP_UNBALANCED_TIME, .is = READ),
	END,
};

static const struct field head[] = {
	HEAD("family", enum8, struct nhmsg, nh_family, .is = SPARSE | FILTER,
	     .labels = label_families),
	HEAD("scope", enum8, struct nhmsg, nh_scope, .is = READ,
	     .labels = label_scopes),
	HEAD("proto", enum8, struct nhmsg, nh_protocol,
	     .labels = label_protocols),
	HEAD("flags", flags32, struct nhmsg, nh_flags, .is = SPARSE,
	     .readonly = LABEL_HOP_STATE, .labels = label_hop_flags),
	END,
};

static const struct field attrs[] = {
	ATTR("id", u32, NHA_ID),
	ATTR("via", ip, NHA_GATEWAY),
	ATTR("dev", interface, NHA_OIF, .is = FILTER),
	ATTR("blackhole", flag, NHA_BLACKHOLE),
	ATTR("fdb", flag, NHA_FDB, .is = FILTER),
	ATTR("group", array, NHA_GROUP, .size = sizeof(struct nexthop_grp),
	     .rows = member),
	ATTR("type", enum16, NHA_GROUP_TYPE, .labels = types),
	ATTR("resilient", nest, NHA_RES_GROUP, .rows = resilient),
	ATTR("master", interface, NHA_MASTER, .is = FILTER | DUMP),
	ATTR("groups", flag, NHA_GROUPS, .is = FILTER | DUMP),
	END,
};

const struct object nexthop_object = {
	.name = "nexthop",
	.type = RTM_NEWNEXTHOP,
	.family = true,
	.layout = { head, sizeof(struct nhmsg), attrs },
};
