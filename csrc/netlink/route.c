/* route.c -- a route on the wire: struct rtmsg and RTA_*. Data only. */
#include "label.h"
#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/icmpv6.h>
#include <linux/rtnetlink.h>

static const struct label types[] = {
	{ "unicast", RTN_UNICAST },
	{ "local", RTN_LOCAL },
	{ "broadcast", RTN_BROADCAST },
	{ "anycast", RTN_ANYCAST },
	{ "multicast", RTN_MULTICAST },
	{ "blackhole", RTN_BLACKHOLE },
	{ "unreachable", RTN_UNREACHABLE },
	{ "prohibit", RTN_PROHIBIT },
	{ "throw", RTN_THROW },
	{ "nat", RTN_NAT },
	{ "xresolve", RTN_XRESOLVE },
	{ NULL, 0 },
};

static const struct label preferences[] = {
	{ "low", ICMPV6_ROUTER_PREF_LOW },
	{ "medium", ICMPV6_ROUTER_PREF_MEDIUM },
	{ "high", ICMPV6_ROUTER_PREF_HIGH },
	{ NULL, 0 },
};

static const struct label flags[] = {
	LABEL_HOP_FLAGS(LABEL_HOP_FLAG){ "notify", RTM_F_NOTIFY },
	{ "cached", RTM_F_CLONED },
	{ "equalize", RTM_F_EQUALIZE },
	{ "prefix", RTM_F_PREFIX },
	{ "lookup_table", RTM_F_LOOKUP_TABLE },
	{ "fib_match", RTM_F_FIB_MATCH },
	{ "rt_offload", RTM_F_OFFLOAD },
	{ "rt_trap", RTM_F_TRAP },
	{ "rt_offload_failed", RTM_F_OFFLOAD_FAILED },
	{ NULL, 0 },
};

#define LOCK(name, metric)                                                     \
	{                                                                      \
		name, 1 << RTAX_##metric                                       \
	}
static const struct label locks[] = {
	LOCK("mtu", MTU),
	LOCK("window", WINDOW),
	LOCK("rtt", RTT),
	LOCK("rttvar", RTTVAR),
	LOCK("ssthresh", SSTHRESH),
	LOCK("cwnd", CWND),
	LOCK("advmss", ADVMSS),
	LOCK("reordering", REORDERING),
	LOCK("hoplimit", HOPLIMIT),
	LOCK("initcwnd", INITCWND),
	LOCK("features", FEATURES),
	LOCK("rto_min", RTO_MIN),
	LOCK("initrwnd", INITRWND),
	LOCK("quickack", QUICKACK),
	LOCK("congctl", CC_ALGO),
	LOCK("fastopen_no_cookie", FASTOPEN_NO_COOKIE),
	{ NULL, 0 },
};

static const struct label features[] = { { "ecn", RTAX_FEATURE_ECN },
					 { "sack", RTAX_FEATURE_SACK },
					 { "timestamp",
					   RTAX_FEATURE_TIMESTAMP },
					 { "allfrag", RTAX_FEATURE_ALLFRAG },
					 { NULL, 0 } };

/* Times in milliseconds, as ip-route(8) takes them. */
static const struct field metrics[] = {
	ATTR("lock", flags32, RTAX_LOCK, .labels = locks),
	ATTR("mtu", u32, RTAX_MTU),
	ATTR("window", u32, RTAX_WINDOW),
	ATTR("rtt", scaled, RTAX_RTT, .divisor = 8),
	ATTR("rttvar", scaled, RTAX_RTTVAR, .divisor = 4),
	ATTR("ssthresh", u32, RTAX_SSTHRESH),
	ATTR("cwnd", u32, RTAX_CWND),
	ATTR("advmss", u32, RTAX_ADVMSS),
	ATTR("reordering", u32, RTAX_REORDERING),
	ATTR("hoplimit", u32, RTAX_HOPLIMIT),
	ATTR("initcwnd", u32, RTAX_INITCWND),
	ATTR("features", flags32, RTAX_FEATURES, .labels = features),
	ATTR("rto_min", u32, RTAX_RTO_MIN),
	ATTR("initrwnd", u32, RTAX_INITRWND),
	ATTR("quickack", u32, RTAX_QUICKACK),
	ATTR("congctl", string, RTAX_CC_ALGO, .most = 16),
	ATTR("fastopen_no_cookie", u32, RTAX_FASTOPEN_NO_COOKIE),
	END,
};

static const struct field hop_head[] = {
	HEAD("flags", flags8, struct rtnexthop, rtnh_flags, .is = SPARSE,
	     .readonly = LABEL_HOP_STATE, .labels = label_hop_flags),
	HEAD("weight", weight, struct rtnexthop, rtnh_hops),
	HEAD("dev", interface, struct rtnexthop, rtnh_ifindex),
	END,
};

static const struct field hop_attrs[] = {
	ATTR("via", gateway, RTA_GATEWAY),
	ATTR("via", via, RTA_VIA),
	ATTR("realm", u32, RTA_FLOW),
	END,
};

static const struct layout hop = { hop_head, sizeof(struct rtnexthop),
				   hop_attrs };

static const struct field cache[] = {
	HEAD("users", some, struct rta_cacheinfo, rta_clntref),
	HEAD("age", ticks, struct rta_cacheinfo, rta_lastuse),
	HEAD("expires", ticks, struct rta_cacheinfo, rta_expires),
	HEAD("error", some, struct rta_cacheinfo, rta_error),
	HEAD("used", some, struct rta_cacheinfo, rta_used),
	END,
};

static const struct field head[] = {
	HEAD("family", enum8, struct rtmsg, rtm_family, .is = FILTER,
	     .labels = label_families),
	HEAD("dst", default, struct rtmsg, rtm_dst_len, .is = READ),
	HEAD("tos", u8, struct rtmsg, rtm_tos, .is = SPARSE),
	HEAD("proto", enum8, struct rtmsg, rtm_protocol, .is = FILTER,
	     .labels = label_protocols),
	HEAD("scope", enum8, struct rtmsg, rtm_scope, .labels = label_scopes),
	HEAD("type", enum8, struct rtmsg, rtm_type, .is = FILTER,
	     .labels = types),
	HEAD("flags", flags32, struct rtmsg, rtm_flags, .is = SPARSE,
	     .readonly = LABEL_HOP_STATE | RTM_F_OFFLOAD | RTM_F_TRAP |
			 RTM_F_OFFLOAD_FAILED,
	     .labels = flags),
	END,
};

static const struct field attrs[] = {
	ATTR("dst", prefix, RTA_DST,
	     .length_at = offsetof(struct rtmsg, rtm_dst_len)),
	ATTR("from", prefix, RTA_SRC,
	     .length_at = offsetof(struct rtmsg, rtm_src_len)),
	ATTR("prefsrc", ip, RTA_PREFSRC),
	ATTR("iif", interface, RTA_IIF),
	ATTR("dev", interface, RTA_OIF, .is = FILTER),
	ATTR("via", gateway, RTA_GATEWAY),
	ATTR("via", via, RTA_VIA),
	ATTR("table", enum32, RTA_TABLE, .is = FILTER, .labels = label_tables),
	ATTR("metric", u32, RTA_PRIORITY),
	ATTR("metrics", nest, RTA_METRICS, .rows = metrics),
	ATTR("nexthops", hops, RTA_MULTIPATH, .layout = &hop),
	ATTR("realm", u32, RTA_FLOW),
	ATTR("", record, RTA_CACHEINFO, .size = sizeof(struct rta_cacheinfo),
	     .is = READ | INLINE, .rows = cache),
	ATTR("mark", u32, RTA_MARK),
	ATTR("pref", enum8, RTA_PREF, .labels = preferences),
	ATTR("expires", u32, RTA_EXPIRES),
	ATTR("uid", u32, RTA_UID),
	ATTR("ttl_propagate", bool, RTA_TTL_PROPAGATE),
	ATTR("ipproto", enum8, RTA_IP_PROTO, .labels = label_ipprotos),
	ATTR("sport", be16, RTA_SPORT),
	ATTR("dport", be16, RTA_DPORT),
	ATTR("nhid", u32, RTA_NH_ID),
	END,
};

const struct object route_object = {
	.name = "route",
	.type = RTM_NEWROUTE,
	.family = true,
	.layout = { head, sizeof(struct rtmsg), attrs },
};
