/* send.c -- datagrams into a UDP socket: a string, or all packets of a
 * batch. Those of one size in a row to one peer go as one message, which the
 * kernel or the network card splits (UDP_SEGMENT); many messages go by one
 * system call. Packets are gathered from where they lie. */
#include "send.h"

#include "../core.h"
#include "../poll.h"
#include "socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	MESSAGES_OUT = 64, /* for one system call */
	PIECES = 1024,	   /* UIO_MAXIOV, of linux/uio.h */
	/* UDP_MAX_SEGMENTS of linux/udp.h, up to Linux 6.8. */
	SEGMENTS_MOST = 64,
	/* What a device takes at once, 65536 bytes with Ethernet, IPv6 and UDP
	 * header; the kernel splits a larger message before it gets there. */
	MESSAGE_MOST = 65536 - 14 - 40 - 8,
};

/* -- Messages for a system call -------------------------------------------- */

/* How far a batch is sent: up to a segment of a packet, when that is to be
 * split. */
struct place {
	uint32_t packet, segment;
};

/* A message: `count` datagrams of `step` bytes, of which the last may be
 * shorter. */
struct gathered {
	const union endpoint *peer; /* NULL: the one that it is connected to */
	size_t step, last, size;
	unsigned int count;
	struct place end; /* how far the batch is sent when this is */
};

struct outbox {
	struct mmsghdr headers[MESSAGES_OUT];
	struct gathered messages[MESSAGES_OUT];
	struct {
		_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(
			sizeof(uint16_t))];
	} controls[MESSAGES_OUT];
	struct iovec pieces[PIECES];
	unsigned int count, used; /* of messages and of pieces */
};

/* Whether a datagram can join the last message. */
static bool message_accepts(const struct gathered *m, size_t size,
			    const union endpoint *peer)
{
	return m->last == m->step && size <= m->step && size > 0 &&
	       m->count < SEGMENTS_MOST && m->size + size <= MESSAGE_MOST &&
	       (m->peer == peer ||
		(m->peer && peer && endpoint_equal(m->peer, peer)));
}

/* Begin a message. False when there are as many as there can be. */
static bool message_begin(struct outbox *out, size_t size,
			  const union endpoint *peer)
{
	if (out->count == MESSAGES_OUT || out->used == PIECES)
		return false;
	out->messages[out->count] = (struct gathered){
		.peer = peer,
		.step = size,
	};
	out->headers[out->count++].msg_hdr = (struct msghdr){
		.msg_name = (void *)peer,
		.msg_namelen = peer ? endpoint_size(peer) : 0,
		.msg_iov = out->pieces + out->used,
	};
	return true;
}

/* Add bytes to the last message. False when there is no piece left. */
static bool message_append(struct outbox *out, const unsigned char *bytes,
			   size_t size)
{
	struct msghdr *msg = &out->headers[out->count - 1].msg_hdr;
	struct iovec *piece = out->pieces + out->used - 1;

	if (msg->msg_iovlen &&
	    (unsigned char *)piece->iov_base + piece->iov_len == bytes) {
		piece->iov_len += size;
		return true;
	}
	if (out->used == PIECES)
		return false;
	out->pieces[out->used++] = (struct iovec){ (void *)bytes, size };
	msg->msg_iovlen++;
	return true;
}

/* Have the last message split into datagrams. Source: udp(7), UDP_SEGMENT */
static void message_segment(struct outbox *out)
{
	struct msghdr *msg = &out->headers[out->count - 1].msg_hdr;
	uint16_t step = (uint16_t)out->messages[out->count - 1].step;
	struct cmsghdr *c = (void *)(out->controls + out->count - 1);

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(step));
	memcpy(CMSG_DATA(c), &step, sizeof(step));
	msg->msg_control = c;
	msg->msg_controllen = sizeof(*out->controls);
}

/* Add a datagram, to the last message if it may join. False when the outbox is
 * full. */
static bool outbox_add(struct outbox *out, const unsigned char *bytes,
		       size_t size, const union endpoint *peer, bool join)
{
	struct gathered *m;

	join = join && out->count &&
	       message_accepts(out->messages + out->count - 1, size, peer);
	if ((!join && !message_begin(out, size, peer)) ||
	    !message_append(out, bytes, size))
		return false;
	m = out->messages + out->count - 1;
	m->last = size;
	m->size += size;
	if (++m->count == 2)
		message_segment(out);
	return true;
}

/* -- A batch --------------------------------------------------------------- */

/* How sending goes. */
struct sending {
	struct udp *udp;
	struct batch *batch;
	const union endpoint *peer; /* of all, or NULL: each has its own */
	bool connected;
	struct place at, done; /* up to where it is gathered, and sent */
	struct place plain;    /* up to where each datagram goes alone */
	struct place tried;    /* where sending failed the last time */
	bool stumbled;	       /* an error was not reported by the kernel */
	size_t scratch;	       /* bytes used of it */
	lua_Integer sent;      /* packets */
	int code; /* errno of the first failure that did not stop it */
};

static bool place_before(struct place a, struct place b)
{
	return a.packet < b.packet ||
	       (a.packet == b.packet && a.segment < b.segment);
}

static void sending_failed(struct sending *s, int code)
{
	if (!s->code)
		s->code = code;
}

static const union endpoint *peer_of(const struct sending *s,
				     const struct slot *slot)
{
	if (s->peer || s->connected)
		return s->peer;
	return endpoint_size(&slot->peer) ? &slot->peer : NULL;
}

/* Add a datagram, behind which the batch is at a place. False when the outbox
 * is full. */
static bool sending_add(struct sending *s, struct outbox *out,
			const struct slot *slot, const unsigned char *bytes,
			size_t size, struct place behind)
{
	if (!outbox_add(out, bytes, size, peer_of(s, slot),
			s->udp->gso && !place_before(s->at, s->plain)))
		return false;
	out->messages[out->count - 1].end = s->at = behind;
	return true;
}

/* Leave out the packet that is next, for it cannot be sent. */
static void sending_skip(struct sending *s, int code)
{
	slots_drop(s->batch, s->at.packet);
	sending_failed(s, code);
	s->at = (struct place){ s->at.packet + 1, 0 };
}

/* Add the segments of a super-packet from where it stands. False when the
 * outbox or the scratch memory is full. */
static bool sending_add_split(struct sending *s, struct outbox *out,
			      struct slot *slot, struct gso *all)
{
	struct place behind = s->at;
	unsigned char *bytes;
	size_t n;

	all->next = s->at.segment ? s->at.segment : slot->sent;
	if (all->next >= all->count)
		all->next = 0;
	while (all->next < all->count) {
		bytes = s->udp->scratch + s->scratch;
		n = gso_next(all, bytes, SCRATCH - s->scratch);
		behind.segment = (uint32_t)all->next;
		if (all->next == all->count)
			behind = (struct place){ s->at.packet + 1, 0 };
		if (!n && !s->scratch) {
			sending_skip(s, EMSGSIZE);
			return true;
		}
		if (!n || !sending_add(s, out, slot, bytes, n, behind))
			return false;
		s->scratch += n;
	}
	return true;
}

/* Whether what a device left to be done to a packet was more than a checksum.
 */
static bool is_super(const struct slot *slot)
{
	return slot->flags & SLOT_VNET && slot->vnet.gso_type & ~GSO_ECN;
}

/* Add the packet that is next. False when the outbox is full. */
static bool sending_add_packet(struct sending *s, struct outbox *out)
{
	struct slot *slot = slots_get(s->batch, s->at.packet);
	struct place behind = { s->at.packet + 1, 0 };
	unsigned char *bytes;
	struct gso all;
	uint32_t size;

	if (!slot) {
		s->at = behind;
		return true;
	}
	bytes = slot_bytes(s->batch->pool, slot, &size);
	if (bytes && is_super(slot)) {
		if (gso_begin(&all, bytes, size, &slot->vnet, 0,
			      s->batch->ethernet))
			return sending_add_split(s, out, slot, &all);
	} else if (bytes && (!(slot->flags & SLOT_VNET) ||
			     gso_complete(bytes, size, &slot->vnet))) {
		return sending_add(s, out, slot, bytes, size, behind);
	}
	sending_skip(s, EINVAL);
	return true;
}

/* Record that all is sent up to a place. */
static void sending_done(struct sending *s, struct place end)
{
	struct slot *slot;

	for (; s->done.packet < end.packet; s->done.packet++) {
		slot = slots_get(s->batch, s->done.packet);
		if (!slot)
			continue;
		slot->flags |= SLOT_DROPPED;
		s->sent++;
	}
	s->done = end;
	slot = end.segment ? slots_get(s->batch, end.packet) : NULL;
	if (slot)
		slot->sent = (uint16_t)end.segment;
}

/* Errors of one who would take it later, and of one who will take nothing. */
static bool is_stop(int code)
{
	return code == EAGAIN || code == ENOBUFS || code == ENOMEM ||
	       code == EBADF;
}

/* What UDP_SEGMENT fails with, besides what any message does: there is a
 * device without checksum offload (EIO), or the datagrams are too long for the
 * path (EINVAL, EMSGSIZE). */
static bool is_segment_error(int code)
{
	return code == EIO || code == EINVAL || code == EMSGSIZE;
}

/* Decide what becomes of a message that could not be sent: each of its
 * datagrams is sent alone, or it is tried once more, as the error may be that
 * of an earlier one (ECONNREFUSED), or it is left out. False: stop here. */
static bool sending_recover(struct sending *s, const struct gathered *m)
{
	struct place first = s->done;
	int code = errno;

	if (is_stop(code))
		return false;
	s->at = first;
	if (m->count > 1 && is_segment_error(code)) {
		s->plain = m->end;
		s->udp->gso = code != EIO;
		return true;
	}
	sending_failed(s, code);
	if (place_before(s->tried, first) || place_before(first, s->tried)) {
		s->tried = first;
		return true;
	}
	if (m->count > 1) {
		s->plain = m->end;
		s->tried = (struct place){ UINT32_MAX, 0 };
		return true;
	}
	while (s->at.packet + !m->end.segment < m->end.packet &&
	       !slots_get(s->batch, s->at.packet))
		s->at.packet++;
	sending_skip(s, code);
	s->done = s->at;
	return true;
}

/* Send what is in the outbox. False when the rest of the batch has to wait,
 * with an errno. */
static bool outbox_send(struct sending *s, struct outbox *out)
{
	unsigned int i = 0;
	int n;

	while (i < out->count) {
		n = sendmmsg(s->udp->handle.fd, out->headers + i,
			     out->count - i, MSG_DONTWAIT);
		if (n < 0)
			return sending_recover(s, out->messages + i);
		i += (unsigned int)n;
		sending_done(s, out->messages[i - 1].end);
		s->stumbled |= i < out->count;
	}
	return true;
}

/* Send until the socket takes no more. False with an errno. */
static bool udp_send_all(struct sending *s)
{
	struct outbox out;

	while (s->at.packet < s->batch->count) {
		out.count = out.used = 0;
		s->scratch = 0;
		while (s->at.packet < s->batch->count &&
		       sending_add_packet(s, &out))
			;
		if (!outbox_send(s, &out))
			return false;
	}
	return true;
}

/* When sendmmsg(2) stops on the way, it has an error that it does not report,
 * and that is gone. If it was one of an earlier datagram there may be another
 * such.
 */
static int pending_error(const struct sending *s)
{
	int code = 0;
	socklen_t size = sizeof(code);

	if (s->stumbled)
		getsockopt(s->udp->handle.fd, SOL_SOCKET, SO_ERROR, &code,
			   &size);
	return code;
}

/* udp:send(batch, peer) -> how many packets were sent, and reason and errno
 * when something failed | nil, reason, errno
 *
 * In their order, to the peer; or to the one that the socket is connected to;
 * or each to its own. Super-packets go as the packets that they stand for.
 * Those that were sent leave the batch, as do those that the kernel refused;
 * those that it would not take yet stay. An error that an earlier datagram met
 * on its way is reported, and nothing is lost by it. */
static int udp_send_batch(lua_State *L, struct udp *udp, struct batch *batch,
			  const union endpoint *peer)
{
	struct sending s = {
		.udp = udp,
		.batch = batch,
		.peer = peer,
		.connected = !peer && udp->connected,
		.tried = { UINT32_MAX, 0 },
	};
	bool all;
	int code;

	all = udp_send_all(&s);
	code = all ? s.code : errno;
	if (all && !code)
		code = pending_error(&s);
	slots_compact(batch);
	lua_pushinteger(L, s.sent);
	if (!code)
		return 1;
	errno = code;
	fail_udp(L, udp);
	if (all || s.sent) {
		lua_pushinteger(L, s.sent);
		lua_replace(L, -4);
	}
	return 3;
}

/* -- Strings --------------------------------------------------------------- */

/* Argument 3 as the peer, which is put there; NULL when there is none. */
static const union endpoint *check_peer(lua_State *L, union endpoint *e)
{
	if (lua_isnoneornil(L, 3))
		return NULL;
	endpoint_check(L, 3, "peer", e);
	return e;
}

/* Send argument 2. Returns 0, or how many values of a failure it pushed. */
static int udp_send_bytes(lua_State *L, struct udp *udp,
			  const union endpoint *peer, size_t *n)
{
	const char *bytes;

	if (lua_type(L, 2) != LUA_TSTRING)
		raise_value(L, 2, "packet", "a string");
	bytes = lua_tolstring(L, 2, n);
	if (sendto(udp->handle.fd, bytes, *n, MSG_DONTWAIT,
		   peer ? &peer->any : NULL,
		   peer ? endpoint_size(peer) : 0) < 0)
		return fail_udp(L, udp);
	return 0;
}

/* udp:write(bytes, peer) -> true | nil, reason, errno
 *
 * Send a datagram to the peer, "10.0.0.2:5000", or to the one that the socket
 * is connected to. Never waits. */
static int udp_write(lua_State *L)
{
	struct udp *udp = object_self(L);
	union endpoint peer;
	int failed;
	size_t n;

	poll_interrupt(L, udp->handle.mainthread);
	failed = udp_send_bytes(L, udp, check_peer(L, &peer), &n);
	if (failed)
		return failed;
	lua_pushboolean(L, true);
	return 1;
}

/* udp:send(bytes, peer) -> number of bytes | nil, reason, errno
 *
 * As write(), in the shape of LuaSocket. Of a batch, all packets: see
 * udp_send_batch(). */
static int udp_send(lua_State *L)
{
	struct udp *udp = object_self(L);
	struct batch *batch = batch_to(L, 2);
	const union endpoint *to;
	union endpoint peer;
	int failed;
	size_t n;

	poll_interrupt(L, udp->handle.mainthread);
	to = check_peer(L, &peer);
	if (batch)
		return udp_send_batch(L, udp, batch, to);
	failed = udp_send_bytes(L, udp, to, &n);
	if (failed)
		return failed;
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "write", udp_write },
	{ "send", udp_send },
	{ NULL, NULL },
};

void open_udp_send(lua_State *L)
{
	object_add_methods(L, UDP, methods);
}
