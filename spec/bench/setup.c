/* setup.c -- the seconds it takes to give a TUN device an address, an MTU and
 * a route and to bring it up.
 * Usage: setup mnl      on an open device, with libmnl
 *        setup ip       on an open device, with three ip processes
 *        setup ip-open  the same after ip tuntap add */
#include "bench.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>

#define NAME "bench"

struct setup {
	const char *way;
	struct mnl_socket *netlink;
	unsigned seq;
};

static int open_device(void)
{
	struct ifreq ifr = { .ifr_name = NAME,
			     .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		err(1, "/dev/net/tun");
	return fd;
}

static unsigned device_index(struct setup *setup)
{
	struct ifreq ifr = { .ifr_name = NAME };

	if (ioctl(mnl_socket_get_fd(setup->netlink), SIOCGIFINDEX, &ifr) < 0)
		err(1, NAME);
	return ifr.ifr_ifindex;
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
		err(1, "netlink request %d", setup->seq);
}

static void *start(struct nlmsghdr **nlh, char *buffer, int type, int flags,
		   size_t size)
{
	*nlh = mnl_nlmsg_put_header(buffer);
	(*nlh)->nlmsg_type = type;
	(*nlh)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return mnl_nlmsg_put_extra_header(*nlh, size);
}

static void add_address(struct setup *setup, unsigned index)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct ifaddrmsg *address =
		start(&nlh, buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
		      sizeof(*address));

	address->ifa_family = AF_INET;
	address->ifa_prefixlen = 24;
	address->ifa_index = index;
	mnl_attr_put_u32(nlh, IFA_LOCAL, inet_addr("192.168.69.1"));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, inet_addr("192.168.69.1"));
	talk(setup, nlh, buffer);
}

static void set_link(struct setup *setup, unsigned index)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct ifinfomsg *link =
		start(&nlh, buffer, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = index;
	link->ifi_flags = link->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, 1400);
	talk(setup, nlh, buffer);
}

static void add_route(struct setup *setup, unsigned index)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	struct rtmsg *route = start(&nlh, buffer, RTM_NEWROUTE,
				    NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));

	route->rtm_family = AF_INET;
	route->rtm_dst_len = 16;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_DST, inet_addr("10.20.0.0"));
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	talk(setup, nlh, buffer);
}

#define IP(...) run((char *[]){ "ip", __VA_ARGS__, NULL })

static void configure(struct setup *setup, unsigned index)
{
	if (strcmp(setup->way, "mnl") == 0) {
		add_address(setup, index);
		set_link(setup, index);
		add_route(setup, index);
		return;
	}
	if (strcmp(setup->way, "ip-open") == 0)
		IP("tuntap", "add", NAME, "mode", "tun");
	IP("address", "add", "192.168.69.1/24", "dev", NAME);
	IP("link", "set", NAME, "mtu", "1400", "up");
	IP("route", "add", "10.20.0.0/16", "dev", NAME);
}

/* Only configure() is timed: closing a device alone takes some 15 ms. */
static double turn(void *arg)
{
	struct setup *setup = arg;
	bool by_ip = strcmp(setup->way, "ip-open") == 0;
	int fd = by_ip ? -1 : open_device();
	unsigned index = by_ip ? 0 : device_index(setup);
	double begin = seconds(CLOCK_MONOTONIC), took;

	configure(setup, index);
	took = seconds(CLOCK_MONOTONIC) - begin;
	if (by_ip)
		IP("link", "del", NAME);
	else
		close(fd);
	return took;
}

int main(int argc, char *argv[])
{
	struct setup setup = { .way = argc == 2 ? argv[1] : "" };

	if (strcmp(setup.way, "mnl") != 0 && strcmp(setup.way, "ip") != 0 &&
	    strcmp(setup.way, "ip-open") != 0)
		errx(2, "usage: setup mnl|ip|ip-open");
	setup.netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!setup.netlink || mnl_socket_bind(setup.netlink, 0, 0) < 0)
		err(1, "netlink");
	take_turns(turn, &setup);
}
