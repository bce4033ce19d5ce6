/* headers.c -- the header walk: of any bytes, from any place. What is found
 * lies in order, inside of the bytes. */
#include "../../csrc/wire/headers.h"

#include "../../csrc/wire/flow.h"
#include "fuzz.h"

static void must_be_ordered(const struct headers *h, size_t size)
{
	MUST(h->version == 4 || h->version == 6);
	MUST(h->ip < h->transport && h->transport <= h->end);
	MUST(h->end <= size);
	MUST(!h->payload ||
	     (h->transport <= h->payload && h->payload <= h->end));
}

static void must_join_rightly(const struct flow_packet *m, size_t size)
{
	MUST(m->ip < m->transport && m->transport < m->payload);
	MUST((size_t)m->payload + m->length == size);
	flow_verify(m, NULL);
	flow_feature(m);
	flow_hash_addresses(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	size_t at = input_byte(&in), n = in.left;
	bool ethernet = at & 1;
	unsigned char *packet = input_packet(&in, &n);
	struct flow_packet m;
	struct headers h;

	if (headers_find(packet, n, ethernet, &h))
		must_be_ordered(&h, n);
	if (headers_at(packet, n, at, &h))
		must_be_ordered(&h, n);
	if (flow_read(packet, n, ethernet, &m) == IN_FLOW && m.joins)
		must_join_rightly(&m, n);
	free(packet);
	return 0;
}
