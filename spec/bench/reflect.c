/* reflect.c -- the yardstick of every reflector: open a TUN device, print its
 * name, then send each UDP packet back with addresses and ports swapped (which
 * leaves the checksums right). One read(2) and one write(2) per packet, and as
 * its descriptor does not block, one poll(2) when there is none: a reader that
 * blocks in read(2) could be neither closed nor given a timeout. */
#include "bench.h"

#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
	unsigned char old[4];

	memcpy(old, a, size);
	memcpy(a, b, size);
	memcpy(b, old, size);
}

/* read(2), once there is a packet. */
static ssize_t receive(int fd, unsigned char *packet, size_t size)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t n;

	while ((n = read(fd, packet, size)) < 0 && errno == EAGAIN)
		if (poll(&wait, 1, -1) < 0)
			return -1;
	return n;
}

int main(void)
{
	struct ifreq ifr = { .ifr_name = "echo%d",
			     .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	unsigned char packet[65536];
	ssize_t n;

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		err(1, "/dev/net/tun");
	printf("%s\n", ifr.ifr_name);
	fflush(stdout);
	while ((n = receive(fd, packet, sizeof(packet))) > 0) {
		if (n < 28 || packet[0] != 0x45 || packet[9] != IPPROTO_UDP)
			continue;
		swap(packet + 12, packet + 16, 4);
		swap(packet + 20, packet + 22, 2);
		if (write(fd, packet, n) < 0)
			err(1, "write");
	}
	err(1, "read");
}
