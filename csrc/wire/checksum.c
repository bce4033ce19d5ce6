/* checksum.c -- the Internet checksum (RFC 1071): pure functions over bytes.
 *
 * Words are summed in the machine's byte order, since the sum may be swapped
 * afterwards (RFC 1071, 2.B), and many at a time as one large word, since 2^16
 * is 1 modulo 2^16 - 1. The functions named sum_ and copy_ return a sum that is
 * to be swapped and folded, where 0 stands for nothing but zeroes. */
#include "checksum.h"

#include <endian.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* From so many bytes on vectors pay; the widest one has as many. */
enum { VECTOR_MIN = 64 };

/* The word that begins with n bytes, and has zeroes behind them. */
INLINE uint64_t number_load(const unsigned char *bytes, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, bytes, n);
	return word;
}

/* For a sum that is too small to wrap. */
INLINE uint64_t halves(uint64_t word)
{
	return (word >> 32) + (uint32_t)word;
}

/* Add a word and note whether the sum wrapped: an addition with carry, as the
 * compilers know. */
INLINE void add(uint64_t *sum, uint64_t *carries, uint64_t word)
{
	*sum += word;
	*carries += *sum < word;
}

INLINE uint64_t sum_few(const unsigned char *bytes, size_t n)
{
	uint64_t sum = 0;

	for (; n >= 8; n -= 8, bytes += 8)
		sum += halves(number_load(bytes, 8));
	if (n & 4) {
		sum += halves(number_load(bytes, 4));
		bytes += 4;
	}
	if (n & 2) {
		sum += halves(number_load(bytes, 2));
		bytes += 2;
	}
	if (n & 1)
		sum += halves(number_load(bytes, 1));
	return sum;
}

/* Two sums, so that one need not wait for the other. */
static uint64_t sum_portable(const unsigned char *bytes, size_t n)
{
	uint64_t a = 0, b = 0, carries = 0, more = 0;

	for (; n >= 32; n -= 32, bytes += 32) {
		add(&a, &carries, number_load(bytes, 8));
		add(&b, &more, number_load(bytes + 8, 8));
		add(&a, &carries, number_load(bytes + 16, 8));
		add(&b, &more, number_load(bytes + 24, 8));
	}
	add(&a, &carries, b);
	add(&a, &carries, sum_few(bytes, n));
	return halves(a) + halves(carries) + halves(more);
}

static uint64_t copy_portable(unsigned char *to, const unsigned char *from,
			      size_t n)
{
	memcpy(to, from, n);
	return sum_portable(to, n);
}

/* What keeps the first n bytes of a vector, or the last n of one of a width. */
static const unsigned char masks[3 * VECTOR_MIN] = {
	[0 ... VECTOR_MIN - 1] = 0xff,
	[2 * VECTOR_MIN... 3 * VECTOR_MIN - 1] = 0xff,
};

INLINE const unsigned char *first(size_t n)
{
	return masks + VECTOR_MIN - n;
}

INLINE const unsigned char *last(size_t n, size_t width)
{
	return masks + LENGTH(masks) - VECTOR_MIN + n - width;
}

/* The analyzer of gcc takes a shift of each lane for one of a byte. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Wanalyzer-shift-count-overflow"
#endif

#if defined(__SSE2__) || defined(__ARM_NEON)
#define WIDTH 16
#define TARGET
#define NAME(word) word##_16
#include "checksum_vector.h"
#endif

#ifdef __x86_64__
#define WIDTH 32
#define TARGET __attribute__((target("avx2")))
#define NAME(word) word##_avx2
#include "checksum_vector.h"

#define WIDTH 64
#define TARGET __attribute__((target("avx512bw")))
#define NAME(word) word##_avx512
#include "checksum_vector.h"
#endif

static const struct way {
	const char *name;
	uint64_t (*sum)(const unsigned char *bytes, size_t n);
	uint64_t (*copy)(unsigned char *to, const unsigned char *from,
			 size_t n);
} ways[] = {
	{ "portable", sum_portable, copy_portable },
#if defined(__SSE2__)
	{ "sse2", sum_16, copy_16 },
#elif defined(__ARM_NEON)
	{ "neon", sum_16, copy_16 },
#endif
#ifdef __x86_64__
	{ "avx2", sum_avx2, copy_avx2 },
	{ "avx512", sum_avx512, copy_avx512 },
#endif
};

/* How many of these ways the processor has. */
INLINE size_t usable(void)
{
	size_t n = LENGTH(ways);

#ifdef __x86_64__
	n -= !__builtin_cpu_supports("avx512bw");
	n -= !__builtin_cpu_supports("avx2");
#endif
	return n;
}

/* Swapping all eight bytes swaps those of each of the four words. */
INLINE uint32_t finish(uint64_t sum, uint64_t initial)
{
	uint32_t half;

	sum = be64toh(sum) + initial;
	sum += sum < initial;
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return half >> 16;
}

uint32_t checksum(const unsigned char *bytes, size_t n, uint64_t initial)
{
	if (n < VECTOR_MIN)
		return finish(sum_few(bytes, n), initial);
	return finish(ways[usable() - 1].sum(bytes, n), initial);
}

uint32_t checksum_copy(unsigned char *to, const unsigned char *from, size_t n,
		       uint64_t initial)
{
	return checksum_by(usable() - 1, to, from, n, initial);
}

const char *checksum_way(size_t way)
{
	return way < usable() ? ways[way].name : NULL;
}

uint32_t checksum_by(size_t way, unsigned char *to, const unsigned char *from,
		     size_t n, uint64_t initial)
{
	if (n >= VECTOR_MIN)
		return finish(to ? ways[way].copy(to, from, n)
				 : ways[way].sum(from, n),
			      initial);
	if (to)
		memcpy(to, from, n);
	return finish(sum_few(from, n), initial);
}
