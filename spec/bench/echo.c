/* echo.c -- what a reflector costs. Starts it, sends UDP packets of 64 bytes
 * (with the IP header) through its TUN device, and checks every echo.
 * Usage: echo cpu|wall|rtt reflector argument...
 *   cpu   seconds of processor time of the reflector per packet
 *   wall  seconds per packet, many packets under way
 *   rtt   median seconds of a round trip, one packet under way
 * A reflector prints the name of its device once it is open. */
#include "bench.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	PAYLOAD = 64 - 20 - 8,
	POOL = 4096,  /* different packets, as in life */
	WINDOW = 256, /* under way: the reflector always has work */
	BATCH = 32,
	PACKETS = 20000, /* per turn */
	TRIPS = 500,
};

struct echo {
	const char *figure;
	int fd;
	pid_t reflector;
	clockid_t cpu;
	unsigned char (*pool)[PAYLOAD];
	struct mmsghdr out[BATCH], in[BATCH];
	struct iovec outvec[BATCH], invec[BATCH];
	unsigned char received[BATCH][PAYLOAD];
};

/* Start the reflector and return the name of its device. */
static void start_reflector(struct echo *echo, char *argv[], char *name)
{
	FILE *output;

	echo->reflector = start(argv, 1, &output);
	read_line(output, name, IFNAMSIZ + 1);
	errno = clock_getcpuclockid(echo->reflector, &echo->cpu);
	if (errno)
		err(1, "processor time of %s", argv[0]);
}

/* Give the device a network of its own and connect a socket to its far end. */
static void connect_through(struct echo *echo, const char *name)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(7) };
	struct ifreq ifr = { 0 };
	int size = 4 << 20;

	echo->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (ioctl(echo->fd, SIOCGIFINDEX, &ifr) < 0)
		err(1, "%s", name);
	address.sin_addr.s_addr =
		htonl(0x0a000001u | (ifr.ifr_ifindex & 0xffff) << 8);
	memcpy(&ifr.ifr_addr, &address, sizeof(address));
	if (ioctl(echo->fd, SIOCSIFADDR, &ifr) < 0)
		err(1, "address of %s", name);
	inet_aton("255.255.255.0",
		  &((struct sockaddr_in *)&ifr.ifr_netmask)->sin_addr);
	if (ioctl(echo->fd, SIOCSIFNETMASK, &ifr) < 0)
		err(1, "netmask of %s", name);
	ifr.ifr_flags = IFF_UP;
	if (ioctl(echo->fd, SIOCSIFFLAGS, &ifr) < 0)
		err(1, "%s up", name);
	address.sin_addr.s_addr += htonl(1);
	setsockopt(echo->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(echo->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(echo->fd, (void *)&address, sizeof(address)) < 0)
		err(1, "connect");
}

static void prepare_packets(struct echo *echo)
{
	size_t i;

	echo->pool = malloc(sizeof(*echo->pool) * POOL);
	for (i = 0; i < sizeof(*echo->pool) * POOL; i++)
		echo->pool[0][i] = (unsigned char)random();
	for (i = 0; i < BATCH; i++) {
		echo->outvec[i].iov_len = PAYLOAD;
		echo->out[i].msg_hdr.msg_iov = &echo->outvec[i];
		echo->out[i].msg_hdr.msg_iovlen = 1;
		echo->invec[i].iov_base = echo->received[i];
		echo->invec[i].iov_len = PAYLOAD;
		echo->in[i].msg_hdr.msg_iov = &echo->invec[i];
		echo->in[i].msg_hdr.msg_iovlen = 1;
	}
}

/* Send the packets that follow the first `sent` ones: a batch at most. */
static unsigned send_batch(struct echo *echo, unsigned sent, unsigned most)
{
	unsigned i, n = most < BATCH ? most : BATCH;
	int done;

	for (i = 0; i < n; i++)
		echo->outvec[i].iov_base = echo->pool[(sent + i) % POOL];
	done = sendmmsg(echo->fd, echo->out, n, 0);
	if (done < 0)
		err(1, "send");
	return (unsigned)done;
}

/* Receive the echoes that are there, of the packets after the first `got`. */
static unsigned receive_batch(struct echo *echo, unsigned got)
{
	int i, n = recvmmsg(echo->fd, echo->in, BATCH, MSG_DONTWAIT, NULL);

	if (n < 0 && errno != EAGAIN)
		err(1, "receive");
	for (i = 0; i < n; i++)
		if (echo->in[i].msg_len != PAYLOAD ||
		    memcmp(echo->received[i], echo->pool[(got + i) % POOL],
			   PAYLOAD) != 0)
			errx(1, "echo %u is wrong", got + i);
	return n > 0 ? (unsigned)n : 0;
}

/* Exchange packets with so many under way. Never sleeps, so that the reflector
 * need not wake us: only its own work is measured. */
static void exchange(struct echo *echo, unsigned packets, unsigned window)
{
	double patience = seconds(CLOCK_MONOTONIC) + 5;
	unsigned sent = 0, got = 0, n, room;

	while (got < packets) {
		room = window - (sent - got);
		if (room > packets - sent)
			room = packets - sent;
		if (room >= BATCH || (room && room == packets - sent))
			sent += send_batch(echo, sent, room);
		n = receive_batch(echo, got);
		got += n;
		if (!n && seconds(CLOCK_MONOTONIC) > patience)
			errx(1, "%u of %u echoes are lost", sent - got, sent);
	}
}

static double round_trip(struct echo *echo)
{
	double begin, took[TRIPS];
	size_t i;

	for (i = 0; i < TRIPS; i++) {
		begin = seconds(CLOCK_MONOTONIC);
		exchange(echo, 1, 1);
		took[i] = seconds(CLOCK_MONOTONIC) - begin;
	}
	return median(took, TRIPS);
}

static double turn(void *arg)
{
	struct echo *echo = arg;
	clockid_t clock = CLOCK_MONOTONIC;
	double begin;

	if (strcmp(echo->figure, "rtt") == 0)
		return round_trip(echo);
	if (strcmp(echo->figure, "cpu") == 0)
		clock = echo->cpu;
	begin = seconds(clock);
	exchange(echo, PACKETS, WINDOW);
	return (seconds(clock) - begin) / PACKETS;
}

int main(int argc, char *argv[])
{
	static struct echo echo;
	char name[IFNAMSIZ + 1] = "";

	if (argc < 3)
		errx(2, "usage: echo cpu|wall|rtt reflector argument...");
	echo.figure = argv[1];
	stay_on(0);
	start_reflector(&echo, argv + 2, name);
	connect_through(&echo, name);
	prepare_packets(&echo);
	take_turns(turn, &echo);
	kill(echo.reflector, SIGTERM);
}
