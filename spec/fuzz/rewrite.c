/* rewrite.c -- every change of headers, of any packet with any virtio-net
 * header.
 * An input: 1 byte of flags, 8 of new values, a virtio-net header, the packet.
 */
#include "../../csrc/wire/rewrite.h"

#include "fuzz.h"

enum { ETHERNET = 1, WITH_VNET = 2 }; /* flags */

static void set_all(struct rewrite *r, const unsigned char *values)
{
	unsigned char address[16];

	memset(address, values[0], sizeof(address));
	rewrite_set_src(r, address);
	memset(address, values[1], sizeof(address));
	rewrite_set_dst(r, address);
	rewrite_set_sport(r, get16(values + 2));
	rewrite_set_dport(r, get16(values + 4));
	rewrite_set_tos(r, values[6]);
	rewrite_set_ttl(r, values[7]);
	rewrite_end(r);
	MUST(rewrite_ttl(r) == values[7]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	uint8_t flags = input_byte(&in);
	unsigned char values[8], *packet;
	struct vnet vnet;
	struct rewrite r;
	size_t n;

	input_take(&in, values, sizeof(values));
	input_take(&in, &vnet, sizeof(vnet));
	n = in.left;
	packet = input_packet(&in, &n);
	if (rewrite_begin(&r, packet, n, flags & WITH_VNET ? &vnet : NULL,
			  flags & ETHERNET)) {
		set_all(&r, values);
		rewrite_reflect(&r);
		rewrite_fix(&r);
	}
	free(packet);
	return 0;
}
