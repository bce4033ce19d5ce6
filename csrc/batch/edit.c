/* edit.c -- what scripts do to every packet, done to all packets of a batch:
 * set or swap addresses and ports, count TTL down, compute checksums. Packets
 * that are not IP, or malformed, are left alone; in fragments ports are where
 * the transport header is. */
#include "edit.h"

#include "../core.h"
#include "../wire/rewrite.h"
#include "batch.h"

#include <arpa/inet.h>
#include <string.h>

/* The i-th packet of a batch. False when there is nothing to be changed. */
static bool begin_rewrite(struct rewrite *t, const struct batch *batch,
			  uint32_t i)
{
	const struct slot *slot = slots_get(batch, i);
	uint32_t size = 0;
	unsigned char *bytes =
		slot ? slot_bytes(batch->pool, slot, &size) : NULL;

	return bytes &&
	       rewrite_begin(t, bytes, size,
			     slot->flags & SLOT_VNET ? &slot->vnet : NULL,
			     batch->ethernet);
}

/* batch:reflect() -> batch
 *
 * Send the packets back: in each, source and destination change places, of
 * Ethernet, IP, TCP and UDP. */
static int batch_reflect(lua_State *L)
{
	const struct batch *batch = object_self(L);
	struct rewrite t;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (begin_rewrite(&t, batch, i))
			rewrite_reflect(&t);
	lua_settop(L, 1);
	return 1;
}

/* batch:decrement_ttl() -> how many packets were dropped
 *
 * Count TTL or hop limit down, as one who forwards packets does; those whose
 * time is over are dropped (RFC 1812, 5.3.1; RFC 8200, 3). */
static int batch_decrement_ttl(lua_State *L)
{
	const struct batch *batch = object_self(L);
	uint32_t i, ttl, dropped = 0;
	struct rewrite t;

	for (i = 0; i < batch->count; i++) {
		if (!begin_rewrite(&t, batch, i))
			continue;
		ttl = rewrite_ttl(&t);
		if (ttl <= 1) {
			slots_drop(batch, i);
			dropped++;
			continue;
		}
		rewrite_set_ttl(&t, ttl - 1);
		rewrite_end(&t);
	}
	lua_pushinteger(L, dropped);
	return 1;
}

/* -- Setting fields -------------------------------------------------------- */

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

static void read_address(lua_State *L, int at, const char *name,
			 struct address *address)
{
	const char *text = arg_text(L, at);

	if (!text)
		raise_value(L, at, name, "an address");
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		address->version = 4;
	else if (inet_pton(AF_INET6, text, address->bytes) == 1)
		address->version = 6;
	else
		raise_misuse(L, "%s: \"%s\" is not an address", name, text);
}

/* Read the value on top of the stack, whose key is below it. */
static void read_key(lua_State *L, struct edit *edit)
{
	const struct key *key =
		arg_pick(L, -2, "field", keys, sizeof(*key), LENGTH(keys));
	lua_Integer number;

	if (!key->most)
		read_address(L, -1, key->name,
			     (void *)((char *)edit + key->at));
	else if (!arg_integer(L, -1, &number) || number < 0 ||
		 number > key->most)
		raise_misuse(L, "%s: %s is not a number from 0 to %d",
			     key->name, push_words(L, -1), key->most);
	else
		*(int *)(void *)((char *)edit + key->at) = (int)number;
}

static struct edit read_edit(lua_State *L, int at)
{
	struct edit edit = { .sport = -1, .dport = -1, .ttl = -1, .tos = -1 };

	if (lua_type(L, at) != LUA_TTABLE)
		raise_value(L, at, "set", "a table of fields");
	lua_pushnil(L);
	while (lua_next(L, at)) {
		read_key(L, &edit);
		lua_pop(L, 1);
	}
	return edit;
}

static void apply_edit(struct rewrite *t, const struct edit *edit)
{
	if (edit->src.version == t->h.version)
		rewrite_set_src(t, edit->src.bytes);
	if (edit->dst.version == t->h.version)
		rewrite_set_dst(t, edit->dst.bytes);
	if (edit->sport >= 0)
		rewrite_set_sport(t, (uint32_t)edit->sport);
	if (edit->dport >= 0)
		rewrite_set_dport(t, (uint32_t)edit->dport);
	if (edit->ttl >= 0)
		rewrite_set_ttl(t, (uint32_t)edit->ttl);
	if (edit->tos >= 0)
		rewrite_set_tos(t, (uint32_t)edit->tos);
	rewrite_end(t);
}

/* batch:set{ src =, dst =, sport =, dport =, ttl =, tos = } -> batch
 *
 * Set fields of all packets that have them: an address in those of its IP
 * version, ports (0 to 65535) in TCP and UDP, ttl (0 to 255) as hop limit and
 * tos (0 to 255) as traffic class in IPv6. */
static int batch_set(lua_State *L)
{
	const struct batch *batch = object_self(L);
	struct edit edit = read_edit(L, 2);
	struct rewrite t;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (begin_rewrite(&t, batch, i))
			apply_edit(&t, &edit);
	lua_settop(L, 1);
	return 1;
}

/* batch:fix() -> batch
 *
 * Compute lengths and checksums of all packets: of IP, TCP, UDP, ICMP; what is
 * inside of a tunnel is left. */
static int batch_fix(lua_State *L)
{
	const struct batch *batch = object_self(L);
	struct rewrite t;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (begin_rewrite(&t, batch, i))
			rewrite_fix(&t);
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

void open_edit(lua_State *L)
{
	object_add_methods(L, BATCH, methods);
}
