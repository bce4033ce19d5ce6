/* expression.h -- what a declaration says of a header, as operations over its
 * bytes; lua/tun/packet/declare/dissect.lua makes them. */
#ifndef TUN_BATCH_EXPRESSION_H
#define TUN_BATCH_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* A header in a packet that begins at `first`, and what ends it. */
struct header {
	const unsigned char *first, *bytes, *stop;
};

/* A number, or true or false, of which a number is never the latter. */
struct value {
	double n;
	bool no;
};

/* Whether expression_value() may trust operations: they read what is in the
 * first `least` bytes of a header, or look whether it is there, and leave one
 * value. */
bool expression_ok(const int32_t *code, uint32_t length, uint32_t least);

/* What operations give for a header of `least` bytes or more. */
struct value expression_value(const int32_t *code, uint32_t length,
			      const struct header *header);

#pragma GCC visibility pop

#endif
