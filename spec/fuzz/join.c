/* join.c -- packets joined, and what they became split again: as many come
 * back, as long as they were. An input: 1 byte of flags, and for each packet 1
 * byte of flags, 2 of its length, the packet; a flag says that its lengths and
 * checksums are set right, another one that a virtio-net header stands in front
 * of it. */
#include "../../csrc/wire/gro.h"
#include "../../csrc/wire/rewrite.h"
#include "fuzz.h"

enum { PACKETS = 140 };
enum { ETHERNET = 1 };			      /* flags of an input */
enum { RIGHT = 1, WITH_VNET = 2, AGAIN = 4 }; /* and of a packet */

static struct gro_packet units[PACKETS];
static struct vnet vnets[PACKETS];

/* Count the sequence number of a TCP segment on, by its length. */
static void advance(unsigned char *bytes, size_t n, bool ethernet)
{
	struct headers h;

	if (headers_find(bytes, n, ethernet, &h) && h.payload &&
	    h.proto == IPPROTO_TCP)
		put32(bytes + h.transport + 4,
		      get32(bytes + h.transport + 4) + h.end - h.payload);
}

/* Take a packet; or the one before again, as what follows it in sequence. */
static void take(struct input *in, size_t i, bool ethernet)
{
	uint8_t flags = input_byte(in);
	size_t n = input_half(in);
	struct rewrite r;

	units[i] = (struct gro_packet){ 0 };
	if (flags & WITH_VNET) {
		input_take(in, &vnets[i], sizeof(*vnets));
		units[i].vnet = &vnets[i];
	}
	if (flags & AGAIN && i) {
		n = units[i - 1].size;
		units[i].bytes = memcpy(malloc(n), units[i - 1].bytes, n);
	} else {
		units[i].bytes = input_packet(in, &n);
	}
	units[i].size = (uint32_t)n;
	if (flags & AGAIN)
		advance((unsigned char *)units[i].bytes, n, ethernet);
	if (flags & (RIGHT | AGAIN) &&
	    rewrite_begin(&r, (unsigned char *)units[i].bytes, n, NULL,
			  ethernet))
		rewrite_fix(&r);
}

/* The bytes of the super-packet that begins with a unit. */
static unsigned char *assemble(size_t first, const struct gro_joined *joined)
{
	unsigned char *bytes = malloc(joined->total), *to = bytes;
	size_t i;

	memcpy(to, joined->headers, joined->size);
	to += joined->size;
	for (i = first; i != NO_PACKET; i = units[i].next) {
		size_t n = units[i].size - units[i].payload;

		MUST(n <= joined->total - (size_t)(to - bytes));
		memcpy(to, units[i].bytes + units[i].payload, n);
		to += n;
	}
	MUST(to == bytes + joined->total);
	return bytes;
}

static void split_again(size_t first, bool ethernet)
{
	struct gro_joined joined;
	unsigned char *bytes, *out;
	size_t i, n;
	struct gso s;

	gro_join(units, first, ethernet, &joined);
	MUST(joined.size <= sizeof(joined.headers));
	bytes = assemble(first, &joined);
	MUST(gso_begin(&s, bytes, joined.total, &joined.vnet, 0, ethernet));
	MUST(s.count == units[first].count);
	for (i = first; i != NO_PACKET; i = units[i].next) {
		n = units[i].size;
		out = malloc(n);
		MUST(gso_next(&s, out, n) == n);
		free(out);
	}
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	bool ethernet = input_byte(&in) & ETHERNET;
	size_t i, n, left = 0;

	for (n = 0; n < PACKETS && in.left; n++)
		take(&in, n, ethernet);
	size = gro_coalesce(units, n, ~0u, ethernet);
	for (i = 0; i < n; i++) {
		left += !units[i].follows;
		if (!units[i].follows && units[i].count > 1)
			split_again(i, ethernet);
	}
	MUST(left == size);
	for (i = 0; i < n; i++)
		free((void *)units[i].bytes);
	return 0;
}
