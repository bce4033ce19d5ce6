/* sum.h -- for the yardsticks: the Internet checksum (RFC 1071), vectorised by
 * hand where the processor has AVX2. */
#ifndef SUM_H
#define SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sum of 16-bit words in the machine's order, not folded; an odd last byte
 * counts as if a zero followed. */
static inline uint64_t plain_sum(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t total = 0;
	uint32_t word = 0;

	for (; n >= 4; n -= 4, p += 4) {
		memcpy(&word, p, 4);
		total += word;
	}
	word = 0;
	memcpy(&word, p, n);
	return total + word;
}

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* Halves of 64 bits are added apart: they cannot wrap. */
AVX2 static inline __m256i add_halves(__m256i total, const __m256i *words)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i w = _mm256_loadu_si256(words);

	total = _mm256_add_epi64(total, _mm256_and_si256(w, low));
	return _mm256_add_epi64(total, _mm256_srli_epi64(w, 32));
}

AVX2 static uint64_t vector_sum(const void *bytes, size_t n)
{
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	const __m256i *p = bytes;
	uint64_t lanes[4];

	for (; n >= 128; n -= 128, p += 4) {
		a = add_halves(a, p);
		b = add_halves(b, p + 1);
		c = add_halves(c, p + 2);
		d = add_halves(d, p + 3);
	}
	for (; n >= 32; n -= 32, p++)
		a = add_halves(a, p);
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((void *)lanes, a);
	return lanes[0] + lanes[1] + lanes[2] + lanes[3] + plain_sum(p, n);
}

static inline uint64_t sum(const void *bytes, size_t n)
{
	if (n >= 64 && __builtin_cpu_supports("avx2"))
		return vector_sum(bytes, n);
	return plain_sum(bytes, n);
}
#else
#define sum plain_sum
#endif

/* The checksum that a sum makes. */
static inline uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#endif
