/* fuzz.h -- an input of a fuzzer, taken piece by piece from its front. Packets
 * are copied to memory of their exact size, so that AddressSanitizer sees the
 * first byte that is touched beyond. */
#ifndef TUN_FUZZ_H
#define TUN_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *bytes;
	size_t left;
};

/* What libFuzzer, or replay.c, calls with each input; and once before. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Take n bytes; zeroes stand for those that are not there. */
static inline void input_take(struct input *in, void *to, size_t n)
{
	size_t there = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (there)
		memcpy(to, in->bytes, there);
	in->bytes += there;
	in->left -= there;
}

static inline uint8_t input_byte(struct input *in)
{
	uint8_t byte;

	input_take(in, &byte, 1);
	return byte;
}

static inline uint16_t input_half(struct input *in)
{
	uint16_t half;

	input_take(in, &half, sizeof(half));
	return half;
}

/* Take up to n bytes as memory of its own; sets how many there are. */
static inline unsigned char *input_copy(struct input *in, size_t *n)
{
	unsigned char *copy;

	if (*n > in->left)
		*n = in->left;
	copy = malloc(*n);
	input_take(in, copy, *n);
	return copy;
}

/* Take up to n bytes as a packet: 1 byte of how many VLAN tags are put into it,
 * 1 of how much is put behind it, and its bytes. Behind most there is nothing,
 * as what is long takes time. */
static inline unsigned char *input_packet(struct input *in, size_t *n)
{
	static const unsigned char tag[4] = { 0x81, 0, 0, 1 };
	size_t tags = input_byte(in), i, size;
	size_t grown = input_byte(in);
	size_t more = grown > 240 ? (grown - 240) * 8192 : 0;
	unsigned char *bytes = input_copy(in, n), *packet;
	size_t front = *n < 12 ? *n : 12;

	size = *n + tags * sizeof(tag) + more;
	packet = calloc(1, size);
	memcpy(packet, bytes, front);
	for (i = 0; i < tags; i++)
		memcpy(packet + front + i * sizeof(tag), tag, sizeof(tag));
	memcpy(packet + front + i * sizeof(tag), bytes + front, *n - front);
	free(bytes);
	*n = size;
	return packet;
}

/* Stop, as a finding, unless what must hold does. */
#define MUST(holds)                                                            \
	((holds) ? (void)0 : input_broken(__FILE__, __LINE__, #holds))

static inline void input_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

#endif
