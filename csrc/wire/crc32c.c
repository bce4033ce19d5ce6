/* crc32c.c -- CRC32c by tables: eight bytes in a step. */
#include "crc32c.h"

#include <stdbool.h>

enum { STEP = 8 };

/* The polynomial 0x1edc6f41 with its bits reversed. */
static const uint32_t POLYNOMIAL = 0x82f63b78;

/* table[i][b]: what byte b does to the remainder when i bytes follow it. */
static uint32_t table[STEP][256];

static void table_make(void)
{
	uint32_t byte, rest;
	int i;

	for (byte = 0; byte < 256; byte++) {
		rest = byte;
		for (i = 0; i < 8; i++)
			rest = rest >> 1 ^ (rest & 1 ? POLYNOMIAL : 0);
		table[0][byte] = rest;
	}
	for (byte = 0; byte < 256; byte++) {
		for (i = 1; i < STEP; i++) {
			rest = table[i - 1][byte];
			table[i][byte] = rest >> 8 ^ table[0][rest & 255];
		}
	}
}

uint32_t crc32c(const unsigned char *bytes, size_t n)
{
	static bool made;
	uint32_t rest = 0xffffffff, next;
	size_t i;

	if (!made)
		table_make();
	made = true;
	for (; n >= STEP; n -= STEP, bytes += STEP) {
		next = 0;
		for (i = 0; i < STEP; i++)
			next ^= table[STEP - 1 - i]
				     [bytes[i] ^
				      (i < 4 ? rest >> 8 * i & 255 : 0)];
		rest = next;
	}
	for (; n > 0; n--, bytes++)
		rest = rest >> 8 ^ table[0][(rest ^ *bytes) & 255];
	return ~rest;
}
