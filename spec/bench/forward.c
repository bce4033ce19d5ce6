/* forward.c -- the yardstick of every forwarder: passes packets between two TUN
 * devices and prints their names, one in a line. One read(2) and one write(2)
 * for a packet, and a poll(2) when there is none.
 * Usage: forward plain  packets of an MTU
 *        forward whole  offload on both: super-packets pass untouched
 *        forward split  offload on both: super-packets are split into single
 *                       packets on the way in and joined on the way out
 *        forward from   offload on the first device only
 *        forward to     offload on the second device only */
#include "bench.h"
#include "segments.h"

#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { INFO = sizeof(struct virtio_net_hdr), MOST = 64 };

struct side {
	int fd;
	bool offload;
};

/* Open a device and print its name. */
static void open_side(struct side *side, bool offload)
{
	struct ifreq ifr = { .ifr_name = "forward%d",
			     .ifr_flags = IFF_TUN | IFF_NO_PI };
	unsigned long mask = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	if (offload)
		ifr.ifr_flags |= IFF_VNET_HDR;
	side->offload = offload;
	side->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (side->fd < 0 || ioctl(side->fd, TUNSETIFF, &ifr) < 0 ||
	    (offload && ioctl(side->fd, TUNSETOFFLOAD, mask) < 0))
		err(1, "/dev/net/tun");
	printf("%s\n", ifr.ifr_name);
}

/* Receive a packet; 0: there is none. */
static size_t get(const struct side *side, void *packet, size_t size)
{
	ssize_t n = read(side->fd, packet, size);

	if (n < 0 && errno != EAGAIN)
		err(1, "read");
	return n < 0 ? 0 : (size_t)n;
}

/* Check what write(2) returned: EIO is a device that is not up yet. */
static void sent(ssize_t n)
{
	if (n < 0 && errno != EIO)
		err(1, "write");
}

/* Pass packets on as they are. Returns how many. */
static int pass(const struct side *from, const struct side *to)
{
	static unsigned char packet[INFO + SUPER];
	size_t n;
	int i;

	for (i = 0; i < MOST; i++) {
		n = get(from, packet, sizeof(packet));
		if (!n)
			break;
		sent(write(to->fd, packet, n));
	}
	return i;
}

/* Receive single packets, until there are enough or no more. */
static void get_batch(struct batch *batch, const struct side *from)
{
	static unsigned char packet[INFO + SUPER];
	struct virtio_net_hdr info;
	size_t n;

	for (batch->count = 0; batch->count < MOST;) {
		if (!from->offload) {
			n = get(from, batch->slots[batch->count].bytes,
				SLOT);
			batch->sizes[batch->count] = n;
			batch->count += n > 0;
		} else {
			n = get(from, packet, sizeof(packet));
			memcpy(&info, packet, INFO);
			if (n)
				split(batch, &info, packet + INFO, n - INFO);
		}
		if (!n)
			break;
	}
}

/* Send single packets, joined where the other side has offload. */
static void put_batch(struct batch *batch, const struct side *to)
{
	struct iovec parts[1 + SLOTS];
	struct headers headers;
	unsigned i, run;
	int n;

	for (i = 0; i < batch->count; i += run > 1 ? run : 1) {
		run = to->offload ? run_length(batch, i) : 0;
		if (run > 1) {
			n = join(batch, i, run, &headers, parts);
			sent(writev(to->fd, parts, n));
		} else if (to->offload) {
			sent(write(to->fd, &batch->slots[i],
				   INFO + batch->sizes[i]));
		} else {
			sent(write(to->fd, batch->slots[i].bytes,
				   batch->sizes[i]));
		}
	}
}

static int pass_singles(const struct side *from, const struct side *to)
{
	static struct batch batch;

	get_batch(&batch, from);
	put_batch(&batch, to);
	return (int)batch.count;
}

static void forward(const struct side sides[2],
		    int (*move)(const struct side *, const struct side *))
{
	struct pollfd wait[2] = { { .fd = sides[0].fd, .events = POLLIN },
				  { .fd = sides[1].fd, .events = POLLIN } };

	for (;;) {
		int n = move(&sides[0], &sides[1]);

		n += move(&sides[1], &sides[0]);
		if (n == 0 && poll(wait, 2, -1) < 0)
			err(1, "poll");
	}
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		bool offload[2];
		int (*move)(const struct side *, const struct side *);
	} modes[] = {
		{ "plain", { false, false }, pass },
		{ "whole", { true, true }, pass },
		{ "split", { true, true }, pass_singles },
		{ "from", { true, false }, pass_singles },
		{ "to", { false, true }, pass_singles },
	};
	struct side sides[2];
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (argc != 2 || strcmp(argv[1], modes[i].name) != 0)
			continue;
		open_side(&sides[0], modes[i].offload[0]);
		open_side(&sides[1], modes[i].offload[1]);
		fflush(stdout);
		forward(sides, modes[i].move);
	}
	errx(2, "usage: forward plain|whole|split|from|to");
}
