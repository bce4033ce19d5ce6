/* expression.c -- what a declaration says of a header, as operations over its
 * bytes. */
#include "expression.h"

#include <math.h>
#include <stddef.h>

enum {
	DEPTH = 16,	   /* values that an expression has at once */
	LENGTH_MAX = 1024, /* numbers of an expression */
	FAR = 1 << 16,	   /* bytes to what is looked at beside a header */
};

/* Operations; the numbers behind one are its operands. */
enum operation {
	CONSTANT, /* the number */
	FIELD,	  /* first byte, bytes, bits to skip on the right, mask */
	BYTES,	  /* as many of a number behind a place; -1 behind the end */
	BACK,	  /* the byte so many before the beginning; -1 before all */
	REST,	  /* bytes from the beginning to the end */
	ADD,
	SUB,
	MUL,
	DIV,
	MOD,
	EQ,
	NE,
	LT,
	LE,
	GT,
	GE,
	NOT,
	AND, /* jump so far when false, or else forget the value */
	OR,  /* the same when true */
};

static uint32_t bytes_number(const unsigned char *bytes, int32_t n)
{
	uint32_t value = 0;

	while (n--)
		value = value << 8 | *bytes++;
	return value;
}

/* A number of the packet: of an operation and its operands. */
static double operand_value(const struct header *h, const int32_t *code)
{
	size_t rest = (size_t)(h->stop - h->bytes);

	switch (code[0]) {
	case FIELD:
		return bytes_number(h->bytes + code[1], code[2]) >> code[3] &
		       (uint32_t)code[4];
	case BYTES:
		return rest >= (size_t)code[1] + (size_t)code[2]
			       ? (double)bytes_number(h->bytes + code[1],
						      code[2])
			       : -1.0;
	case BACK:
		return h->bytes - h->first >= code[1] ? h->bytes[-code[1]] : -1;
	case REST:
		return (double)rest;
	default:
		return code[1];
	}
}

/* An operation of two numbers. */
static struct value combine(int32_t op, double a, double b)
{
	switch (op) {
	case ADD:
		return (struct value){ .n = a + b };
	case SUB:
		return (struct value){ .n = a - b };
	case MUL:
		return (struct value){ .n = a * b };
	case DIV:
		return (struct value){ .n = a / b };
	case MOD:
		return (struct value){ .n = a - floor(a / b) * b };
	case EQ:
		return (struct value){ .no = !(a == b) };
	case NE:
		return (struct value){ .no = !(a != b) };
	case LT:
		return (struct value){ .no = !(a < b) };
	case LE:
		return (struct value){ .no = !(a <= b) };
	case GT:
		return (struct value){ .no = !(a > b) };
	default:
		return (struct value){ .no = !(a >= b) };
	}
}

/* By operation, how many operands it has. */
static const uint8_t operands[] = { [CONSTANT] = 1, [FIELD] = 4, [BYTES] = 2,
				    [BACK] = 1,	    [AND] = 1,	 [OR] = 1 };

/* Whether the numbers behind an operation are some that it can have. */
static bool operands_fit(const int32_t *code, uint32_t least)
{
	switch (code[0]) {
	case FIELD:
		return code[1] >= 0 && code[2] >= 1 && code[2] <= 4 &&
		       (int64_t)code[1] + code[2] <= least && code[3] >= 0 &&
		       code[3] < 32;
	case BYTES:
		return code[1] >= 0 && code[1] < FAR && code[2] >= 1 &&
		       code[2] <= 4;
	case BACK:
		return code[1] >= 1 && code[1] < FAR;
	case AND:
	case OR:
		return code[1] >= 0;
	default:
		return true;
	}
}

/* How many values there are behind operations, of how many before; -1 when they
 * cannot be trusted. What a jump is over leaves one, as what it jumps with. */
static int depth_behind(const int32_t *code, const int32_t *stop,
			uint32_t least, int depth)
{
	while (code < stop && depth >= 0) {
		int32_t op = code[0], more = 0;
		bool jumps = op == AND || op == OR;

		if (op < 0 || op > OR)
			return -1;
		if ((size_t)op < sizeof(operands))
			more = operands[op];
		if (more >= stop - code || !operands_fit(code, least))
			return -1;
		if (depth < (op <= REST ? 0 : op == NOT || jumps ? 1 : 2))
			return -1;
		if (op != NOT)
			depth += op <= REST ? 1 : -1;
		code += 1 + more;
		if (jumps) {
			more = code[-1];
			if (more > stop - code ||
			    depth_behind(code, code + more, least, depth) !=
				    depth + 1)
				return -1;
			depth++;
			code += more;
		}
		if (depth > DEPTH)
			return -1;
	}
	return depth;
}

bool expression_ok(const int32_t *code, uint32_t length, uint32_t least)
{
	return length <= LENGTH_MAX &&
	       depth_behind(code, code + length, least, 0) == 1;
}

struct value expression_value(const int32_t *code, uint32_t length,
			      const struct header *h)
{
	const int32_t *stop = code + length;
	struct value stack[DEPTH + 1] = { { 0 } }; /* for analyzers too */
	struct value *top = stack + 1;		   /* behind the last */

	while (code < stop) {
		int32_t op = *code;

		if (op <= REST)
			*top++ = (struct value){ .n = operand_value(h, code) };
		else if (op == NOT)
			top[-1].no = !top[-1].no;
		else if (op == AND || op == OR) {
			if (top[-1].no == (op == AND))
				code += code[1];
			else
				top--;
		} else {
			top--;
			top[-1] = combine(op, top[-1].n, top[0].n);
		}
		code += 1 + ((size_t)op < sizeof(operands) ? operands[op] : 0);
	}
	return top[-1];
}
