/* link.c -- a link on the wire: struct ifinfomsg and IFLA_*. Data only; what a
 * bridge, a vlan, a tun or a veth adds is in linkinfo.c. */
#include "linkinfo.h"

#include "label.h"
#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static const struct label flags[] = {
	{ "up", IFF_UP },
	{ "broadcast", IFF_BROADCAST },
	{ "debug", IFF_DEBUG },
	{ "loopback", IFF_LOOPBACK },
	{ "pointopoint", IFF_POINTOPOINT },
	{ "notrailers", IFF_NOTRAILERS },
	{ "running", IFF_RUNNING },
	{ "noarp", IFF_NOARP },
	{ "promisc", IFF_PROMISC },
	{ "allmulti", IFF_ALLMULTI },
	{ "master", IFF_MASTER },
	{ "slave", IFF_SLAVE },
	{ "multicast", IFF_MULTICAST },
	{ "portsel", IFF_PORTSEL },
	{ "automedia", IFF_AUTOMEDIA },
	{ "dynamic", IFF_DYNAMIC },
	{ "lower_up", IFF_LOWER_UP },
	{ "dormant", IFF_DORMANT },
	{ "echo", IFF_ECHO },
	{ NULL, 0 },
};

/* The words of ip-link(8) for the types that these links can have. */
static const struct label types[] = {
	{ "ether", ARPHRD_ETHER },
	{ "loopback", ARPHRD_LOOPBACK },
	{ "none", ARPHRD_NONE },
	{ "ppp", ARPHRD_PPP },
	{ "ipip", ARPHRD_TUNNEL },
	{ "tunnel6", ARPHRD_TUNNEL6 },
	{ "sit", ARPHRD_SIT },
	{ "gre", ARPHRD_IPGRE },
	{ "gre6", ARPHRD_IP6GRE },
	{ "ieee802.11", ARPHRD_IEEE80211 },
	{ "ieee802.15.4", ARPHRD_IEEE802154 },
	{ "infiniband", ARPHRD_INFINIBAND },
	{ "can", ARPHRD_CAN },
	{ "rawip", ARPHRD_RAWIP },
	{ "void", ARPHRD_VOID },
	{ NULL, 0 },
};

/* RFC 2863, ifOperStatus. */
static const struct label operstates[] = {
	{ "unknown", 0 }, { "notpresent", 1 },
	{ "down", 2 },	  { "lowerlayerdown", 3 },
	{ "testing", 4 }, { "dormant", 5 },
	{ "up", 6 },	  { NULL, 0 },
};

static const struct label linkmodes[] = {
	{ "default", 0 }, { "dormant", 1 }, { "testing", 2 }, { NULL, 0 }
};

static const struct label gen_modes[] = {
	{ "eui64", IN6_ADDR_GEN_MODE_EUI64 },
	{ "none", IN6_ADDR_GEN_MODE_NONE },
	{ "stable_secret", IN6_ADDR_GEN_MODE_STABLE_PRIVACY },
	{ "random", IN6_ADDR_GEN_MODE_RANDOM },
	{ NULL, 0 },
};

/* The kernel's fault words of IFLA_EVENT. */
static const struct label events[] = {
	{ "none", IFLA_EVENT_NONE },
	{ "reboot", IFLA_EVENT_REBOOT },
	{ "feature change", IFLA_EVENT_FEATURES },
	{ "bonding failover", IFLA_EVENT_BONDING_FAILOVER },
	{ "notify peers", IFLA_EVENT_NOTIFY_PEERS },
	{ "resend igmp", IFLA_EVENT_IGMP_RESEND },
	{ "bonding option", IFLA_EVENT_BONDING_OPTIONS },
	{ NULL, 0 },
};

#define STAT(name) HEAD(#name, u64, struct rtnl_link_stats64, name, .is = READ)
static const struct field stats[] = {
	STAT(rx_packets),
	STAT(tx_packets),
	STAT(rx_bytes),
	STAT(tx_bytes),
	STAT(rx_errors),
	STAT(tx_errors),
	STAT(rx_dropped),
	STAT(tx_dropped),
	STAT(multicast),
	STAT(collisions),
	STAT(rx_length_errors),
	STAT(rx_over_errors),
	STAT(rx_crc_errors),
	STAT(rx_frame_errors),
	STAT(rx_fifo_errors),
	STAT(rx_missed_errors),
	STAT(tx_aborted_errors),
	STAT(tx_carrier_errors),
	STAT(tx_fifo_errors),
	STAT(tx_heartbeat_errors),
	STAT(tx_window_errors),
	STAT(rx_compressed),
	STAT(tx_compressed),
	STAT(rx_nohandler),
	STAT(rx_otherhost_dropped),
	END,
};

static const struct field altnames[] = {
	ATTR("altnames", string, IFLA_ALT_IFNAME, .most = 128),
	END,
};

static const struct field inet6[] = {
	ATTR("inet6_addr_gen_mode", enum8, IFLA_INET6_ADDR_GEN_MODE,
	     .labels = gen_modes),
	ATTR("inet6_token", ip, IFLA_INET6_TOKEN),
	END,
};

static const struct field families[] = {
	ATTR("", nest, AF_INET6, .is = INLINE, .rows = inet6),
	END,
};

/* 0 is no program. */
static const struct label xdp_modes[] = { { "none", 0 },     { "native", 1 },
					  { "generic", 2 },  { "offload", 3 },
					  { "multiple", 4 }, { NULL, 0 } };

static const struct field xdp[] = {
	ATTR("mode", enum8, IFLA_XDP_ATTACHED, .is = READ, .labels = xdp_modes),
	ATTR("prog_id", u32, IFLA_XDP_PROG_ID, .is = READ),
	ATTR("fd", s32, IFLA_XDP_FD),
	END,
};

/* ifi_flags and, behind it, ifi_change: which of them a request names. */
static const struct field head[] = {
	HEAD("index", s32, struct ifinfomsg, ifi_index),
	HEAD("link_type", enum16, struct ifinfomsg, ifi_type, .is = READ,
	     .labels = types),
	{ .key = "flags",
	  .kind = &kind_masked,
	  .where = offsetof(struct ifinfomsg, ifi_flags),
	  .size = 8,
	  .labels = flags },
	END,
};

static const struct field attrs[] = {
	ATTR("name", string, IFLA_IFNAME, .most = IFNAMSIZ),
	ATTR("altname", string, IFLA_ALT_IFNAME, .most = 128),
	ATTR("mtu", u32, IFLA_MTU),
	ATTR("address", mac, IFLA_ADDRESS),
	ATTR("broadcast", mac, IFLA_BROADCAST),
	ATTR("permaddr", mac, IFLA_PERM_ADDRESS, .is = READ),
	ATTR("link", lower, IFLA_LINK),
	ATTR("link_netnsid", s32, IFLA_LINK_NETNSID),
	ATTR("master", interface, IFLA_MASTER, .is = FILTER),
	ATTR("qdisc", string, IFLA_QDISC, .is = READ),
	ATTR("txqlen", u32, IFLA_TXQLEN),
	ATTR("operstate", enum8, IFLA_OPERSTATE, .labels = operstates),
	ATTR("linkmode", enum8, IFLA_LINKMODE, .labels = linkmodes),
	ATTR("group", enum32, IFLA_GROUP, .labels = label_groups),
	ATTR("alias", bare_string, IFLA_IFALIAS, .most = 256),
	ATTR("carrier", bool, IFLA_CARRIER),
	ATTR("carrier_changes", u32, IFLA_CARRIER_CHANGES, .is = READ),
	ATTR("carrier_up_count", u32, IFLA_CARRIER_UP_COUNT, .is = READ),
	ATTR("carrier_down_count", u32, IFLA_CARRIER_DOWN_COUNT, .is = READ),
	ATTR("promiscuity", u32, IFLA_PROMISCUITY, .is = READ),
	ATTR("allmulti", u32, IFLA_ALLMULTI, .is = READ),
	ATTR("min_mtu", u32, IFLA_MIN_MTU, .is = READ),
	ATTR("max_mtu", u32, IFLA_MAX_MTU, .is = READ),
	ATTR("num_tx_queues", u32, IFLA_NUM_TX_QUEUES),
	ATTR("num_rx_queues", u32, IFLA_NUM_RX_QUEUES),
	ATTR("gso_max_size", u32, IFLA_GSO_MAX_SIZE),
	ATTR("gso_max_segs", u32, IFLA_GSO_MAX_SEGS),
	ATTR("tso_max_size", u32, IFLA_TSO_MAX_SIZE, .is = READ),
	ATTR("tso_max_segs", u32, IFLA_TSO_MAX_SEGS, .is = READ),
	ATTR("gro_max_size", u32, IFLA_GRO_MAX_SIZE),
	ATTR("protodown", bool, IFLA_PROTO_DOWN),
	ATTR("phys_port_name", string, IFLA_PHYS_PORT_NAME, .is = READ),
	ATTR("phys_port_id", mac, IFLA_PHYS_PORT_ID, .is = READ),
	ATTR("phys_switch_id", mac, IFLA_PHYS_SWITCH_ID, .is = READ),
	ATTR("parentbus", string, IFLA_PARENT_DEV_BUS_NAME, .is = READ),
	ATTR("parentdev", string, IFLA_PARENT_DEV_NAME, .is = READ),
	ATTR("event", enum32, IFLA_EVENT, .is = READ, .labels = events),
	ATTR("netns_pid", u32, IFLA_NET_NS_PID),
	ATTR("netns_fd", u32, IFLA_NET_NS_FD),
	ATTR("new_netnsid", s32, IFLA_NEW_NETNSID, .is = READ),
	ATTR("new_index", s32, IFLA_NEW_IFINDEX),
	ATTR("altnames", list, IFLA_PROP_LIST, .rows = altnames),
	ATTR("xdp", nest, IFLA_XDP, .rows = xdp),
	ATTR("", nest, IFLA_AF_SPEC, .is = INLINE, .rows = families),
	ATTR("", nest, IFLA_LINKINFO, .is = INLINE, .rows = linkinfo),
	ATTR("stats", record, IFLA_STATS64,
	     .size = sizeof(struct rtnl_link_stats64), .is = READ,
	     .rows = stats),
	END,
};

/* Without a mask the kernel has room for links of up to 8 KB in a list, and
 * leaves longer ones out. This bit asks for nothing outside of bridges. */
const struct object link_object = {
	.name = "link",
	.type = RTM_NEWLINK,
	.layout = { head, sizeof(struct ifinfomsg), attrs },
	.list = IFLA_EXT_MASK,
	.value = RTEXT_FILTER_MRP,
};
