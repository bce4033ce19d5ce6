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
AVX2 static inline __m256i add_halves(__m256i total, __m256i w)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);

	total = _mm256_add_epi64(total, _mm256_and_si256(w, low));
	return _mm256_add_epi64(total, _mm256_srli_epi64(w, 32));
}

AVX2 static inline uint64_t add_lanes(__m256i total)
{
	uint64_t lanes[4];

	_mm256_storeu_si256((void *)lanes, total);
	return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

AVX2 static uint64_t vector_sum(const void *bytes, size_t n)
{
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	const __m256i *p = bytes;

	for (; n >= 128; n -= 128, p += 4) {
		a = add_halves(a, _mm256_loadu_si256(p));
		b = add_halves(b, _mm256_loadu_si256(p + 1));
		c = add_halves(c, _mm256_loadu_si256(p + 2));
		d = add_halves(d, _mm256_loadu_si256(p + 3));
	}
	for (; n >= 32; n -= 32, p++)
		a = add_halves(a, _mm256_loadu_si256(p));
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	return add_lanes(a) + plain_sum(p, n);
}

AVX2 static uint64_t vector_copy(void *to, const void *from, size_t n)
{
	__m256i a = _mm256_setzero_si256(), b = a, v, w;
	const __m256i *p = from;
	__m256i *q = to;

	for (; n >= 64; n -= 64, p += 2, q += 2) {
		v = _mm256_loadu_si256(p);
		w = _mm256_loadu_si256(p + 1);
		_mm256_storeu_si256(q, v);
		_mm256_storeu_si256(q + 1, w);
		a = add_halves(a, v);
		b = add_halves(b, w);
	}
	memcpy(q, p, n);
	return add_lanes(_mm256_add_epi64(a, b)) + plain_sum(p, n);
}

static inline uint64_t sum(const void *bytes, size_t n)
{
	if (n >= 64 && __builtin_cpu_supports("avx2"))
		return vector_sum(bytes, n);
	return plain_sum(bytes, n);
}

/* Copy, and return the sum. */
static inline uint64_t copy(void *to, const void *from, size_t n)
{
	if (n >= 64 && __builtin_cpu_supports("avx2"))
		return vector_copy(to, from, n);
	memcpy(to, from, n);
	return plain_sum(from, n);
}
#else
static inline uint64_t sum(const void *bytes, size_t n)
{
	return plain_sum(bytes, n);
}

static inline uint64_t copy(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return plain_sum(from, n);
}
#endif

/* The checksum that a sum makes. */
static inline uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#endif
