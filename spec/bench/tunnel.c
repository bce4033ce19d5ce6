/* tunnel.c -- the yardstick of an end of a tunnel: TUN packets as datagrams,
 * each of one packet, to and from 127.0.0.1. Prints the name of its TUN device.
 * Usage: tunnel batch 1|2   offload on the device, split into single packets,
 *                           which go by UDP_SEGMENT; come by UDP_GRO, are
 * joined tunnel single 1|2  one packet per system call The number says which
 * end it is. */
#include "segments.h"

#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

enum { PORT = 7000, BUFFER = 4 << 20, SEGMENTS = 64, MESSAGE = 65536 - 62 };

struct end {
	int tun, udp;
};

/* Whether something was moved. */
typedef bool move(const struct end *end);

static struct sockaddr_in address(int number)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(PORT + number)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int open_socket(int number)
{
	struct sockaddr_in here = address(number), there = address(3 - number);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int size = BUFFER, on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (bind(fd, (void *)&here, sizeof(here)) < 0 ||
	    connect(fd, (void *)&there, sizeof(there)) < 0 ||
	    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		err(1, "UDP socket");
	return fd;
}

/* Whether a call has done something; a peer that is not there yet is none. */
static bool done(ssize_t n, const char *what)
{
	if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		err(1, "%s", what);
	return n > 0;
}

/* -- One packet per system call ----------------------------------------------
 */

static bool single_out(const struct end *end)
{
	static unsigned char packet[SUPER];
	ssize_t n = read(end->tun, packet, sizeof(packet));

	if (!done(n, "read"))
		return false;
	done(send(end->udp, packet, (size_t)n, 0), "send");
	return true;
}

static bool single_in(const struct end *end)
{
	static unsigned char packet[SUPER];
	ssize_t n = recv(end->udp, packet, sizeof(packet), 0);

	if (!done(n, "receive"))
		return false;
	sent(write(end->tun, packet, (size_t)n));
	return true;
}

/* -- Batches -----------------------------------------------------------------
 */

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* How many packets from the first one on go as one message: all of one size,
 * but a shorter last one. */
static unsigned message_length(const struct iovec *packets, unsigned n)
{
	size_t size = packets->iov_len, total = size;
	unsigned i;

	for (i = 1; i < n && i < SEGMENTS; i++) {
		total += packets[i].iov_len;
		if (packets[i - 1].iov_len != size ||
		    packets[i].iov_len > size || total > MESSAGE)
			break;
	}
	return i;
}

static void send_message(int udp, struct iovec *packets, unsigned n)
{
	uint16_t size = (uint16_t)packets->iov_len;
	union control control = { .header = { .cmsg_len =
						      CMSG_LEN(sizeof(size)),
					      .cmsg_level = SOL_UDP,
					      .cmsg_type = UDP_SEGMENT } };
	struct msghdr message = { .msg_iov = packets, .msg_iovlen = n };

	memcpy(CMSG_DATA(&control.header), &size, sizeof(size));
	if (n > 1) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(size));
	}
	done(sendmsg(udp, &message, 0), "send");
}

static bool batch_out(const struct end *end)
{
	static struct batch batch;
	unsigned i, n;

	for (empty(&batch); batch.count < MOST;)
		if (!read_split(&batch, end->tun))
			break;
	for (i = 0; i < batch.count; i += n) {
		n = message_length(batch.packets + i, batch.count - i);
		send_message(end->udp, batch.packets + i, n);
	}
	return batch.count > 0;
}

/* Receive a message and append its packets. Returns whether there was one. */
static bool receive_message(struct batch *batch, int udp)
{
	struct iovec space = { room(batch), SUPER };
	union control control;
	struct msghdr message = { .msg_iov = &space,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(udp, &message, 0);
	int size = (int)n;

	if (!done(n, "receive"))
		return false;
	if (CMSG_FIRSTHDR(&message))
		memcpy(&size, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(size));
	for (; n > 0; n -= size)
		append(batch, (size_t)(n < size ? n : size));
	return true;
}

static bool batch_in(const struct end *end)
{
	static struct batch batch;

	for (empty(&batch); batch.count < MOST;)
		if (!receive_message(&batch, end->udp))
			break;
	write_joined(&batch, end->tun);
	return batch.count > 0;
}

static void carry(const struct end *end, move *out, move *in)
{
	struct pollfd wait[2] = { { .fd = end->tun, .events = POLLIN },
				  { .fd = end->udp, .events = POLLIN } };
	bool moved;

	for (;;) {
		moved = out(end);
		moved |= in(end);
		if (!moved && poll(wait, 2, -1) < 0)
			err(1, "poll");
	}
}

int main(int argc, char *argv[])
{
	bool batch = argc == 3 && strcmp(argv[1], "batch") == 0;
	int number = argc == 3 ? atoi(argv[2]) : 0;
	struct end end;

	if (number < 1 || number > 2 ||
	    (!batch && strcmp(argv[1], "single") != 0))
		errx(2, "usage: tunnel batch|single 1|2");
	end.udp = open_socket(number);
	end.tun = open_device(batch ? OFFLOAD : PLAIN);
	if (batch)
		carry(&end, batch_out, batch_in);
	carry(&end, single_out, single_in);
}
