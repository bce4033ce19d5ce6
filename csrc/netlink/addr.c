/* addr.c -- an address on the wire: struct ifaddrmsg and IFA_*. Data only. */
#include "label.h"
#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif

/* The first two are one bit: secondary of IPv4, temporary of IPv6. */
static const struct label flags[] = {
	{ "secondary", IFA_F_SECONDARY },
	{ "temporary", IFA_F_TEMPORARY },
	{ "nodad", IFA_F_NODAD },
	{ "optimistic", IFA_F_OPTIMISTIC },
	{ "dadfailed", IFA_F_DADFAILED },
	{ "home", IFA_F_HOMEADDRESS },
	{ "deprecated", IFA_F_DEPRECATED },
	{ "tentative", IFA_F_TENTATIVE },
	{ "permanent", IFA_F_PERMANENT },
	{ "mngtmpaddr", IFA_F_MANAGETEMPADDR },
	{ "noprefixroute", IFA_F_NOPREFIXROUTE },
	{ "autojoin", IFA_F_MCAUTOJOIN },
	{ "stable-privacy", IFA_F_STABLE_PRIVACY },
	{ NULL, 0 },
};

static const struct label protocols[] = {
	{ "kernel_lo", 1 },
	{ "kernel_ra", 2 },
	{ "kernel_ll", 3 },
	{ NULL, 0 },
};

static const struct field lifetimes[] = {
	HEAD("preferred_lft", forever, struct ifa_cacheinfo, ifa_prefered),
	HEAD("valid_lft", forever, struct ifa_cacheinfo, ifa_valid),
	HEAD("created", u32, struct ifa_cacheinfo, cstamp, .is = READ),
	HEAD("updated", u32, struct ifa_cacheinfo, tstamp, .is = READ),
	END,
};

static const struct field head[] = {
	HEAD("family", enum8, struct ifaddrmsg, ifa_family, .is = FILTER,
	     .labels = label_families),
	HEAD("scope", enum8, struct ifaddrmsg, ifa_scope,
	     .labels = label_scopes),
	HEAD("dev", interface, struct ifaddrmsg, ifa_index, .is = FILTER),
	END,
};

#define LENGTH_AT .length_at = offsetof(struct ifaddrmsg, ifa_prefixlen)

/* The length is of IFA_ADDRESS, the peer; the same where there is no peer. */
static const struct field attrs[] = {
	ATTR("address", prefix, IFA_LOCAL, LENGTH_AT),
	ATTR("peer", prefix, IFA_ADDRESS, LENGTH_AT),
	ATTR("broadcast", ip, IFA_BROADCAST),
	ATTR("anycast", ip, IFA_ANYCAST, .is = READ),
	ATTR("multicast", ip, IFA_MULTICAST, .is = READ),
	ATTR("label", string, IFA_LABEL),
	ATTR("", record, IFA_CACHEINFO, .size = sizeof(struct ifa_cacheinfo),
	     .is = INLINE, .rows = lifetimes),
	ATTR("flags", addrflags, IFA_FLAGS, .labels = flags),
	ATTR("metric", u32, IFA_RT_PRIORITY),
	ATTR("proto", enum8, IFA_PROTO, .labels = protocols),
	END,
};

const struct object addr_object = {
	.name = "addr",
	.type = RTM_NEWADDR,
	.family = true,
	.layout = { head, sizeof(struct ifaddrmsg), attrs },
};
