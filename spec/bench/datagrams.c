/* datagrams.c -- what receiving UDP super-packets costs: sends such packets of
 * 45 x 1400 bytes into the TUN device of a receiver, on which offload is.
 * Usage: datagrams wall|cpu receiver argument...
 *   wall  seconds per datagram
 *   cpu   seconds of processor time of the receiver per datagram
 * A receiver prints the name of its device once it is open. It counts the
 * datagrams of super-packets; when it meets a UDP packet that is none, it
 * prints their number and counts from 0 again. */
#include "bench.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	PAYLOAD = 1400,
	SEGMENTS = 45,
	BURST = 32,  /* super-packets between two questions */
	WINDOW = 4,  /* bursts under way: the receiver always has work */
	BURSTS = 512 /* per turn */
};

struct datagrams {
	int fd;
	clockid_t clock;
	FILE *answers;
	unsigned char super[SEGMENTS * PAYLOAD];
};

static void connect_to(struct datagrams *d, const char *name)
{
	struct sockaddr_in far = { .sin_family = AF_INET,
				   .sin_port = htons(9) };
	int size = PAYLOAD;

	IP("link", "set", (char *)name, "up");
	IP("address", "add", "10.0.0.1/24", "dev", (char *)name);
	inet_aton("10.0.0.2", &far.sin_addr);
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (connect(d->fd, (void *)&far, sizeof(far)) < 0 ||
	    setsockopt(d->fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		err(1, "UDP_SEGMENT");
}

/* Send super-packets, and a question. */
static void send_burst(struct datagrams *d)
{
	int i;

	for (i = 0; i < BURST; i++)
		if (write(d->fd, d->super, sizeof(d->super)) < 0)
			err(1, "send");
	if (write(d->fd, d->super, 1) < 0)
		err(1, "send");
}

static void check_answer(struct datagrams *d)
{
	char line[32];

	read_line(d->answers, line, sizeof(line));
	if (atoi(line) != BURST * SEGMENTS)
		errx(1, "%s datagrams are counted instead of %d", line,
		     BURST * SEGMENTS);
}

static double turn(void *arg)
{
	struct datagrams *d = arg;
	double begin = seconds(d->clock);
	int i;

	for (i = 0; i < BURSTS + WINDOW; i++) {
		if (i < BURSTS)
			send_burst(d);
		if (i >= WINDOW)
			check_answer(d);
	}
	return (seconds(d->clock) - begin) / (BURSTS * BURST * SEGMENTS);
}

int main(int argc, char *argv[])
{
	static struct datagrams d = { .clock = CLOCK_MONOTONIC };
	char name[IFNAMSIZ + 1];
	pid_t receiver;

	if (argc < 3)
		errx(2, "usage: datagrams wall|cpu receiver argument...");
	if (unshare(CLONE_NEWNET) < 0)
		err(1, "network namespace");
	stay_on(0);
	receiver = start(argv + 2, 1, &d.answers);
	read_line(d.answers, name, sizeof(name));
	if (strcmp(argv[1], "cpu") == 0)
		errno = clock_getcpuclockid(receiver, &d.clock);
	if (errno)
		err(1, "processor time of %s", argv[2]);
	connect_to(&d, name);
	take_turns(turn, &d);
}
