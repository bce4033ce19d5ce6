/* label.c -- names of numbers that several objects share. */
#include "label.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

const struct label label_families[] = { { "inet", AF_INET },
					{ "inet6", AF_INET6 },
					{ NULL, 0 } };

const struct label label_scopes[] = {
	{ "global", RT_SCOPE_UNIVERSE }, { "site", RT_SCOPE_SITE },
	{ "link", RT_SCOPE_LINK },	 { "host", RT_SCOPE_HOST },
	{ "nowhere", RT_SCOPE_NOWHERE }, { NULL, 0 },
};

/* The names of iproute2's rt_protos. */
const struct label label_protocols[] = {
	{ "unspec", RTPROT_UNSPEC },
	{ "redirect", RTPROT_REDIRECT },
	{ "kernel", RTPROT_KERNEL },
	{ "boot", RTPROT_BOOT },
	{ "static", RTPROT_STATIC },
	{ "gated", RTPROT_GATED },
	{ "ra", RTPROT_RA },
	{ "mrt", RTPROT_MRT },
	{ "zebra", RTPROT_ZEBRA },
	{ "bird", RTPROT_BIRD },
	{ "dnrouted", RTPROT_DNROUTED },
	{ "xorp", RTPROT_XORP },
	{ "ntk", RTPROT_NTK },
	{ "dhcp", RTPROT_DHCP },
	{ "keepalived", RTPROT_KEEPALIVED },
	{ "babel", RTPROT_BABEL },
	{ "bgp", RTPROT_BGP },
	{ "isis", RTPROT_ISIS },
	{ "ospf", RTPROT_OSPF },
	{ "rip", RTPROT_RIP },
	{ "eigrp", RTPROT_EIGRP },
	{ NULL, 0 },
};

/* Names of /etc/protocols. */
const struct label label_ipprotos[] = {
	{ "icmp", IPPROTO_ICMP },	 { "igmp", IPPROTO_IGMP },
	{ "ipencap", IPPROTO_IPIP },	 { "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },		 { "dccp", IPPROTO_DCCP },
	{ "ipv6", IPPROTO_IPV6 },	 { "gre", IPPROTO_GRE },
	{ "esp", IPPROTO_ESP },		 { "ah", IPPROTO_AH },
	{ "ipv6-icmp", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP },
	{ "udplite", IPPROTO_UDPLITE },	 { NULL, 0 },
};

const struct label label_groups[] = { { "default", 0 }, { NULL, 0 } };

const struct label label_tables[] = {
	{ "default", RT_TABLE_DEFAULT },
	{ "main", RT_TABLE_MAIN },
	{ "local", RT_TABLE_LOCAL },
	{ NULL, 0 },
};

const struct label label_hop_flags[] = { LABEL_HOP_FLAGS(LABEL_HOP_FLAG){ NULL,
									  0 } };
