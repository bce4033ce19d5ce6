/* rewrite.c -- what scripts do to every packet, done to all packets of a batch:
 * set or swap addresses and ports, count TTL down, compute checksums.
 *
 * Small changes adjust the checksums (RFC 1624), so that one which was wrong
 * stays so. What a device is to complete stays partial: the sum of the pseudo
 * header. Packets that are not IP, or malformed, are left alone; in fragments
 * ports are where the transport header is. */
#include "batch.h"
#include "checksum.h"
#include "core.h"
#include "headers.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

/* Offsets of fields. */
enum {
	IP4_TOS = 0, /* of the word that ends with it */
	IP4_LENGTH = 2,
	IP4_TTL = 8,
	IP4_CHECKSUM = 10,
	IP4_SRC = 12,
	IP4_DST = 16,
	IP6_LENGTH = 4,
	IP6_NEXT = 6,
	IP6_HOP_LIMIT = 7,
	IP6_SRC = 8,
	IP6_DST = 24,
	IP6_SIZE = 40,
	UDP_LENGTH = 4,
	LENGTH_MAX = 65535,
};

/* Transport protocols: where the checksum is, whether it covers addresses, and
 * whether source and destination port come first. */
static const struct transport {
	uint8_t proto, size, checksum;
	bool addresses, ports;
} transports[] = {
	{ IPPROTO_TCP, 20, 16, true, true },
	{ IPPROTO_UDP, 8, 6, true, true },
	{ IPPROTO_ICMP, 4, 2, false, false },
	{ IPPROTO_ICMPV6, 4, 2, true, false },
};

/* A packet of a batch, and what was changed in it: sums of what is new and of
 * the complement of what was there. */
struct target {
	unsigned char *bytes, *ip;
	struct slot *slot;
	const struct transport *transport; /* NULL: none that is known */
	struct headers h;
	uint32_t header;    /* changes that an IPv4 header's checksum covers, */
	uint32_t addresses; /* those that a pseudo header does, */
	uint32_t ports;	    /* and those that a transport's alone does */
};

/* -- Looking ----------------------------------------------------------------
 */

static const struct transport *transportof(const struct headers *h)
{
	size_t i;

	if (!h->payload)
		return NULL;
	for (i = 0; i < LENGTH(transports); i++)
		if (transports[i].proto == h->proto &&
		    transports[i].size <= h->end - h->transport)
			return &transports[i];
	return NULL;
}

/* Whether a TCP or UDP header should be there, and is not whole. */
static bool is_cut(const struct headers *h)
{
	return !h->payload && !h->fragment &&
	       (h->proto == IPPROTO_TCP || h->proto == IPPROTO_UDP);
}

/* The i-th packet of a batch. False when there is nothing to be changed. */
static bool aim(struct target *t, const struct batch *batch, uint32_t i)
{
	struct slot *slot = slotof(batch, i);
	unsigned char *bytes = slot ? bytesof(batch->pool, slot) : NULL;

	if (!bytes || !headers(bytes, slot->size, batch->ethernet, &t->h) ||
	    is_cut(&t->h))
		return false;
	t->bytes = bytes;
	t->ip = bytes + t->h.ip;
	t->slot = slot;
	t->transport = transportof(&t->h);
	t->header = t->addresses = t->ports = 0;
	return true;
}

/* The address of the pseudo header: the last one of a routing header that has
 * some to be visited yet (RFC 8200, 8.1; RFC 8754, 2), else the destination. */
static const unsigned char * final(const struct target *t)
{
	const unsigned char *b = t->ip + IP6_SIZE;
	uint8_t proto = t->ip[IP6_NEXT];
	size_t size;

	if (t->h.version == 4)
		return t->ip + IP4_DST;
	for (; b < t->bytes + t->h.transport; b += size) {
		size = proto == IPPROTO_FRAGMENT ? 8 : (b[1] + 1u) * 8;
		if (proto == IPPROTO_ROUTING && b[3] > 0 && size >= 24)
			return b + (b[2] == 4 ? 8 : size - 16);
		proto = b[0];
	}
	return t->ip + IP6_DST;
}

/* Whether a device is to complete the transport's checksum. */
static bool partial(const struct target *t)
{
	const struct vnet *vnet = &t->slot->vnet;

	if (!(t->slot->flags & SLOT_VNET))
		return false;
	if (vnet->gso_type & GSO_TUNNEL && vnet->flags & VNET_TUNNEL_CSUM &&
	    vnet->outer_th_offset == t->h.transport)
		return true;
	return vnet->flags & VNET_NEEDS_CSUM &&
	       vnet->csum_start == t->h.transport &&
	       vnet->csum_offset == t->transport->checksum;
}

/* -- Changing ----------------------------------------------------------------
 */

/* Replace n bytes, an even number. Returns the change of a sum. */
static uint32_t replace(unsigned char *at, const void *bytes, size_t n)
{
	uint32_t old = checksum(at, n, 0);

	memcpy(at, bytes, n);
	return checksum(at, n, 0xffff ^ old);
}

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Write a checksum of which the sum is known. UDP's is never 0, which says that
 * there is none (RFC 768). */
static void seal(unsigned char *field, uint32_t sum, uint8_t proto)
{
	sum = 0xffff ^ fold(sum);
	put16(field, sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum);
}

/* Let the checksums know of the changes. */
static void settle(struct target *t)
{
	unsigned char *field = t->ip + IP4_CHECKSUM;
	uint32_t addresses = t->addresses;

	if (t->h.version == 4 && t->header)
		seal(field, (0xffff ^ get16(field)) + t->header, IPPROTO_IP);
	if (!t->transport || !(addresses | t->ports))
		return;
	field = t->bytes + t->h.transport + t->transport->checksum;
	if (!t->transport->addresses)
		addresses = 0;
	if (partial(t))
		put16(field, fold(get16(field) + addresses));
	else if (t->h.proto != IPPROTO_UDP || get16(field))
		seal(field, (0xffff ^ get16(field)) + addresses + t->ports,
		     t->h.proto);
}

static void set_ttl(struct target *t, uint32_t ttl)
{
	unsigned char word[2] = { (unsigned char)ttl, t->ip[IP4_TTL + 1] };

	if (t->h.version == 6)
		t->ip[IP6_HOP_LIMIT] = word[0];
	else
		t->header += replace(t->ip + IP4_TTL, word, 2);
}

/* The traffic class of IPv6, which the version and the flow label enclose. */
static void set_tos(struct target *t, uint32_t tos)
{
	unsigned char word[2] = { t->ip[0], (unsigned char)tos };

	if (t->h.version == 6)
		put16(t->ip, (get16(t->ip) & 0xf00f) | tos << 4);
	else
		t->header += replace(t->ip + IP4_TOS, word, 2);
}

static void set_src(struct target *t, const unsigned char *bytes)
{
	bool long_one = t->h.version == 6;
	uint32_t change = replace(t->ip + (long_one ? IP6_SRC : IP4_SRC), bytes,
				  long_one ? 16 : 4);

	t->header += change;
	t->addresses += change;
}

static void set_dst(struct target *t, const unsigned char *bytes)
{
	bool long_one = t->h.version == 6;
	unsigned char *dst = t->ip + (long_one ? IP6_DST : IP4_DST);
	bool covered = final(t) == dst;
	uint32_t change = replace(dst, bytes, long_one ? 16 : 4);

	t->header += change;
	if (covered)
		t->addresses += change;
}

/* Set the source port, or the destination port behind it. */
static void set_port(struct target *t, size_t at, uint32_t port)
{
	unsigned char bytes[2] = { (unsigned char)(port >> 8),
				   (unsigned char)port };

	if (t->transport && t->transport->ports)
		t->ports += replace(t->bytes + t->h.transport + at, bytes, 2);
}

/* -- For all packets ---------------------------------------------------------
 */

static void swap(unsigned char *a, unsigned char *b, size_t n)
{
	unsigned char old[16];

	memcpy(old, a, n);
	memcpy(a, b, n);
	memcpy(b, old, n);
}

/* The sums stay, unless there is an address that counts instead of the one that
 * becomes the source. */
static void reflect(struct target *t, bool ethernet)
{
	size_t n = t->h.version == 6 ? 16 : 4;
	unsigned char *src = t->ip + (n == 16 ? IP6_SRC : IP4_SRC);
	bool covered = final(t) == src + n;
	uint32_t old = covered ? 0 : checksum(src, n, 0);

	if (ethernet)
		swap(t->bytes, t->bytes + ETH_ALEN, ETH_ALEN);
	swap(src, src + n, n);
	if (!covered)
		t->addresses = checksum(src, n, 0xffff ^ old);
	if (t->transport && t->transport->ports)
		swap(t->bytes + t->h.transport, t->bytes + t->h.transport + 2,
		     2);
	settle(t);
}

/* batch:reflect() -> batch
 *
 * Send the packets back: in each, source and destination change places, of
 * Ethernet, IP, TCP and UDP. */
static int batch_reflect(lua_State *L)
{
	const struct batch *batch = self(L);
	struct target t;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (aim(&t, batch, i))
			reflect(&t, batch->ethernet);
	lua_settop(L, 1);
	return 1;
}

/* batch:decrement_ttl() -> how many packets were dropped
 *
 * Count TTL or hop limit down, as one who forwards packets does; those whose
 * time is over are dropped (RFC 1812, 5.3.1; RFC 8200, 3). */
static int batch_decrement_ttl(lua_State *L)
{
	const struct batch *batch = self(L);
	uint32_t i, ttl, dropped = 0;
	struct target t;

	for (i = 0; i < batch->count; i++) {
		if (!aim(&t, batch, i))
			continue;
		ttl = t.ip[t.h.version == 6 ? IP6_HOP_LIMIT : IP4_TTL];
		if (ttl <= 1) {
			t.slot->flags |= SLOT_DROPPED;
			dropped++;
			continue;
		}
		set_ttl(&t, ttl - 1);
		settle(&t);
	}
	lua_pushinteger(L, dropped);
	return 1;
}

/* -- Setting fields ----------------------------------------------------------
 */

struct address {
	uint8_t version; /* 4 or 6; 0: none */
	unsigned char bytes[16];
};

/* New values; numbers are below 0 where there is none. */
struct edit {
	struct address src, dst;
	int sport, dport, ttl, tos;
};

/* Their names, and the largest number; 0: an address. */
static const struct key {
	const char *name;
	size_t at;
	int most;
} keys[] = {
	{ "src", offsetof(struct edit, src), 0 },
	{ "dst", offsetof(struct edit, dst), 0 },
	{ "sport", offsetof(struct edit, sport), 65535 },
	{ "dport", offsetof(struct edit, dport), 65535 },
	{ "ttl", offsetof(struct edit, ttl), 255 },
	{ "tos", offsetof(struct edit, tos), 255 },
};

static const char *nameofkey(const void *rows, size_t i)
{
	return i < LENGTH(keys) ? ((const struct key *)rows)[i].name : NULL;
}

static void read_address(lua_State *L, int at, const char *name,
			 struct address *address)
{
	const char *text;

	if (lua_type(L, at) != LUA_TSTRING)
		misuse_value(L, at, name, "an address");
	text = lua_tostring(L, at);
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		address->version = 4;
	else if (inet_pton(AF_INET6, text, address->bytes) == 1)
		address->version = 6;
	else
		misuse(L, "%s: \"%s\" is not an address", name, text);
}

/* Read the value on top of the stack, whose key is below it. */
static void read_key(lua_State *L, struct edit *edit)
{
	const struct key *key = keys, *end = keys + LENGTH(keys);
	const char *name = lua_type(L, -2) == LUA_TSTRING
				   ? lua_tostring(L, -2)
				   : luaL_typename(L, -2);
	lua_Integer number;

	while (key < end && strcmp(key->name, name) != 0)
		key++;
	if (key == end)
		misuse_name(L, "field", name, nameofkey, keys);
	if (!key->most)
		read_address(L, -1, name, (void *)((char *)edit + key->at));
	else if (!tointeger(L, -1, &number) || number < 0 || number > key->most)
		misuse(L, "%s: %s is not a number from 0 to %d", name,
		       lua_isnumber(L, -1) ? lua_tostring(L, -1)
					   : luaL_typename(L, -1),
		       key->most);
	else
		*(int *)(void *)((char *)edit + key->at) = (int)number;
}

static struct edit read_edit(lua_State *L, int at)
{
	struct edit edit = { .sport = -1, .dport = -1, .ttl = -1, .tos = -1 };

	if (lua_type(L, at) != LUA_TTABLE)
		misuse_value(L, at, "set", "a table of fields");
	lua_pushnil(L);
	while (lua_next(L, at)) {
		read_key(L, &edit);
		lua_pop(L, 1);
	}
	return edit;
}

static void apply(struct target *t, const struct edit *edit)
{
	if (edit->src.version == t->h.version)
		set_src(t, edit->src.bytes);
	if (edit->dst.version == t->h.version)
		set_dst(t, edit->dst.bytes);
	if (edit->sport >= 0)
		set_port(t, 0, (uint32_t)edit->sport);
	if (edit->dport >= 0)
		set_port(t, 2, (uint32_t)edit->dport);
	if (edit->ttl >= 0)
		set_ttl(t, (uint32_t)edit->ttl);
	if (edit->tos >= 0)
		set_tos(t, (uint32_t)edit->tos);
	settle(t);
}

/* batch:set{ src =, dst =, sport =, dport =, ttl =, tos = } -> batch
 *
 * Set fields of all packets that have them: an address in those of its IP
 * version, ports (0 to 65535) in TCP and UDP, ttl (0 to 255) as hop limit and
 * tos (0 to 255) as traffic class in IPv6. */
static int batch_set(lua_State *L)
{
	const struct batch *batch = self(L);
	struct edit edit = read_edit(L, 2);
	struct target t;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (aim(&t, batch, i))
			apply(&t, &edit);
	lua_settop(L, 1);
	return 1;
}

/* -- Computing all -----------------------------------------------------------
 */

/* A length, or 0 for one that its field cannot tell (RFC 2675, section 4; BIG
 * TCP of Linux). */
static void put_length(unsigned char *field, size_t n)
{
	put16(field, n > LENGTH_MAX ? 0 : (uint32_t)n);
}

static void fix_ip(const struct target *t)
{
	size_t n = t->h.end - t->h.ip;

	if (t->h.version == 6) {
		put_length(t->ip + IP6_LENGTH, n - IP6_SIZE);
		return;
	}
	put_length(t->ip + IP4_LENGTH, n);
	put16(t->ip + IP4_CHECKSUM, 0);
	seal(t->ip + IP4_CHECKSUM, checksum(t->ip, (t->ip[0] & 0xfu) * 4, 0),
	     IPPROTO_IP);
}

/* The sum of the pseudo header (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1). */
static uint32_t pseudo(const struct target *t)
{
	bool long_one = t->h.version == 6;
	uint32_t n = t->h.end - t->h.transport;
	uint32_t src = checksum(t->ip + (long_one ? IP6_SRC : IP4_SRC),
				long_one ? 16 : 4, (uint64_t)n + t->h.proto);

	return checksum(final(t), long_one ? 16 : 4, src);
}

/* The sum from the transport header on. A partial checksum that lies in it will
 * make all it covers the complement of what it is now: what the device is to do
 * to it need not be known (linux/Documentation/networking/
 * checksum-offloads.rst, "LCO"). */
static uint32_t body(const struct target *t, uint32_t sum)
{
	const struct vnet *vnet = &t->slot->vnet;
	size_t from = t->h.transport, inner = vnet->csum_start;
	size_t field = inner + vnet->csum_offset;

	if (!(t->slot->flags & SLOT_VNET) || !(vnet->flags & VNET_NEEDS_CSUM) ||
	    inner <= from || field + 2 > t->h.end)
		return checksum(t->bytes + from, t->h.end - from, sum);
	sum += 0xffff ^ get16(t->bytes + field);
	return checksum(t->bytes + from, inner - from, sum);
}

static void fix_transport(const struct target *t)
{
	unsigned char *start = t->bytes + t->h.transport;
	unsigned char *field = start + t->transport->checksum;
	uint32_t sum = t->transport->addresses ? pseudo(t) : 0;

	if (t->h.proto == IPPROTO_UDP)
		put_length(start + UDP_LENGTH, t->h.end - t->h.transport);
	if (partial(t)) {
		put16(field, sum);
	} else if (t->h.proto != IPPROTO_UDP || get16(field)) {
		put16(field, 0);
		seal(field, body(t, sum), t->h.proto);
	}
}

/* batch:fix() -> batch
 *
 * Compute lengths and checksums of all packets: of IP, TCP, UDP, ICMP; what is
 * inside of a tunnel is left. */
static int batch_fix(lua_State *L)
{
	const struct batch *batch = self(L);
	struct target t;
	uint32_t i;

	for (i = 0; i < batch->count; i++) {
		if (!aim(&t, batch, i))
			continue;
		fix_ip(&t);
		if (t.transport && !t.h.fragment)
			fix_transport(&t);
	}
	lua_settop(L, 1);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "reflect", batch_reflect },
	{ "decrement_ttl", batch_decrement_ttl },
	{ "set", batch_set },
	{ "fix", batch_fix },
	{ NULL, NULL },
};

void open_rewrite(lua_State *L)
{
	luaL_getmetatable(L, BATCH);
	lua_getfield(L, -1, "__index");
	lua_insert(L, -2);
	setmethods(L, lua_gettop(L) - 1, methods);
	lua_pop(L, 1);
}
