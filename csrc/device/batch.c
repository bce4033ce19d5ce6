/* batch.c -- batches in and out of a device; never blocks, except where a
 * caller waits for the first packet. */
#include "batch.h"

#include "../core.h"
#include "../poll.h"
#include "../wire/gro.h"
#include "../wire/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PI_SIZE = sizeof(struct tun_pi) };

_Static_assert(FRONT_MOST == PI_SIZE + VNET_MAX, "what is in front");

/* Bytes that the kernel puts in front of a packet; more than FRONT_MOST only
 * while device_flaw() says so. */
static size_t device_front(const struct device *dev)
{
	return (dev->flags & IFF_NO_PI ? 0 : PI_SIZE) + dev->common->vnet;
}

/* Why packets of the device cannot be in a batch; NULL when they can. Numbers
 * in another byte order would be misread; another process may have set a header
 * of any length. */
static const char *device_flaw(const struct device *dev)
{
	if (dev->common->foreign)
		return "virtio-net headers in another byte order";
	if (dev->common->vnet > VNET_MAX)
		return "another process made the virtio-net header longer than "
		       "256 bytes: set vnet_hdr_size";
	return NULL;
}

int fail_device_batch(lua_State *L, struct device *dev)
{
	if (dev->handle.fd < 0)
		errno = EBADF;
	if (dev->handle.fd < 0 || !device_flaw(dev))
		return fail_device(L, dev);
	errno = EOPNOTSUPP;
	return fail_errno(L, "%s: %s", device_name(dev), device_flaw(dev));
}

/* Whether another process made the device one of these meanwhile, which the
 * kernel may say by EINVAL. A length that can be used is left to who sets
 * vnet_hdr_size: packets are refused until then. Keeps errno. */
static bool is_flawed_now(struct device *dev)
{
	size_t was = dev->common->vnet;
	int code = errno;

	if (code != EINVAL)
		return false;
	device_read_vnet(dev);
	errno = code;
	if (device_flaw(dev))
		return true;
	dev->common->vnet = was;
	return false;
}

/* Whether its packets begin with an Ethernet header. */
static bool device_is_tap(const struct device *dev)
{
	return dev->flags & IFF_TAP;
}

/* What lies in front of a packet, in the slot's own words, and back. What of
 * the virtio-net header the kernel has no use for is not looked at. */
static void device_read_front(const struct device *dev, struct slot *slot,
			      const unsigned char *from)
{
	if (!(dev->flags & IFF_NO_PI)) {
		memcpy(&slot->pi, from, sizeof(slot->pi));
		slot->flags |= SLOT_PI;
		from += PI_SIZE;
	}
	if (dev->common->vnet) {
		memcpy(&slot->vnet, from,
		       dev->common->vnet < sizeof(slot->vnet)
			       ? dev->common->vnet
			       : sizeof(slot->vnet));
		slot->flags |= SLOT_VNET;
	}
}

/* -- In -------------------------------------------------------------------- */

/* Read one packet into a slot of its own. Returns false with an errno, and the
 * batch as it was. */
static bool device_take(const struct device *dev, struct batch *batch)
{
	struct pool *pool = batch->pool;
	size_t before = device_front(dev);
	struct slot *slot = slots_append(batch);
	unsigned char *bytes = pool->bytes + slot->at - before;
	ssize_t n = read(dev->handle.fd, bytes, before + pool->room + 1);

	if (n >= (ssize_t)before && n <= (ssize_t)(before + pool->room)) {
		slot->size = (uint32_t)n - (uint32_t)before;
		device_read_front(dev, slot, bytes);
		return true;
	}
	slots_withdraw(batch);
	if (n >= 0)
		errno = EMSGSIZE;
	return false;
}

int device_batch_refill(const struct device *dev, struct batch *batch)
{
	slots_clear(batch);
	if (!device_flaw(dev) && device_front(dev) <= batch->pool->headroom)
		return device_batch_fill(dev, batch);
	errno = EINVAL;
	return -1;
}

int device_batch_fill(const struct device *dev, struct batch *batch)
{
	int n = 0;

	batch->ethernet = device_is_tap(dev);
	while (slots_has_room(batch)) {
		if (!device_take(dev, batch))
			return n ? n : -1;
		n++;
	}
	errno = EAGAIN;
	return n;
}

#define TOO_LONG "a packet longer than a slot is lost"

/* dev:receive(batch, timeout) -> how many packets were added, and reason and
 * errno when one was too long for a slot | nil, reason, errno, which is ENOBUFS
 * when no slot is free
 *
 * Reads until there is none, or no slot. Waits only when nothing was there, for
 * the timeout of settimeout() unless one is given. */
int device_batch_receive(lua_State *L, struct device *dev, struct batch *batch)
{
	double seconds = handle_seconds(L, 3, &dev->handle);
	double until = 0;
	int n, code;

	if (device_flaw(dev))
		return fail_device_batch(L, dev);
	if (device_front(dev) > batch->pool->headroom)
		raise_misuse(L, "batch: headroom of %d bytes; %s needs %d",
			     (int)batch->pool->headroom, device_name(dev),
			     (int)device_front(dev));
	slots_compact(batch);
	if (!slots_has_room(batch))
		return fail_batch_full(L);
	while ((n = device_batch_fill(dev, batch)) < 0) {
		if (errno == EMSGSIZE)
			return fail_errno(L, "%s: " TOO_LONG, device_name(dev));
		if (is_flawed_now(dev))
			return fail_device_batch(L, dev);
		if (!poll_retry(L, dev->handle.fd, seconds, &until))
			return fail_device(L, dev);
	}
	code = errno;
	lua_pushinteger(L, n);
	if (code != EMSGSIZE)
		return 1;
	errno = code;
	fail_errno(L, "%s: " TOO_LONG, device_name(dev));
	lua_remove(L, -3);
	return 3;
}

/* -- Out ------------------------------------------------------------------- */

/* How sending goes. */
struct sending {
	struct device *dev;
	struct batch *batch;
	lua_Integer sent;
	int refused; /* errno of the first packet that was refused for itself */
};

/* The ethertype of an IP packet, big-endian. */
static uint16_t ethertype(const unsigned char *bytes)
{
	return htons(*bytes >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
}

/* Write what a device wants in front of a packet to there. What is known of
 * packet information is in the slot. */
static void device_write_front(const struct device *dev,
			       const struct slot *slot, const struct vnet *vnet,
			       const unsigned char *bytes, unsigned char *to)
{
	size_t n = dev->common->vnet;
	struct tun_pi pi = slot->pi;

	ensure(device_front(dev) <= FRONT_MOST);

	if (!(dev->flags & IFF_NO_PI)) {
		if (!(slot->flags & SLOT_PI))
			pi = (struct tun_pi){ .proto = ethertype(bytes) };
		memcpy(to, &pi, sizeof(pi));
		to += sizeof(pi);
	}
	if (n > sizeof(*vnet)) {
		memset(to + sizeof(*vnet), 0, n - sizeof(*vnet));
		n = sizeof(*vnet);
	}
	memcpy(to, vnet, n);
}

/* Write one packet, with room in front of it for what the device wants there.
 * False with an errno. */
static bool device_put(const struct device *dev, const struct slot *slot,
		       const struct vnet *vnet, unsigned char *bytes,
		       size_t size)
{
	size_t before = device_front(dev);

	if (before)
		device_write_front(dev, slot, vnet, bytes, bytes - before);
	return write(dev->handle.fd, bytes - before, before + size) >= 0;
}

/* The same without room. */
static bool device_put_parts(const struct device *dev, const struct slot *slot,
			     const struct vnet *vnet,
			     const unsigned char *bytes, size_t size)
{
	unsigned char lead[FRONT_MOST];
	struct iovec parts[] = { { lead, device_front(dev) },
				 { (void *)bytes, size } };

	device_write_front(dev, slot, vnet, bytes, lead);
	return writev(dev->handle.fd, parts, LENGTH(parts)) >= 0;
}

/* Whether what a call said is about the packet, and not about the device. */
static bool is_packet_error(int code)
{
	return code == EINVAL || code == EMSGSIZE;
}

/* Send a super-packet as single ones, and remember how far it got. One whose
 * segments are longer than any packet should be is refused. */
static bool device_put_split(struct sending *s, struct slot *slot,
			     const unsigned char *bytes, size_t size)
{
	static const struct vnet nothing;
	unsigned char room[FRONT_MOST + SEGMENT_MOST];
	unsigned char *out = room + FRONT_MOST;
	struct gso all;
	size_t n;

	if (!gso_begin(&all, bytes, size, &slot->vnet, 0,
		       device_is_tap(s->dev))) {
		errno = EINVAL;
		return false;
	}
	all.next = slot->sent < all.count ? slot->sent : 0;
	while ((n = gso_next(&all, out, SEGMENT_MOST)))
		if (!device_put(s->dev, slot, &nothing, out, n)) {
			slot->sent = (uint16_t)(all.next - 1);
			return false;
		}
	slot->sent = 0; /* it may stay, and be sent again */
	if (all.next == all.count)
		return true;
	errno = EMSGSIZE;
	return false;
}

/* Whether the device takes what the slot's virtio-net header says. */
static bool device_accepts(const struct device *dev, const struct vnet *vnet)
{
	return dev->common->vnet >=
	       (vnet->gso_type & GSO_TUNNEL ? sizeof(*vnet) : VNET_MIN);
}

/* Send a packet as it is, as far as the device can take it. */
static bool device_put_single(struct sending *s, uint32_t i, struct slot *slot,
			      unsigned char *bytes, size_t size)
{
	static const struct vnet nothing;
	const struct vnet *vnet = &slot->vnet;

	if (!(slot->flags & SLOT_VNET) || !(vnet->gso_type | vnet->flags)) {
		vnet = &nothing;
	} else if (slot->sent || !device_accepts(s->dev, vnet)) {
		if (vnet->gso_type & ~GSO_ECN)
			return device_put_split(s, slot, bytes, size);
		if (!gso_complete(bytes, size, &slot->vnet)) {
			errno = EINVAL;
			return false;
		}
	}
	if (slots_headroom(s->batch, i, bytes) >= device_front(s->dev)
		    ? device_put(s->dev, slot, vnet, bytes, size)
		    : device_put_parts(s->dev, slot, vnet, bytes, size))
		return true;
	return errno == EINVAL && vnet->gso_type & ~GSO_ECN &&
	       device_put_split(s, slot, bytes, size);
}

/* Record how the sending of a packet went, with the errno of a failure. Returns
 * whether to go on. */
static bool packet_done(struct sending *s, struct slot *slot, bool sent)
{
	if (!sent && !is_packet_error(errno))
		return false;
	if (!sent && !s->refused)
		s->refused = errno;
	s->sent += sent;
	slot->flags |= SLOT_DROPPED;
	return true;
}

static bool device_send_single(struct sending *s, uint32_t i)
{
	struct slot *slot = slots_get(s->batch, i);
	unsigned char *bytes;
	uint32_t size;
	bool sent;

	if (!slot)
		return true;
	bytes = slot_bytes(s->batch->pool, slot, &size);
	sent = bytes && device_put_single(s, i, slot, bytes, size);
	if (!bytes)
		errno = EINVAL;
	return (sent || !is_flawed_now(s->dev)) && packet_done(s, slot, sent);
}

/* -- Out, joined ----------------------------------------------------------- */

enum { WINDOW = 256 }; /* packets that are looked at together */

/* Write the super-packet that begins with a packet: its headers and the
 * payloads of all. */
static bool device_put_joined(const struct sending *s, const struct slot *slot,
			      const struct gro_packet *packets, size_t first,
			      struct gro_joined *joined)
{
	unsigned char lead[FRONT_MOST];
	struct iovec parts[2 + SEGMENTS_MOST];
	const struct gro_packet *u;
	int n = 2;
	size_t i;

	device_write_front(s->dev, slot, &joined->vnet, joined->headers, lead);
	parts[0] = (struct iovec){ lead, device_front(s->dev) };
	parts[1] = (struct iovec){ joined->headers, joined->size };
	for (i = first; i != NO_PACKET; i = u->next) {
		u = packets + i;
		ensure(n < (int)LENGTH(parts));
		parts[n++] = (struct iovec){ (void *)(u->bytes + u->payload),
					     u->size - u->payload };
	}
	return writev(s->dev->handle.fd, parts, n) >= 0;
}

/* Send the packets of a super-packet joined, or else one by one, when the
 * kernel does not take such. */
static bool device_send_joined(struct sending *s,
			       const struct gro_packet *packets,
			       const uint32_t *places, size_t first)
{
	bool *may = &s->dev->common->coalesce, sent = false;
	uint32_t number = s->batch->list[places[first]];
	struct gro_joined joined;
	size_t i;

	if (*may && gro_join(packets, first, device_is_tap(s->dev), &joined)) {
		sent = device_put_joined(s, slot_meta(s->batch->pool, number),
					 packets, first, &joined);
		if (!sent && errno != EINVAL)
			return false;
		*may = sent;
	}
	for (i = first; i != NO_PACKET; i = packets[i].next) {
		if (sent)
			packet_done(s,
				    slot_meta(s->batch->pool,
					      s->batch->list[places[i]]),
				    true);
		else if (!device_send_single(s, places[i]))
			return false;
	}
	return true;
}

/* Collect the packets from the i-th on that may be joined, as many as are
 * looked at together. Returns where it stopped. */
static uint32_t window_fill(const struct batch *batch, uint32_t i,
			    struct gro_packet *packets, uint32_t *places,
			    size_t *n)
{
	struct slot *slot;
	const unsigned char *bytes;
	uint32_t size;

	for (*n = 0; i < batch->count && *n < WINDOW; i++) {
		slot = slots_get(batch, i);
		if (!slot)
			continue;
		bytes = slot_bytes(batch->pool, slot, &size);
		packets[*n] = (struct gro_packet){
			.bytes = bytes ? bytes : batch->pool->bytes,
			.size = bytes ? size : 0,
			.vnet = slot->flags & SLOT_VNET ? &slot->vnet : NULL,
		};
		places[(*n)++] = i;
	}
	return i;
}

static bool device_send_window(struct sending *s, uint32_t *i)
{
	struct gro_packet packets[WINDOW];
	uint32_t places[WINDOW];
	size_t n, each;

	*i = window_fill(s->batch, *i, packets, places, &n);
	gro_coalesce(packets, n, s->dev->common->offload,
		     device_is_tap(s->dev));
	for (each = 0; each < n; each++) {
		if (packets[each].follows)
			continue;
		if (!(packets[each].next == NO_PACKET
			      ? device_send_single(s, places[each])
			      : device_send_joined(s, packets, places, each)))
			return false;
	}
	return true;
}

/* -- Out, all of it -------------------------------------------------------- */

/* Send until the device takes no more. False with an errno. */
static bool device_send_all(struct sending *s)
{
	uint32_t i = 0;

	while (i < s->batch->count)
		if (!(s->dev->common->coalesce && s->batch->count > 1
			      ? device_send_window(s, &i)
			      : device_send_single(s, i++)))
			return false;
	return true;
}

ssize_t device_batch_send_at(struct device *dev, struct batch *batch,
			     uint32_t i)
{
	struct sending s = { .dev = dev, .batch = batch };
	struct slot *slot = i < batch->count ? slots_get(batch, i) : NULL;
	uint32_t size = 0;
	unsigned char *bytes =
		slot ? slot_bytes(batch->pool, slot, &size) : NULL;

	errno = bytes ? EOPNOTSUPP : EINVAL;
	if (!bytes || device_flaw(dev))
		return -1;
	if (!device_put_single(&s, i, slot, bytes, size)) {
		is_flawed_now(dev); /* and if so, whoever asks why learns it */
		return -1;
	}
	return (ssize_t)size;
}

/* dev:send(batch) -> how many packets were sent, and reason and errno when that
 * is not all | nil, reason, errno
 *
 * In their order; those that were sent leave the batch, as do those that the
 * kernel refused for themselves. Those that it would not take yet stay. */
int device_batch_send(lua_State *L, struct device *dev, struct batch *batch)
{
	struct sending s = { .dev = dev, .batch = batch };
	bool all;
	int code;

	if (device_flaw(dev))
		return fail_device_batch(L, dev);
	all = device_send_all(&s);
	code = all ? s.refused : errno;

	slots_compact(batch);
	lua_pushinteger(L, s.sent);
	if (!code)
		return 1;
	errno = code;
	fail_device_batch(L, dev);
	if (all || s.sent) {
		lua_pushinteger(L, s.sent);
		lua_replace(L, -4);
	}
	return 3;
}
