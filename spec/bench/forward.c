/* forward.c -- the yardstick of every forwarder: passes packets between two TUN
 * devices and prints their names, one in a line. One read(2) and one write(2)
 * for a packet, and a poll(2) when there is none.
 * Usage: forward plain  packets of an MTU
 *        forward whole  offload on both: super-packets pass untouched
 *        forward split  offload on both: super-packets are split into single
 *                       packets on the way in and joined on the way out
 *        forward from   offload on the first device only
 *        forward to     offload on the second device only
 * Where offload is on one device only, the other one has a thread. */
#include "segments.h"

#include <poll.h>

struct side {
	int fd;
	enum kind kind;
};

typedef unsigned move(const struct side *from, const struct side *to);

/* Pass packets on as they are. Returns how many. */
static unsigned pass(const struct side *from, const struct side *to)
{
	static unsigned char packet[INFO + SUPER];
	unsigned i;
	ssize_t n;

	for (i = 0; i < MOST; i++) {
		n = read(from->fd, packet, sizeof(packet));
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			err(1, "read");
		sent(write(to->fd, packet, (size_t)n));
	}
	return i;
}

/* Read a packet of an MTU and append it. Returns whether there was one. */
static bool read_plain(struct batch *batch, int fd)
{
	ssize_t n = read(fd, room(batch), SUPER);

	if (n < 0 && errno != EAGAIN)
		err(1, "read");
	if (n > 0)
		append(batch, (size_t)n);
	return n > 0;
}

static void write_plain(const struct batch *batch, int fd)
{
	unsigned i;

	for (i = 0; i < batch->count; i++)
		sent(write(fd, batch->packets[i].iov_base,
			   batch->packets[i].iov_len));
}

/* Pass single packets on. */
static unsigned pass_singles(const struct side *from, const struct side *to)
{
	static struct batch batch;
	bool more = true;

	for (empty(&batch); more && batch.count < MOST;)
		more = from->kind == OFFLOAD ? read_split(&batch, from->fd)
					     : read_plain(&batch, from->fd);
	if (to->kind == OFFLOAD)
		write_joined(&batch, to->fd);
	else
		write_plain(&batch, to->fd);
	return batch.count;
}

static void forward(const struct side sides[2], move *pass_on)
{
	struct pollfd wait[2] = { { .fd = sides[0].fd, .events = POLLIN },
				  { .fd = sides[1].fd, .events = POLLIN } };
	unsigned n;

	for (;;) {
		n = pass_on(&sides[0], &sides[1]);
		n += pass_on(&sides[1], &sides[0]);
		if (n == 0 && poll(wait, 2, -1) < 0)
			err(1, "poll");
	}
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		enum kind kinds[2];
		move *move;
	} modes[] = {
		{ "plain", { PLAIN, PLAIN }, pass },
		{ "whole", { OFFLOAD, OFFLOAD }, pass },
		{ "split", { OFFLOAD, OFFLOAD }, pass_singles },
		{ "from", { OFFLOAD, THREADED }, pass_singles },
		{ "to", { THREADED, OFFLOAD }, pass_singles },
	};
	struct side sides[2];
	size_t i, j;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (argc != 2 || strcmp(argv[1], modes[i].name) != 0)
			continue;
		for (j = 0; j < 2; j++) {
			sides[j].kind = modes[i].kinds[j];
			sides[j].fd = open_device(sides[j].kind);
		}
		forward(sides, modes[i].move);
	}
	errx(2, "usage: forward plain|whole|split|from|to");
}
