/* neigh.c -- a neighbour on the wire: struct ndmsg and NDA_*. With the family
 * "bridge" it is an entry of the forwarding table of a bridge or vxlan. Data
 * only. */
#include "label.h"
#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static const struct label families[] = {
	{ "inet", AF_INET },
	{ "inet6", AF_INET6 },
	{ "bridge", AF_BRIDGE },
	{ NULL, 0 },
};

static const struct label states[] = {
	{ "none", NUD_NONE },
	{ "incomplete", NUD_INCOMPLETE },
	{ "reachable", NUD_REACHABLE },
	{ "stale", NUD_STALE },
	{ "delay", NUD_DELAY },
	{ "probe", NUD_PROBE },
	{ "failed", NUD_FAILED },
	{ "noarp", NUD_NOARP },
	{ "permanent", NUD_PERMANENT },
	/* As bridge(8) makes them. */
	{ "local", NUD_PERMANENT | NUD_NOARP },
	{ "static", NUD_REACHABLE | NUD_NOARP },
	{ NULL, 0 },
};

static const struct label flags[] = {
	{ "use", NTF_USE },
	{ "self", NTF_SELF },
	{ "master", NTF_MASTER },
	{ "proxy", NTF_PROXY },
	{ "extern_learn", NTF_EXT_LEARNED },
	{ "offload", NTF_OFFLOADED },
	{ "sticky", NTF_STICKY },
	{ "router", NTF_ROUTER },
	{ NULL, 0 },
};

static const struct label flags_ext[] = {
	{ "managed", NTF_EXT_MANAGED },
	{ NULL, 0 },
};

/* Seconds since then; in 1/100 s on the wire (USER_HZ). */
static const struct field cache[] = {
	HEAD("confirmed", scaled, struct nda_cacheinfo, ndm_confirmed,
	     .divisor = 100),
	HEAD("used", scaled, struct nda_cacheinfo, ndm_used, .divisor = 100),
	HEAD("updated", scaled, struct nda_cacheinfo, ndm_updated,
	     .divisor = 100),
	HEAD("refcnt", u32, struct nda_cacheinfo, ndm_refcnt),
	END,
};

static const struct field head[] = {
	HEAD("family", enum8, struct ndmsg, ndm_family, .is = FILTER,
	     .labels = families),
	HEAD("dev", interface, struct ndmsg, ndm_ifindex),
	HEAD("state", enum16, struct ndmsg, ndm_state, .labels = states),
	HEAD("flags", flags8, struct ndmsg, ndm_flags, .is = SPARSE | FILTER,
	     .labels = flags, .readonly = NTF_OFFLOADED, .filter = NTF_PROXY),
	END,
};

/* NDA_IFINDEX is the link behind a vxlan; of a list, the dev that is wanted. */
static const struct field attrs[] = {
	ATTR("dst", ip, NDA_DST),
	ATTR("lladdr", mac, NDA_LLADDR),
	ATTR("", record, NDA_CACHEINFO, .size = sizeof(struct nda_cacheinfo),
	     .is = READ | INLINE, .rows = cache),
	ATTR("probes", u32, NDA_PROBES, .is = READ),
	ATTR("vlan", u16, NDA_VLAN),
	ATTR("port", be16, NDA_PORT),
	ATTR("vni", u32, NDA_VNI),
	ATTR("via", interface, NDA_IFINDEX),
	ATTR("dev", interface, NDA_IFINDEX, .is = FILTER | DUMP),
	ATTR("master", interface, NDA_MASTER, .is = FILTER),
	ATTR("link_netnsid", s32, NDA_LINK_NETNSID, .is = READ),
	ATTR("src_vni", u32, NDA_SRC_VNI),
	ATTR("proto", enum8, NDA_PROTOCOL, .labels = label_protocols),
	ATTR("nhid", u32, NDA_NH_ID),
	ATTR("flags_ext", flags32, NDA_FLAGS_EXT, .labels = flags_ext),
	END,
};

const struct object neigh_object = {
	.name = "neigh",
	.type = RTM_NEWNEIGH,
	.family = true,
	.layout = { head, sizeof(struct ndmsg), attrs },
};
