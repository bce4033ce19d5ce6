/* rule.c -- a policy rule on the wire: struct fib_rule_hdr and FRA_*. Data
 * only. */
#include "label.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#ifndef FRA_DSCP
#define FRA_DSCP 25 /* Linux 6.13 */
#endif

static const struct label actions[] = {
	{ "lookup", FR_ACT_TO_TBL },
	{ "goto", FR_ACT_GOTO },
	{ "nop", FR_ACT_NOP },
	{ "blackhole", FR_ACT_BLACKHOLE },
	{ "unreachable", FR_ACT_UNREACHABLE },
	{ "prohibit", FR_ACT_PROHIBIT },
	{ NULL, 0 },
};

static const struct label flags[] = {
	{ "permanent", FIB_RULE_PERMANENT },
	{ "invert", FIB_RULE_INVERT },
	{ "unresolved", FIB_RULE_UNRESOLVED },
	{ "iif_detached", FIB_RULE_IIF_DETACHED },
	{ "oif_detached", FIB_RULE_OIF_DETACHED },
	{ "find_saddr", FIB_RULE_FIND_SADDR },
	{ NULL, 0 },
};

static const struct field head[] = {
	HEAD("family", enum8, struct fib_rule_hdr, family, .is = FILTER,
	     .labels = label_families),
	HEAD("tos", u8, struct fib_rule_hdr, tos, .is = SPARSE),
	HEAD("action", enum8, struct fib_rule_hdr, action, .labels = actions),
	HEAD("flags", flags32, struct fib_rule_hdr, flags, .is = SPARSE,
	     .labels = flags,
	     .readonly = FIB_RULE_UNRESOLVED | FIB_RULE_IIF_DETACHED |
			 FIB_RULE_OIF_DETACHED),
	END,
};

static const struct field attrs[] = {
	ATTR("priority", u32, FRA_PRIORITY),
	ATTR("to", prefix, FRA_DST,
	     .length_at = offsetof(struct fib_rule_hdr, dst_len)),
	ATTR("from", prefix, FRA_SRC,
	     .length_at = offsetof(struct fib_rule_hdr, src_len)),
	ATTR("iif", ifname, FRA_IIFNAME),
	ATTR("oif", ifname, FRA_OIFNAME),
	ATTR("fwmark", u32, FRA_FWMARK),
	ATTR("fwmask", u32, FRA_FWMASK),
	ATTR("uidrange", range32, FRA_UID_RANGE),
	ATTR("ipproto", enum8, FRA_IP_PROTO, .labels = label_ipprotos),
	ATTR("sport", range16, FRA_SPORT_RANGE),
	ATTR("dport", range16, FRA_DPORT_RANGE),
	ATTR("dscp", u8, FRA_DSCP),
	ATTR("tun_id", be64, FRA_TUN_ID),
	ATTR("table", enum32, FRA_TABLE, .labels = label_tables),
	ATTR("l3mdev", bool, FRA_L3MDEV),
	ATTR("goto", u32, FRA_GOTO),
	ATTR("suppress_prefixlength", forever, FRA_SUPPRESS_PREFIXLEN),
	ATTR("suppress_ifgroup", enum32, FRA_SUPPRESS_IFGROUP,
	     .labels = label_groups),
	ATTR("realm", u32, FRA_FLOW),
	ATTR("proto", enum8, FRA_PROTOCOL, .labels = label_protocols),
	END,
};

const struct object rule_object = {
	.name = "rule",
	.type = RTM_NEWRULE,
	.family = true,
	.layout = { head, sizeof(struct fib_rule_hdr), attrs },
};
