/* count.c -- the yardstick of those who receive UDP super-packets: counts their
 * datagrams, as spec/bench/datagrams.c asks. One read(2) per super-packet, and
 * a poll(2) when there is none. */
#include "bench.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct packet {
	char unused[2]; /* aligns what follows info */
	struct virtio_net_hdr info;
	struct iphdr ip;
	struct udphdr udp;
	char payload[65536];
};

static void open_device(int *fd)
{
	struct ifreq ifr = { .ifr_name = "count%d",
			     .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	unsigned long mask =
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6;

	*fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0 || ioctl(*fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(*fd, TUNSETOFFLOAD, mask) < 0)
		err(1, "/dev/net/tun");
	printf("%s\n", ifr.ifr_name);
	fflush(stdout);
}

/* Add the datagrams of a packet; one of a single datagram asks how many. */
static void count(const struct packet *packet, size_t size, unsigned *datagrams)
{
	unsigned payload, segment = packet->info.gso_size;

	if (size < offsetof(struct packet, payload) ||
	    packet->ip.version != 4 || packet->ip.protocol != IPPROTO_UDP)
		return;
	if (packet->info.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		printf("%u\n", *datagrams);
		fflush(stdout);
		*datagrams = 0;
	} else {
		payload = ntohs(packet->udp.len) - 8u;
		*datagrams += (payload + segment - 1) / segment;
	}
}

int main(void)
{
	static struct packet packet;
	const size_t front = offsetof(struct packet, info);
	struct pollfd wait = { .events = POLLIN };
	unsigned datagrams = 0;
	ssize_t n;

	open_device(&wait.fd);
	for (;;) {
		n = read(wait.fd, (char *)&packet + front,
			 sizeof(packet) - front);
		if (n >= 0)
			count(&packet, front + (size_t)n, &datagrams);
		else if (errno != EAGAIN || poll(&wait, 1, -1) < 0)
			err(1, "read");
	}
}
