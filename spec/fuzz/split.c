/* split.c -- super-packets with any virtio-net header, split into rooms of any
 * size, the last segment over the packet itself; checksums completed.
 * An input: 1 byte of flags, 2 of the MTU, 2 of the room, a virtio-net header,
 * the packet. */
#include "../../csrc/wire/gso.h"
#include "fuzz.h"

enum { SEGMENTS = 300 }; /* more take time, and do nothing else */

/* Write segment number i to a room of its own. Returns its size. */
static size_t write_apart(struct gso *s, size_t i, size_t room)
{
	unsigned char *out = malloc(room);
	size_t n;

	s->next = i;
	n = gso_next(s, out, room);
	MUST(n <= room);
	MUST(s->next == i + (n != 0) || !s->end);
	free(out);
	return n;
}

static void split_all(struct gso *s, unsigned char *packet, size_t size,
		      size_t room)
{
	size_t i;

	MUST(s->count > 0 && s->end <= size);
	for (i = s->count > SEGMENTS ? s->count - SEGMENTS : 0; i < s->count;
	     i++)
		write_apart(s, i, room);
	MUST(write_apart(s, s->count, room) == 0);
	s->next = 0;
	MUST(gso_next(s, packet, size) <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	bool ethernet = input_byte(&in) & 1;
	size_t mtu = input_half(&in), room = input_half(&in), n;
	unsigned char *packet, *same;
	struct vnet vnet;
	struct gso s;

	input_take(&in, &vnet, sizeof(vnet));
	n = in.left;
	packet = input_packet(&in, &n);
	same = memcpy(malloc(n), packet, n);
	if (gso_begin(&s, packet, n, &vnet, mtu, ethernet))
		split_all(&s, packet, n, room ? room : n);
	gso_complete(same, n, &vnet);
	free(same);
	free(packet);
	return 0;
}
