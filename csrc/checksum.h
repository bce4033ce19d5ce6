/* checksum.h -- the Internet checksum (RFC 1071). */
#ifndef TUN_CHECKSUM_H
#define TUN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The ones' complement sum, 0 to 65535, of n bytes as big-endian 16-bit words
 * and of an initial sum below 2^48. An odd last byte is the high half of a word
 * whose low half is 0. */
uint32_t checksum(const unsigned char *bytes, size_t n, uint64_t sum);

/* The same, and the bytes copied to where they do not overlap: one pass, which
 * costs hardly more than memcpy(). */
uint32_t checksum_copy(unsigned char *to, const unsigned char *from, size_t n,
		       uint64_t sum);

#endif
