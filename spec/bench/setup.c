/* setup.c -- the seconds it takes to give a TUN device an address, an MTU and
 * a route and to bring it up. What undoes it is not timed.
 * Usage: setup mnl      an open device, with libmnl
 *        setup ip       an open device, with three ip processes
 *        setup ip-open  a device that ip tuntap adds, with three more */
#include "bench.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>

/* Unlike that of the Lua side, which is there at the same time. */
#define NAME "yardstick"

enum { TIMES = 11 };

struct setup {
	const struct way *way;
	struct mnl_socket *netlink;
	unsigned seq;
	unsigned index;
};

struct way {
	const char *name;
	void (*open)(struct setup *setup); /* before all turns */
	void (*configure)(struct setup *setup);
	void (*undo)(struct setup *setup);
};

static void open_device(struct setup *setup)
{
	struct ifreq ifr = { .ifr_name = NAME,
			     .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		err(1, "/dev/net/tun");
	if (ioctl(mnl_socket_get_fd(setup->netlink), SIOCGIFINDEX, &ifr) < 0)
		err(1, NAME);
	setup->index = ifr.ifr_ifindex;
}

/* Begin a request; returns its fixed header. */
static void *begin(struct nlmsghdr **nlh, char *buffer, int type, int flags,
		   size_t size)
{
	*nlh = mnl_nlmsg_put_header(buffer);
	(*nlh)->nlmsg_type = type;
	(*nlh)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return mnl_nlmsg_put_extra_header(*nlh, size);
}

/* Send a request and wait for its ACK. */
static void talk(struct setup *setup, struct nlmsghdr *nlh, char *buffer)
{
	unsigned port = mnl_socket_get_portid(setup->netlink);
	ssize_t n;

	nlh->nlmsg_seq = ++setup->seq;
	if (mnl_socket_sendto(setup->netlink, nlh, nlh->nlmsg_len) < 0)
		err(1, "send");
	n = mnl_socket_recvfrom(setup->netlink, buffer, MNL_SOCKET_BUFFER_SIZE);
	if (n < 0 || mnl_cb_run(buffer, n, setup->seq, port, NULL, NULL) < 0)
		err(1, "netlink request of type %d", nlh->nlmsg_type);
}

static void change_address(struct setup *setup, int type, int flags)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct ifaddrmsg *address =
		begin(&nlh, buffer, type, flags, sizeof(*address));

	address->ifa_family = AF_INET;
	address->ifa_prefixlen = 24;
	address->ifa_index = setup->index;
	mnl_attr_put_u32(nlh, IFA_LOCAL, inet_addr("192.168.69.1"));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, inet_addr("192.168.69.1"));
	talk(setup, nlh, buffer);
}

static void set_link(struct setup *setup, unsigned flags, unsigned mtu)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct ifinfomsg *link =
		begin(&nlh, buffer, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = setup->index;
	link->ifi_flags = flags;
	link->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	talk(setup, nlh, buffer);
}

static void add_route(struct setup *setup)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct rtmsg *route = begin(&nlh, buffer, RTM_NEWROUTE,
				    NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));

	route->rtm_family = AF_INET;
	route->rtm_dst_len = 16;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_DST, inet_addr("10.20.0.0"));
	mnl_attr_put_u32(nlh, RTA_OIF, setup->index);
	talk(setup, nlh, buffer);
}

static void configure_by_mnl(struct setup *setup)
{
	change_address(setup, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	set_link(setup, IFF_UP, 1400);
	add_route(setup);
}

/* The route goes when the link goes down. */
static void undo_by_mnl(struct setup *setup)
{
	set_link(setup, 0, 1500);
	change_address(setup, RTM_DELADDR, 0);
}

static void configure_by_ip(struct setup *setup)
{
	(void)setup;
	IP("address", "add", "192.168.69.1/24", "dev", NAME);
	IP("link", "set", NAME, "mtu", "1400", "up");
	IP("route", "add", "10.20.0.0/16", "dev", NAME);
}

static void open_by_ip(struct setup *setup)
{
	IP("tuntap", "add", NAME, "mode", "tun");
	configure_by_ip(setup);
}

static void delete_by_ip(struct setup *setup)
{
	(void)setup;
	IP("link", "del", NAME);
}

static const struct way ways[] = {
	{ "mnl", open_device, configure_by_mnl, undo_by_mnl },
	{ "ip", open_device, configure_by_ip, undo_by_mnl },
	{ "ip-open", NULL, open_by_ip, delete_by_ip },
};

static double turn(void *arg)
{
	struct setup *setup = arg;
	double start, took[TIMES];
	size_t i;

	for (i = 0; i < TIMES; i++) {
		start = seconds(CLOCK_MONOTONIC);
		setup->way->configure(setup);
		took[i] = seconds(CLOCK_MONOTONIC) - start;
		setup->way->undo(setup);
	}
	return median(took, TIMES);
}

int main(int argc, char *argv[])
{
	struct setup setup = { 0 };
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (argc == 2 && strcmp(argv[1], ways[i].name) == 0)
			setup.way = &ways[i];
	if (!setup.way)
		errx(2, "usage: setup mnl|ip|ip-open");
	setup.netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!setup.netlink || mnl_socket_bind(setup.netlink, 0, 0) < 0)
		err(1, "netlink");
	if (setup.way->open)
		setup.way->open(&setup);
	take_turns(turn, &setup);
}
