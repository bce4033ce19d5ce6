/* number.h -- kinds of numbers, and of numbers that have names. */
#ifndef TUN_NETLINK_NUMBER_H
#define TUN_NETLINK_NUMBER_H

#include "schema.h"

#pragma GCC visibility push(hidden)

/* In the machine's byte order, or "be". */
extern const struct kind kind_u8, kind_u16, kind_u32, kind_u64, kind_s32,
	kind_be16, kind_be64, kind_scaled;
extern const struct kind kind_range16, kind_range32; /* 80 or "80-90" */
extern const struct kind kind_weight;	       /* u8, one less on the wire */
extern const struct kind kind_bool, kind_flag; /* u8 0/1; presence */
extern const struct kind kind_forever;	       /* u32, absent when all ones */
extern const struct kind kind_some;	       /* s32, absent when 0 */
extern const struct kind kind_ticks;	       /* same, in 1/100 s (USER_HZ) */
/* A number that has no name stays a number. */
extern const struct kind kind_enum8, kind_enum16, kind_enum32, kind_be_enum16;
extern const struct kind kind_flags8, kind_flags32;
extern const struct kind kind_addrflags; /* the first name is not of IPv6 */
extern const struct kind kind_masked; /* u32 of flags, u32 of those to change */

/* Numbers of 1, 2, 4 or 8 bytes. number_store() returns their size. */
uint64_t number_load(const void *p, size_t size);
size_t number_store(unsigned char *out, uint64_t value, size_t size);

/* The codec of a number, for kinds that can be one; as in struct kind. */
bool number_push(struct decoder *d, const struct field *f, const void *p,
		 size_t len);
size_t number_pull_s32(struct encoder *e, const struct field *f,
		       unsigned char *out);

#pragma GCC visibility pop

#endif
