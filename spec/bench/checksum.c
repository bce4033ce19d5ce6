/* checksum.c -- the yardsticks of the Internet checksum: loops as one writes
 * them by hand. Prints seconds of processor time of a sum.
 * Usage: checksum plain|best bytes
 *   plain  32 bits at a time
 *   best   the fastest one here of those with vector instructions */
#include "bench.h"

#include <stddef.h>
#include <stdint.h>

enum { MOST = 65536, WORK = 16 << 20, TRIALS = 8 };

static unsigned char memory[MOST] __attribute__((aligned(64)));

typedef uint32_t sum_function(const unsigned char *bytes, size_t n);

/* 16 bits of any sum of larger words. */
static uint32_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

static uint64_t rest(const unsigned char *bytes, size_t n)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half = 0;

	for (; n >= 4; n -= 4, bytes += 4) {
		memcpy(&word, bytes, 4);
		sum += word;
	}
	if (n >= 2) {
		memcpy(&half, bytes, 2);
		sum += half;
		n -= 2;
		bytes += 2;
	}
	half = 0;
	memcpy(&half, bytes, n);
	return sum + half;
}

static uint32_t plain(const unsigned char *bytes, size_t n)
{
	return fold(rest(bytes, n));
}

#ifdef __x86_64__
#include <immintrin.h>

/* Both halves of each 64-bit lane. */
__attribute__((target("avx2"))) static uint32_t
halves_avx2(const unsigned char *bytes, size_t n)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, v, w;
	uint64_t lanes[4];

	for (; n >= 64; n -= 64, bytes += 64) {
		v = _mm256_loadu_si256((const void *)bytes);
		w = _mm256_loadu_si256((const void *)(bytes + 32));
		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(w, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(w, 32));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((void *)lanes, a);
	return fold(lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest(bytes, n));
}

/* Pairs of 16-bit words, made signed: 2^31 holds 2^15 of their sums. */
__attribute__((target("avx2"))) static uint32_t
pairs_avx2(const unsigned char *bytes, size_t n)
{
	const __m256i flip = _mm256_set1_epi16(-0x8000);
	const __m256i one = _mm256_set1_epi16(1);
	__m256i a = _mm256_setzero_si256(), b = a, v, w;
	uint64_t sum = n / 64 * 32 * 0x8000;
	int32_t lanes[8];
	size_t i;

	for (; n >= 64; n -= 64, bytes += 64) {
		v = _mm256_loadu_si256((const void *)bytes);
		w = _mm256_loadu_si256((const void *)(bytes + 32));
		v = _mm256_madd_epi16(_mm256_xor_si256(v, flip), one);
		w = _mm256_madd_epi16(_mm256_xor_si256(w, flip), one);
		a = _mm256_add_epi32(a, v);
		b = _mm256_add_epi32(b, w);
	}
	_mm256_storeu_si256((void *)lanes, _mm256_add_epi32(a, b));
	for (i = 0; i < 8; i++)
		sum += (uint64_t)(int64_t)lanes[i];
	return fold(sum + rest(bytes, n));
}

/* As halves_avx2(). */
__attribute__((target("avx512bw"))) static uint32_t
halves_avx512(const unsigned char *bytes, size_t n)
{
	const __m512i low = _mm512_set1_epi64(0xffffffff);
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, v, w;

	for (; n >= 128; n -= 128, bytes += 128) {
		v = _mm512_loadu_si512(bytes);
		w = _mm512_loadu_si512(bytes + 64);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
		c = _mm512_add_epi64(c, _mm512_and_si512(w, low));
		d = _mm512_add_epi64(d, _mm512_srli_epi64(w, 32));
	}
	for (; n; n -= n < 64 ? n : 64, bytes += 64) {
		v = _mm512_maskz_loadu_epi8(
			n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX, bytes);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
	}
	a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
	return fold((uint64_t)_mm512_reduce_add_epi64(a));
}

/* Low and high bytes of the words, by multiplying with 1 and 0. */
__attribute__((target("avx512bw,avx512vnni"))) static uint32_t
bytes_avx512(const unsigned char *bytes, size_t n)
{
	const __m512i even = _mm512_set1_epi16(1), odd = _mm512_set1_epi16(256);
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, v, w;
	uint64_t low, high;

	for (; n >= 128; n -= 128, bytes += 128) {
		v = _mm512_loadu_si512(bytes);
		w = _mm512_loadu_si512(bytes + 64);
		a = _mm512_dpbusd_epi32(a, v, even);
		b = _mm512_dpbusd_epi32(b, v, odd);
		c = _mm512_dpbusd_epi32(c, w, even);
		d = _mm512_dpbusd_epi32(d, w, odd);
	}
	for (; n; n -= n < 64 ? n : 64, bytes += 64) {
		v = _mm512_maskz_loadu_epi8(
			n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX, bytes);
		a = _mm512_dpbusd_epi32(a, v, even);
		b = _mm512_dpbusd_epi32(b, v, odd);
	}
	a = _mm512_add_epi32(a, c);
	b = _mm512_add_epi32(b, d);
	low = (uint32_t)_mm512_reduce_add_epi32(a);
	high = (uint32_t)_mm512_reduce_add_epi32(b);
	return fold(low + (high << 8));
}
#endif

#ifdef __aarch64__
#include <arm_neon.h>

static uint32_t pairs_neon(const unsigned char *bytes, size_t n)
{
	uint64x2_t a = vdupq_n_u64(0), b = a, c = a, d = a;

	for (; n >= 64; n -= 64, bytes += 64) {
		a = vpadalq_u32(a, vld1q_u32((const void *)bytes));
		b = vpadalq_u32(b, vld1q_u32((const void *)(bytes + 16)));
		c = vpadalq_u32(c, vld1q_u32((const void *)(bytes + 32)));
		d = vpadalq_u32(d, vld1q_u32((const void *)(bytes + 48)));
	}
	a = vaddq_u64(vaddq_u64(a, b), vaddq_u64(c, d));
	return fold(vaddvq_u64(a) + rest(bytes, n));
}
#endif

/* A call for each sum, as the library is called. */
static double measure(sum_function *volatile sum, size_t n)
{
	size_t i, times = WORK / (n + 64);
	double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
	volatile uint32_t sink;

	for (i = 0; i < times; i++) {
		sink = sum(memory, n);
		(void)sink;
	}
	return (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) / (double)times;
}

/* The least of some trials: what disturbs the machine only adds. */
static double least(sum_function *sum, size_t n)
{
	double figure, best = measure(sum, n);
	size_t i;

	for (i = 1; i < TRIALS; i++) {
		figure = measure(sum, n);
		if (figure < best)
			best = figure;
	}
	return best;
}

struct choice {
	sum_function *sum;
	size_t n;
	double best;
};

/* Take a loop when it is faster than the one before. */
static void consider(struct choice *choice, sum_function *sum)
{
	double figure = least(sum, choice->n);

	if (sum(memory, choice->n) != plain(memory, choice->n))
		errx(1, "a wrong sum");
	if (choice->sum && figure >= choice->best)
		return;
	choice->sum = sum;
	choice->best = figure;
}

static void choose(struct choice *choice)
{
	consider(choice, plain);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		consider(choice, halves_avx2);
		consider(choice, pairs_avx2);
	}
	if (__builtin_cpu_supports("avx512bw"))
		consider(choice, halves_avx512);
	if (__builtin_cpu_supports("avx512vnni"))
		consider(choice, bytes_avx512);
#endif
#ifdef __aarch64__
	consider(choice, pairs_neon);
#endif
}

static double turn(void *arg)
{
	struct choice *choice = arg;

	return least(choice->sum, choice->n);
}

int main(int argc, char *argv[])
{
	struct choice choice = { .sum = plain };
	size_t i;

	choice.n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (!choice.n || choice.n > MOST)
		errx(2, "usage: checksum plain|best bytes");
	for (i = 0; i < sizeof(memory); i++)
		memory[i] = (unsigned char)random();
	if (strcmp(argv[1], "best") == 0) {
		choice.sum = NULL;
		choose(&choice);
	}
	take_turns(turn, &choice);
}
