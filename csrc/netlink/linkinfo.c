/* linkinfo.c -- IFLA_LINKINFO: what a bridge, its ports, a vlan, a tun and a
 * veth have beyond every link. Data only. Times are in hundredths of a second,
 * as the kernel and ip-link(8) give them. */
#include "linkinfo.h"

#include "nest.h"
#include "noun.h"
#include "number.h"
#include "text.h"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/veth.h>
#include <stddef.h>

/* -- tun ------------------------------------------------------------- */

static const struct label tun_types[] = { { "tun", IFF_TUN },
					  { "tap", IFF_TAP },
					  { NULL, 0 } };

static const struct field tun[] = {
	ATTR("type", enum8, IFLA_TUN_TYPE, .is = READ, .labels = tun_types),
	ATTR("pi", bool, IFLA_TUN_PI, .is = READ),
	ATTR("vnet_hdr", bool, IFLA_TUN_VNET_HDR, .is = READ),
	ATTR("persist", bool, IFLA_TUN_PERSIST, .is = READ),
	ATTR("multi_queue", bool, IFLA_TUN_MULTI_QUEUE, .is = READ),
	ATTR("owner", u32, IFLA_TUN_OWNER, .is = READ),
	ATTR("group", u32, IFLA_TUN_GROUP, .is = READ),
	ATTR("num_queues", u32, IFLA_TUN_NUM_QUEUES, .is = READ),
	ATTR("num_disabled_queues", u32, IFLA_TUN_NUM_DISABLED_QUEUES,
	     .is = READ),
	END,
};

/* -- vlan ------------------------------------------------------------ */

static const struct label vlan_protocols[] = { { "802.1Q", ETH_P_8021Q },
					       { "802.1ad", ETH_P_8021AD },
					       { NULL, 0 } };

static const struct label vlan_flags[] = {
	{ "reorder_hdr", VLAN_FLAG_REORDER_HDR },
	{ "gvrp", VLAN_FLAG_GVRP },
	{ "loose_binding", VLAN_FLAG_LOOSE_BINDING },
	{ "mvrp", VLAN_FLAG_MVRP },
	{ "bridge_binding", VLAN_FLAG_BRIDGE_BINDING },
	{ NULL, 0 },
};

static const struct field qos[] = {
	HEAD("from", u32, struct ifla_vlan_qos_mapping, from),
	HEAD("to", u32, struct ifla_vlan_qos_mapping, to),
	END,
};

static const struct field qos_map[] = {
	ATTR("mapping", record, IFLA_VLAN_QOS_MAPPING,
	     .size = sizeof(struct ifla_vlan_qos_mapping), .rows = qos),
	END,
};

static const struct field vlan[] = {
	ATTR("id", u16, IFLA_VLAN_ID),
	ATTR("protocol", be_enum16, IFLA_VLAN_PROTOCOL,
	     .labels = vlan_protocols),
	ATTR("flags", masked, IFLA_VLAN_FLAGS, .labels = vlan_flags),
	ATTR("ingress_qos", list, IFLA_VLAN_INGRESS_QOS, .rows = qos_map),
	ATTR("egress_qos", list, IFLA_VLAN_EGRESS_QOS, .rows = qos_map),
	END,
};

/* -- veth ------------------------------------------------------------ */

static const struct field veth[] = {
	ATTR("peer", message, VETH_INFO_PEER, .layout = &link_object.layout),
	END,
};

/* -- bridge ---------------------------------------------------------- */

static const struct label bridge_options[] = {
	{ "no_linklocal_learn", 1 << BR_BOOLOPT_NO_LL_LEARN },
	{ "mcast_vlan_snooping", 1 << BR_BOOLOPT_MCAST_VLAN_SNOOPING },
	{ NULL, 0 },
};

static const struct field querier[] = {
	ATTR("ip", ip, BRIDGE_QUERIER_IP_ADDRESS, .is = READ),
	ATTR("port", interface, BRIDGE_QUERIER_IP_PORT, .is = READ),
	ATTR("timer", u64, BRIDGE_QUERIER_IP_OTHER_TIMER, .is = READ),
	ATTR("ip6", ip, BRIDGE_QUERIER_IPV6_ADDRESS, .is = READ),
	ATTR("port6", interface, BRIDGE_QUERIER_IPV6_PORT, .is = READ),
	ATTR("timer6", u64, BRIDGE_QUERIER_IPV6_OTHER_TIMER, .is = READ),
	END,
};

static const struct field bridge[] = {
	ATTR("forward_delay", u32, IFLA_BR_FORWARD_DELAY),
	ATTR("hello_time", u32, IFLA_BR_HELLO_TIME),
	ATTR("max_age", u32, IFLA_BR_MAX_AGE),
	ATTR("ageing_time", u32, IFLA_BR_AGEING_TIME),
	ATTR("stp_state", u32, IFLA_BR_STP_STATE),
	ATTR("priority", u16, IFLA_BR_PRIORITY),
	ATTR("vlan_filtering", bool, IFLA_BR_VLAN_FILTERING),
	ATTR("vlan_protocol", be_enum16, IFLA_BR_VLAN_PROTOCOL,
	     .labels = vlan_protocols),
	ATTR("bridge_id", bridge_id, IFLA_BR_BRIDGE_ID, .is = READ),
	ATTR("root_id", bridge_id, IFLA_BR_ROOT_ID, .is = READ),
	ATTR("root_port", u16, IFLA_BR_ROOT_PORT, .is = READ),
	ATTR("root_path_cost", u32, IFLA_BR_ROOT_PATH_COST, .is = READ),
	ATTR("topology_change", bool, IFLA_BR_TOPOLOGY_CHANGE, .is = READ),
	ATTR("topology_change_detected", bool, IFLA_BR_TOPOLOGY_CHANGE_DETECTED,
	     .is = READ),
	ATTR("hello_timer", u64, IFLA_BR_HELLO_TIMER, .is = READ),
	ATTR("tcn_timer", u64, IFLA_BR_TCN_TIMER, .is = READ),
	ATTR("topology_change_timer", u64, IFLA_BR_TOPOLOGY_CHANGE_TIMER,
	     .is = READ),
	ATTR("gc_timer", u64, IFLA_BR_GC_TIMER, .is = READ),
	ATTR("vlan_default_pvid", u16, IFLA_BR_VLAN_DEFAULT_PVID),
	ATTR("vlan_stats_enabled", bool, IFLA_BR_VLAN_STATS_ENABLED),
	ATTR("vlan_stats_per_port", bool, IFLA_BR_VLAN_STATS_PER_PORT),
	ATTR("group_fwd_mask", u16, IFLA_BR_GROUP_FWD_MASK),
	ATTR("group_addr", mac, IFLA_BR_GROUP_ADDR),
	ATTR("fdb_flush", flag, IFLA_BR_FDB_FLUSH),
	ATTR("mcast_snooping", bool, IFLA_BR_MCAST_SNOOPING),
	ATTR("options", masked, IFLA_BR_MULTI_BOOLOPT,
	     .labels = bridge_options),
	ATTR("mcast_router", u8, IFLA_BR_MCAST_ROUTER),
	ATTR("mcast_query_use_ifaddr", bool, IFLA_BR_MCAST_QUERY_USE_IFADDR),
	ATTR("mcast_querier", bool, IFLA_BR_MCAST_QUERIER),
	ATTR("mcast_querier_state", nest, IFLA_BR_MCAST_QUERIER_STATE,
	     .is = READ, .rows = querier),
	ATTR("mcast_hash_elasticity", u32, IFLA_BR_MCAST_HASH_ELASTICITY),
	ATTR("mcast_hash_max", u32, IFLA_BR_MCAST_HASH_MAX),
	ATTR("mcast_last_member_cnt", u32, IFLA_BR_MCAST_LAST_MEMBER_CNT),
	ATTR("mcast_startup_query_cnt", u32, IFLA_BR_MCAST_STARTUP_QUERY_CNT),
	ATTR("mcast_last_member_intvl", u64, IFLA_BR_MCAST_LAST_MEMBER_INTVL),
	ATTR("mcast_membership_intvl", u64, IFLA_BR_MCAST_MEMBERSHIP_INTVL),
	ATTR("mcast_querier_intvl", u64, IFLA_BR_MCAST_QUERIER_INTVL),
	ATTR("mcast_query_intvl", u64, IFLA_BR_MCAST_QUERY_INTVL),
	ATTR("mcast_query_response_intvl", u64,
	     IFLA_BR_MCAST_QUERY_RESPONSE_INTVL),
	ATTR("mcast_startup_query_intvl", u64,
	     IFLA_BR_MCAST_STARTUP_QUERY_INTVL),
	ATTR("mcast_stats_enabled", bool, IFLA_BR_MCAST_STATS_ENABLED),
	ATTR("mcast_igmp_version", u8, IFLA_BR_MCAST_IGMP_VERSION),
	ATTR("mcast_mld_version", u8, IFLA_BR_MCAST_MLD_VERSION),
	ATTR("nf_call_iptables", bool, IFLA_BR_NF_CALL_IPTABLES),
	ATTR("nf_call_ip6tables", bool, IFLA_BR_NF_CALL_IP6TABLES),
	ATTR("nf_call_arptables", bool, IFLA_BR_NF_CALL_ARPTABLES),
	END,
};

static const struct label port_states[] = {
	{ "disabled", 0 },   { "listening", 1 }, { "learning", 2 },
	{ "forwarding", 3 }, { "blocking", 4 },	 { NULL, 0 },
};

static const struct field bridge_port[] = {
	ATTR("state", enum8, IFLA_BRPORT_STATE, .labels = port_states),
	ATTR("priority", u16, IFLA_BRPORT_PRIORITY),
	ATTR("cost", u32, IFLA_BRPORT_COST),
	ATTR("hairpin", bool, IFLA_BRPORT_MODE),
	ATTR("guard", bool, IFLA_BRPORT_GUARD),
	ATTR("root_block", bool, IFLA_BRPORT_PROTECT),
	ATTR("fastleave", bool, IFLA_BRPORT_FAST_LEAVE),
	ATTR("learning", bool, IFLA_BRPORT_LEARNING),
	ATTR("flood", bool, IFLA_BRPORT_UNICAST_FLOOD),
	ATTR("proxy_arp", bool, IFLA_BRPORT_PROXYARP),
	ATTR("proxy_arp_wifi", bool, IFLA_BRPORT_PROXYARP_WIFI),
	ATTR("root_id", bridge_id, IFLA_BRPORT_ROOT_ID, .is = READ),
	ATTR("bridge_id", bridge_id, IFLA_BRPORT_BRIDGE_ID, .is = READ),
	ATTR("designated_port", u16, IFLA_BRPORT_DESIGNATED_PORT, .is = READ),
	ATTR("designated_cost", u16, IFLA_BRPORT_DESIGNATED_COST, .is = READ),
	ATTR("id", u16, IFLA_BRPORT_ID, .is = READ),
	ATTR("no", u16, IFLA_BRPORT_NO, .is = READ),
	ATTR("topology_change_ack", bool, IFLA_BRPORT_TOPOLOGY_CHANGE_ACK,
	     .is = READ),
	ATTR("config_pending", bool, IFLA_BRPORT_CONFIG_PENDING, .is = READ),
	ATTR("message_age_timer", u64, IFLA_BRPORT_MESSAGE_AGE_TIMER,
	     .is = READ),
	ATTR("forward_delay_timer", u64, IFLA_BRPORT_FORWARD_DELAY_TIMER,
	     .is = READ),
	ATTR("hold_timer", u64, IFLA_BRPORT_HOLD_TIMER, .is = READ),
	ATTR("fdb_flush", flag, IFLA_BRPORT_FLUSH),
	ATTR("mcast_router", u8, IFLA_BRPORT_MULTICAST_ROUTER),
	ATTR("mcast_flood", bool, IFLA_BRPORT_MCAST_FLOOD),
	ATTR("bcast_flood", bool, IFLA_BRPORT_BCAST_FLOOD),
	ATTR("mcast_to_unicast", bool, IFLA_BRPORT_MCAST_TO_UCAST),
	ATTR("vlan_tunnel", bool, IFLA_BRPORT_VLAN_TUNNEL),
	ATTR("group_fwd_mask", u16, IFLA_BRPORT_GROUP_FWD_MASK),
	ATTR("neigh_suppress", bool, IFLA_BRPORT_NEIGH_SUPPRESS),
	ATTR("isolated", bool, IFLA_BRPORT_ISOLATED),
	ATTR("backup_port", interface, IFLA_BRPORT_BACKUP_PORT),
	ATTR("mrp_ring_open", bool, IFLA_BRPORT_MRP_RING_OPEN, .is = READ),
	ATTR("mrp_in_open", bool, IFLA_BRPORT_MRP_IN_OPEN, .is = READ),
	ATTR("mcast_eht_hosts_limit", u32, IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT),
	ATTR("mcast_eht_hosts_cnt", u32, IFLA_BRPORT_MCAST_EHT_HOSTS_CNT,
	     .is = READ),
	ATTR("locked", bool, IFLA_BRPORT_LOCKED),
	END,
};

/* -- The kinds ------------------------------------------------------- */

static const struct choice kinds[] = {
	{ "tun", "tun", tun },	  { "bridge", "bridge", bridge },
	{ "vlan", "vlan", vlan }, { "veth", "veth", veth },
	{ NULL, NULL, NULL },
};

static const struct choice ports[] = {
	{ "bridge", "bridge_slave", bridge_port },
	{ NULL, NULL, NULL },
};

static const struct choices by_kind = { "kind", kinds };
static const struct choices by_port_kind = { "slave_kind", ports };

/* A choice stands behind the kind it goes by. */
const struct field linkinfo[] = {
	ATTR("kind", string, IFLA_INFO_KIND, .is = FILTER),
	ATTR("", choice, IFLA_INFO_DATA, .is = INLINE, .choices = &by_kind),
	ATTR("slave_kind", string, IFLA_INFO_SLAVE_KIND),
	ATTR("", choice, IFLA_INFO_SLAVE_DATA, .is = INLINE,
	     .choices = &by_port_kind),
	END,
};
