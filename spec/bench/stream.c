/* stream.c -- TCP through a forwarder: one connection from one network
 * namespace to another, each with a TUN device that the forwarder has opened.
 * The figure of a turn is the seconds that a gigabyte takes, as the receiver
 * counts it.
 * Usage: stream [-p port] [-m mtu] [-e] [-c] [-r seconds] forwarder argument...
 *        stream veth
 *   -p  the port to connect to, where the forwarder rewrites it
 *   -m  the MTU of both devices
 *   -e  a forwarder is two processes, the ends of a tunnel
 *   -c  the figure is processor time of the forwarder
 *   -r  the figure is the resident memory of the forwarder after so much time
 *       of traffic, in bytes; it must be flat
 * A forwarder prints the names of its devices, one in a line, once they are
 * open; the end of a tunnel gets another argument, 1 or 2, and prints one. */
#include "bench.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define NEAR "10.0.0.1"
#define FAR "10.0.0.2"

enum {
	PORT = 5001,
	CHUNK = 128 << 10,
	GIGABYTE = 1000000000,
};

static const double WARM_UP = 0.05, MEASURED = 0.3, PATIENCE = 5;

struct stream {
	int fd;
	pid_t forwarder[2];
	bool cpu;
	double traffic; /* seconds of a turn when memory is asked for */
	uint64_t sent;	/* bytes */
	_Atomic uint64_t *received;
	unsigned char *chunk; /* is sent again and again */
};

/* Move to a new network namespace; returns a descriptor of it. */
static int new_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		err(1, "network namespace");
	fd = open("/proc/self/ns/net", O_RDONLY);
	if (fd < 0)
		err(1, "/proc/self/ns/net");
	return fd;
}

static void enter(int namespace)
{
	if (setns(namespace, CLONE_NEWNET) < 0)
		err(1, "setns");
}

/* What the namespaces' TCP does as it is told: a connection that has paused
 * goes on as fast as before, and has its buffer from the beginning. */
static void tune(void)
{
	static const char *const rows[][2] = {
		{ "/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0" },
		{ "/proc/sys/net/ipv4/tcp_rmem", "4096 8388608 8388608" },
	};
	size_t i;
	int fd;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fd = open(rows[i][0], O_WRONLY);
		if (fd < 0 || write(fd, rows[i][1], strlen(rows[i][1])) < 0)
			err(1, "%s", rows[i][0]);
		close(fd);
	}
}

/* With a queue in which nothing is lost: that would measure TCP. */
static void set_up(const char *name, const char *address, const char *mtu)
{
	char *device = (char *)name, prefixed[32];

	snprintf(prefixed, sizeof(prefixed), "%s/24", address);
	IP("link", "set", device, "mtu", (char *)mtu, "txqueuelen", "10000",
	   "up");
	IP("address", "add", prefixed, "dev", device);
}

/* Start what is between the devices and learn their names. */
static void start_forwarder(struct stream *stream, char *argv[], int argc,
			    bool ends, char names[2][IFNAMSIZ + 1])
{
	char *with[argc + 2];
	FILE *output;
	int i;

	memcpy(with, argv, sizeof(*argv) * (size_t)argc);
	with[argc + 1] = NULL;
	for (i = 0; i < 2; i++) {
		with[argc] = ends ? i ? "2" : "1" : NULL;
		if (i == 0 || ends)
			stream->forwarder[i] = start(with, 1 - i, &output);
		read_line(output, names[i], IFNAMSIZ + 1);
	}
}

/* Connect two network namespaces through two devices. Returns a socket that
 * listens in the far one; this process is in the near one. */
static int connect_namespaces(struct stream *stream, char *argv[], int argc,
			      bool ends, const char *mtu)
{
	char names[2][IFNAMSIZ + 1] = { "near", "far" }, path[64];
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(PORT) };
	int far = new_namespace(), near, listener;

	tune();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (void *)&any, sizeof(any)) < 0 ||
	    listen(listener, 1) < 0)
		err(1, "listen");
	near = new_namespace();
	IP("link", "set", "lo", "up");
	tune();
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), far);
	if (strcmp(argv[0], "veth") == 0)
		IP("link", "add", names[0], "type", "veth", "peer", names[1]);
	else
		start_forwarder(stream, argv, argc, ends, names);
	IP("link", "set", names[1], "netns", path);
	set_up(names[0], NEAR, mtu);
	enter(far);
	set_up(names[1], FAR, mtu);
	enter(near);
	return listener;
}

/* The receiver may be on either processor beside a forwarder, which is on
 * another one than the sender; with none, it is not where the sender is. */
static void place_receiver(bool beside_forwarder)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(1, &set);
	if (beside_forwarder)
		CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Receive in another process, which ends with the connection. */
static void start_receiver(struct stream *stream, int listener)
{
	static unsigned char bytes[CHUNK];
	uint64_t at = 0;
	ssize_t n;
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	place_receiver(stream->forwarder[0] != 0);
	fd = accept(listener, NULL, NULL);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (bytes[0] != stream->chunk[at % CHUNK] ||
		    bytes[n - 1] != stream->chunk[(at + n - 1) % CHUNK])
			errx(1, "byte %llu is wrong", (unsigned long long)at);
		at += (uint64_t)n;
		atomic_store(stream->received, at);
	}
	_exit(0);
}

static void connect_to(struct stream *stream, int port)
{
	struct sockaddr_in far = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port) };
	struct timeval patience = { .tv_sec = (time_t)PATIENCE };

	stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(stream->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		   sizeof(patience));
	inet_aton(FAR, &far.sin_addr);
	if (connect(stream->fd, (void *)&far, sizeof(far)) < 0)
		err(1, "connect through the forwarder");
}

static void prepare(struct stream *stream)
{
	size_t i;

	stream->received =
		mmap(NULL, sizeof(*stream->received), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stream->chunk = malloc(CHUNK);
	if (stream->received == MAP_FAILED || !stream->chunk)
		err(1, "memory");
	for (i = 0; i < CHUNK; i++)
		stream->chunk[i] = (unsigned char)random();
}

/* Send for a time. */
static void send_for(struct stream *stream, double time)
{
	double end = seconds(CLOCK_MONOTONIC) + time;
	size_t at;
	ssize_t n;

	while (seconds(CLOCK_MONOTONIC) < end) {
		at = stream->sent % CHUNK;
		n = write(stream->fd, stream->chunk + at, CHUNK - at);
		if (n < 0)
			err(1, "send through the forwarder");
		stream->sent += (uint64_t)n;
	}
}

/* Wait until all has arrived: the next one's turn is its own. */
static void wait_for_rest(struct stream *stream)
{
	double patience = seconds(CLOCK_MONOTONIC) + PATIENCE;

	while (atomic_load(stream->received) < stream->sent) {
		if (seconds(CLOCK_MONOTONIC) > patience)
			errx(1, "bytes are lost");
		poll(NULL, 0, 1);
	}
}

static double resident(pid_t pid)
{
	char path[32];
	double pages;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*s %lf", &pages) != 1)
		err(1, "%s", path);
	fclose(file);
	return pages * (double)sysconf(_SC_PAGESIZE);
}

/* Memory after some time of traffic; in the second half of it, when all slots
 * have been in use, it must not grow. */
static double memory_turn(void *arg)
{
	struct stream *stream = arg;
	double early, late;

	send_for(stream, stream->traffic / 2);
	early = resident(stream->forwarder[0]);
	send_for(stream, stream->traffic / 2);
	late = resident(stream->forwarder[0]);
	if (late > early * 1.05)
		errx(1, "memory has grown from %.0f to %.0f", early, late);
	return late;
}

static double turn(void *arg)
{
	struct stream *stream = arg;
	clockid_t clock = CLOCK_MONOTONIC;
	double begin, took;
	uint64_t before;

	send_for(stream, WARM_UP);
	if (stream->cpu && clock_getcpuclockid(stream->forwarder[0], &clock))
		errx(1, "no processor time of the forwarder");
	begin = seconds(clock);
	before = atomic_load(stream->received);
	send_for(stream, MEASURED);
	took = seconds(clock) - begin;
	before = atomic_load(stream->received) - before;
	wait_for_rest(stream);
	return took / (double)before * GIGABYTE;
}

int main(int argc, char *argv[])
{
	static struct stream stream;
	int option, port = PORT, listener;
	const char *mtu = "1500";
	bool ends = false;

	while ((option = getopt(argc, argv, "+p:m:ecr:")) != -1)
		switch (option) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'm':
			mtu = optarg;
			break;
		case 'e':
			ends = true;
			break;
		case 'c':
			stream.cpu = true;
			break;
		case 'r':
			stream.traffic = atof(optarg);
			break;
		default:
			optind = argc;
		}
	if (optind >= argc)
		errx(2, "usage: stream [-p port] [-m mtu] [-e] [-c] "
			"[-r seconds] forwarder argument... | veth");
	stay_on(0);
	prepare(&stream);
	listener = connect_namespaces(&stream, argv + optind, argc - optind,
				      ends, mtu);
	start_receiver(&stream, listener);
	connect_to(&stream, port);
	take_turns(stream.traffic > 0 ? memory_turn : turn, &stream);
}
