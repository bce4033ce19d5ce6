/* kind.h -- what the files of kinds share: values and the numbers in them. */
#ifndef TUN_NETLINK_KIND_H
#define TUN_NETLINK_KIND_H

#include "schema.h"

#pragma GCC visibility push(hidden)

#define KIND(NAME, SIZE, PUSH, PULL)                                           \
	const struct kind kind_##NAME = { #NAME, SIZE, PUSH, PULL, NULL }

/* Raise "mtu: 70000 is not ..." for the value on top of the stack. */
_Noreturn void raise_key(struct encoder *e, const char *expected);

/* The string on top of the stack, which has no zero bytes. */
const char *encode_text(struct encoder *e, const char *expected);

/* Numbers of 1, 2, 4 or 8 bytes. number_store() returns their size. */
uint64_t number_load(const void *p, size_t size);
size_t number_store(unsigned char *out, uint64_t value, size_t size);

bool push_number(struct decoder *d, const struct field *f, const void *p,
		 size_t len);
size_t pull_s32(struct encoder *e, const struct field *f, unsigned char *out);

#pragma GCC visibility pop

#endif
