/* receive.c -- datagrams out of a UDP socket: one as a string, many into a
 * batch. With UDP_GRO the kernel gives several of a sender in one piece; in a
 * batch they lie in the room of one slot. */
#include "receive.h"

#include "../core.h"
#include "../poll.h"
#include "socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* -- Messages of a system call --------------------------------------------- */

struct inbox {
	struct mmsghdr headers[MESSAGES_IN];
	struct iovec rooms[MESSAGES_IN];
	union endpoint peers[MESSAGES_IN];
	struct {
		_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
	} controls[MESSAGES_IN];
};

/* Say where the i-th message is to go. */
static void inbox_offer(struct inbox *in, uint32_t i, void *bytes, size_t room)
{
	in->rooms[i] = (struct iovec){ bytes, room };
	in->headers[i].msg_hdr = (struct msghdr){
		.msg_name = in->peers + i,
		.msg_namelen = sizeof(*in->peers),
		.msg_iov = in->rooms + i,
		.msg_iovlen = 1,
		.msg_control = in->controls + i,
		.msg_controllen = sizeof(*in->controls),
	};
}

/* How long the datagrams of a message are, of which the last may be shorter.
 * Source: udp(7), UDP_GRO */
static uint32_t message_step(const struct mmsghdr *header)
{
	struct msghdr *msg = (struct msghdr *)&header->msg_hdr;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int step = 0;

	for (; c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&step, CMSG_DATA(c), sizeof(step));
	return step > 0 ? (uint32_t)step : header->msg_len;
}

/* Receive into what was offered. Returns how many messages there were, at
 * least one, or -1 with an errno. */
static int udp_take(struct udp *udp, struct inbox *in, uint32_t n)
{
	int got = recvmmsg(udp->handle.fd, in->headers, n, MSG_DONTWAIT, NULL);

	if (got > 0)
		udp->expect = 2 * (uint32_t)got;
	else if (udp->expect > 2)
		udp->expect /= 2;
	return got;
}

/* The i-th message, whose bytes are where they were offered room. */
static struct message inbox_message(const struct inbox *in, uint32_t i)
{
	size_t size = in->headers[i].msg_hdr.msg_namelen;
	struct message m = {
		.bytes = in->rooms[i].iov_base,
		.size = in->headers[i].msg_len,
		.step = message_step(in->headers + i),
	};

	/* It may be longer than the room that there was (recvmsg(2)). */
	if (size > sizeof(m.peer))
		size = sizeof(m.peer);
	memcpy(&m.peer, in->peers + i, size);
	return m;
}

/* The next datagram of a message, which is then without it. */
static uint32_t message_next(struct message *m, const unsigned char **bytes)
{
	uint32_t n = m->step < m->size ? m->step : m->size;

	*bytes = m->bytes;
	m->bytes += n;
	m->size -= n;
	return n;
}

/* -- What is held back ----------------------------------------------------- */

/* Keep a message for later, whose bytes are lent. */
static void udp_hold(struct udp *udp, const struct message *m)
{
	unsigned char *bytes = udp->held + (size_t)udp->last * MESSAGE_ROOM;
	struct message *kept = udp->messages + udp->last++;

	ensure(udp->last <= MESSAGES_IN && m->size <= MESSAGE_ROOM);
	*kept = *m;
	kept->bytes = memcpy(bytes, m->bytes, m->size);
}

/* The first message that is held back, or NULL. */
static struct message *udp_held(struct udp *udp)
{
	if (udp->first < udp->last)
		return udp->messages + udp->first;
	udp->first = udp->last = 0;
	return NULL;
}

/* Receive messages to be held back, where none are. */
static int udp_take_held(struct udp *udp, uint32_t n)
{
	struct inbox in;
	uint32_t i;
	int got;

	for (i = 0; i < n; i++)
		inbox_offer(&in, i, udp->held + (size_t)i * MESSAGE_ROOM,
			    MESSAGE_ROOM);
	got = udp_take(udp, &in, n);
	for (i = 0; (int)i < got; i++)
		udp->messages[i] = inbox_message(&in, i);
	udp->first = 0;
	udp->last = got > 0 ? (uint32_t)got : 0;
	return got;
}

/* Move what is held back to a batch, as far as it has slots. Returns how many
 * datagrams; one that a slot has no room for is left out and reported. */
static int udp_unhold(struct udp *udp, struct batch *batch)
{
	const unsigned char *bytes;
	struct message *m;
	struct slot *slot;
	int n = 0;

	while ((m = udp_held(udp)) && slots_has_room(batch)) {
		slot = slots_append(batch);
		slot->size = message_next(m, &bytes);
		slot->peer = m->peer;
		udp->first += m->size == 0;
		if (slot->size <= batch->pool->room) {
			memcpy(batch->pool->bytes + slot->at, bytes,
			       slot->size);
			n++;
		} else {
			slots_withdraw(batch);
			udp->code = EMSGSIZE;
		}
	}
	return n;
}

/* -- A batch --------------------------------------------------------------- */

/* How many messages to receive: as many as the slots will do for, to go by the
 * last ones. A batch without gaps can list all slots that are free. */
static uint32_t messages_wanted(const struct udp *udp,
				const struct batch *batch)
{
	uint32_t n = batch->pool->unused / udp->most;

	if (n > udp->expect)
		n = udp->expect;
	if (n > MESSAGES_IN)
		n = MESSAGES_IN;
	return n ? n : 1;
}

/* List the datagrams of a message that is in the room of a slot whose number
 * is listed next. What there is no slot for is held back. Returns how many. */
static uint32_t batch_list_message(struct udp *udp, struct batch *batch,
				   uint32_t number, struct message *m)
{
	uint32_t i = batch->count, n = 0;
	const unsigned char *bytes;
	struct slot *slot;

	batch->list[batch->count++] = number;
	slot = slot_meta(batch->pool, number);
	do {
		if (n && !(slot = slots_append_within(batch, i))) {
			udp_hold(udp, m);
			break;
		}
		slot->size = message_next(m, &bytes);
		slot->at = (uint32_t)(bytes - batch->pool->bytes);
		slot->peer = m->peer;
		n++;
	} while (m->size);
	if (udp->most < n)
		udp->most = n;
	return n;
}

/* List the messages that are in the rooms of the last slots of the batch, in
 * whose place their datagrams come. Returns how many. */
static int batch_list_messages(struct udp *udp, struct batch *batch,
			       const struct inbox *in, uint32_t messages)
{
	uint32_t numbers[MESSAGES_IN], i;
	struct message m;
	int n = 0;

	batch->count -= messages;
	memcpy(numbers, batch->list + batch->count,
	       messages * sizeof(*numbers));
	udp->most -= udp->most > 1 ? (udp->most + 7) / 8 : 0;
	for (i = 0; i < messages; i++) {
		m = inbox_message(in, i);
		if (in->headers[i].msg_hdr.msg_flags & MSG_TRUNC) {
			udp->code = EMSGSIZE;
		} else if (!udp_held(udp)) {
			n += (int)batch_list_message(udp, batch, numbers[i],
						     &m);
			continue;
		} else {
			udp_hold(udp, &m);
		}
		batch->list[batch->count++] = numbers[i];
		slots_withdraw(batch);
	}
	return n;
}

/* Receive messages into the rooms of free slots. */
static int udp_take_direct(struct udp *udp, struct batch *batch, uint32_t n,
			   int *got)
{
	struct inbox in;
	uint32_t i;

	for (i = 0; i < n; i++)
		inbox_offer(&in, i,
			    batch->pool->bytes + slots_append(batch)->at,
			    batch->pool->room);
	*got = udp_take(udp, &in, n);
	for (; (int)i > *got && i > 0; i--)
		slots_withdraw(batch);
	return *got < 0 ? 0 : batch_list_messages(udp, batch, &in, i);
}

/* Receive one time. Where slots are too small for what UDP_GRO may give, their
 * datagrams are copied to them. Sets how many messages it asked for and got;
 * returns how many datagrams. */
static int udp_take_once(struct udp *udp, struct batch *batch, uint32_t *asked,
			 int *got)
{
	*asked = messages_wanted(udp, batch);
	if (!udp->gro || batch->pool->room >= MESSAGE_ROOM - 1)
		return udp_take_direct(udp, batch, *asked, got);
	*got = udp_take_held(udp, *asked);
	return udp_unhold(udp, batch);
}

/* Receive until there is no datagram, or no slot. Returns how many, or -1 with
 * an errno when the first could not be received. */
static int udp_receive_all(struct udp *udp, struct batch *batch)
{
	int got, n = udp_unhold(udp, batch);
	uint32_t asked;

	while (slots_has_room(batch) &&
	       (!n || batch->pool->unused >= udp->most)) {
		if (udp->code || udp_held(udp))
			break;
		n += udp_take_once(udp, batch, &asked, &got);
		if (got < 0 && errno != EAGAIN)
			udp->code = errno;
		if (got < (int)asked)
			break;
	}
	if (n || !slots_has_room(batch))
		return n;
	errno = udp->code ? udp->code : EAGAIN;
	udp->code = 0;
	return -1;
}

/* udp:receive(batch, timeout) -> how many packets were added | nil, reason,
 * errno, which is ENOBUFS when no slot is free
 *
 * As that of a device. Each has the sender as its peer. */
static int udp_receive_batch(lua_State *L, struct udp *udp, struct batch *batch)
{
	double seconds = handle_seconds(L, 3, &udp->handle);
	double until = 0;
	int n;

	slots_compact(batch);
	if (!slots_has_room(batch))
		return fail_batch_full(L);
	while ((n = udp_receive_all(udp, batch)) < 0) {
		if (!poll_retry(L, udp->handle.fd, seconds, &until))
			return fail_udp(L, udp);
	}
	lua_pushinteger(L, n);
	return 1;
}

/* -- Strings --------------------------------------------------------------- */

/* Push the text of a sender, which often is that of the one before. */
static void push_sender(lua_State *L, struct udp *udp, const union endpoint *e)
{
	lua_getuservalue(L, 1);
	if (endpoint_size(&udp->sender) && endpoint_equal(&udp->sender, e)) {
		lua_rawgeti(L, -1, 2);
	} else {
		endpoint_push(L, e);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, 2);
		udp->sender = *e;
	}
	lua_remove(L, -2);
}

/* Push a datagram and who sent it. */
static int udp_push_datagram(lua_State *L, struct udp *udp, double seconds)
{
	const unsigned char *bytes;
	double until = 0;
	struct message *m;
	uint32_t n;

	poll_interrupt(L, udp->handle.mainthread);
	while (!(m = udp_held(udp))) {
		errno = udp->code;
		udp->code = 0;
		if (!errno && udp_take_held(udp, 1) > 0)
			continue;
		if (!poll_retry(L, udp->handle.fd, seconds, &until))
			return fail_udp(L, udp);
	}
	n = message_next(m, &bytes);
	udp->first += m->size == 0;
	lua_pushlstring(L, (const char *)bytes, n);
	push_sender(L, udp, &m->peer);
	return 2;
}

/* udp:read(timeout) -> bytes, sender | nil, reason, errno
 *
 * The next datagram. Waits for timeout seconds, 0 for not at all, nil for
 * ever. */
static int udp_read(lua_State *L)
{
	struct udp *udp = object_self(L);

	return udp_push_datagram(L, udp, arg_seconds(L, 2));
}

/* udp:receive() -> bytes, sender | nil, reason, errno
 *
 * As read(), with the timeout of settimeout(). Sizes, which LuaSocket and
 * copas pass, do not matter: a datagram comes whole. A batch takes as many as
 * there are, see udp_receive_batch(). */
static int udp_receive(lua_State *L)
{
	struct udp *udp = object_self(L);
	struct batch *batch = batch_to(L, 2);

	poll_interrupt(L, udp->handle.mainthread);
	return batch ? udp_receive_batch(L, udp, batch)
		     : udp_push_datagram(L, udp, udp->handle.timeout);
}

static const luaL_Reg methods[] = {
	{ "read", udp_read },
	{ "receive", udp_receive },
	{ "receivefrom", udp_receive },
	{ NULL, NULL },
};

void open_udp_receive(lua_State *L)
{
	object_add_methods(L, UDP, methods);
}
