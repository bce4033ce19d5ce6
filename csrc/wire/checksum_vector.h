/* checksum_vector.h -- summing and copying many bytes, WIDTH at a time: what
 * checksum.c includes once for each width of vectors that a processor may have.
 * Defined there: NAME(word), which distinguishes the widths, and TARGET, what
 * the compiler may use. */

#define LANES NAME(lanes)
#define SUM struct NAME(sum)

typedef uint64_t LANES __attribute__((vector_size(WIDTH)));

/* Sums in each lane: of the whole words, which wraps at 2^64, and of their high
 * halves, which does not below 2^34 bytes. Three operations for each vector;
 * the sum of the low halves follows from both. */
struct NAME(sum) {
	LANES words, halves;
};

/* Add those bytes of a vector that keep has ones for. */
TARGET INLINE void NAME(add)(SUM *sum, unsigned char *to,
			     const unsigned char *from, size_t at,
			     const unsigned char *keep)
{
	LANES vector, mask;

	memcpy(&vector, from + at, WIDTH);
	if (to)
		memcpy(to + at, &vector, WIDTH);
	if (keep) {
		memcpy(&mask, keep, WIDTH);
		vector &= mask;
	}
#ifdef __x86_64__
	__asm__("" : "+v"(vector)); /* or gcc loads it for each use */
#endif
	sum->words += vector;
	sum->halves += vector >> 32;
}

/* Join the lanes. What is returned is below 2^64 for fewer than 2^34 bytes. */
TARGET INLINE uint64_t NAME(total)(const SUM *sum)
{
	uint64_t lanes[WIDTH / 8], total = 0;
	LANES all = sum->words - (sum->halves << 32) + sum->halves;
	size_t i;

	memcpy(lanes, &all, sizeof(lanes));
	for (i = 0; i < WIDTH / 8; i++)
		total += lanes[i];
	return total;
}

/* The sum of n bytes, WIDTH at least, to be folded. The first vector overlaps
 * the second one, which is aligned, or nearly so: words stay words. The last
 * one overlaps the one before it. */
TARGET INLINE uint64_t NAME(pass)(unsigned char *to, const unsigned char *from,
				  size_t n)
{
	SUM a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	size_t even = n & ~(size_t)1, at = -(uintptr_t)from & (WIDTH - 2);
	uint64_t odd = 0;

	NAME(add)(&a, to, from, 0, first(at));
	for (; even - at >= 4 * WIDTH; at += 4 * WIDTH) {
		NAME(add)(&a, to, from, at, NULL);
		NAME(add)(&b, to, from, at + WIDTH, NULL);
		NAME(add)(&c, to, from, at + 2 * WIDTH, NULL);
		NAME(add)(&d, to, from, at + 3 * WIDTH, NULL);
	}
	for (; even - at >= WIDTH; at += WIDTH)
		NAME(add)(&b, to, from, at, NULL);
	NAME(add)(&c, to, from, even - WIDTH, last(even - at, WIDTH));
	if (n & 1)
		odd = number_load(from + even, 1);
	if (to && n & 1)
		to[even] = from[even];
	a.words += b.words + c.words + d.words;
	a.halves += b.halves + c.halves + d.halves;
	return NAME(total)(&a) + halves(odd);
}

TARGET static uint64_t NAME(sum)(const unsigned char *from, size_t n)
{
	return NAME(pass)(NULL, from, n);
}

TARGET static uint64_t NAME(copy)(unsigned char *to, const unsigned char *from,
				  size_t n)
{
	return NAME(pass)(to, from, n);
}

#undef LANES
#undef SUM
#undef NAME
#undef TARGET
#undef WIDTH
