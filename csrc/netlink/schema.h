/* schema.h -- how an rtnetlink object looks, as data: rows that one encoder and
 * one decoder walk. A row is (Lua key, kind, where); a kind knows how its bytes
 * become a Lua value and back. */
#ifndef TUN_NETLINK_SCHEMA_H
#define TUN_NETLINK_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC visibility push(hidden)

struct decoder;
struct encoder;
struct field;

/* Names of numbers: enums by value, flags by bit mask; ends with NULL. */
struct label {
	const char *name;
	uint64_t value;
};

/* A fixed header and the attributes behind it. Rows end with END. */
struct layout {
	const struct field *head;
	size_t size;
	const struct field *attrs;
};

/* Rows chosen by another key of the same table: IFLA_INFO_DATA by its kind. */
struct choice {
	const char *kind, *key;
	const struct field *rows;
};
struct choices {
	const char *by;
	const struct choice *list; /* ends with { NULL } */
};

/* What the rows of a kind have to say beyond key and place; the members of
 * struct field in capitals. */
enum shape {
	PLAIN,	 /* nothing */
	TEXT,	 /* MOST, or nothing */
	PREFIX,	 /* LENGTH_AT */
	SCALED,	 /* DIVISOR */
	NAMED,	 /* LABELS: an enum */
	FLAGS,	 /* LABELS; READONLY and FILTER, or nothing */
	NEST,	 /* ROWS of attributes */
	RECORD,	 /* ROWS of members, SIZE of the struct */
	ARRAY,	 /* the same, of each */
	LIST,	 /* ROWS: that of its elements */
	MESSAGE, /* LAYOUT */
	HOPS,	 /* LAYOUT of each */
	CHOICE,	 /* CHOICES */
};

struct kind {
	const char *name;
	unsigned short size;  /* of the payload; 0 = any */
	unsigned char shape;  /* enum shape */
	unsigned char filler; /* bytes of a record's member without a value */
	/* Push the value of a payload; false leaves the key out. */
	bool (*push)(struct decoder *d, const struct field *f, const void *p,
		     size_t len);
	/* Write the value on top of the stack to out, which has VALUE_MAX
	 * bytes of zeros. Returns the length; raises on a value that does
	 * not fit; sets e->error when the world lacks what it names. */
	size_t (*pull)(struct encoder *e, const struct field *f,
		       unsigned char *out);
	/* For kinds made of others, instead of pull: add whole attributes. */
	void (*put)(struct encoder *e, const struct field *f);
};

enum { VALUE_MAX = 256, ROWS_MAX = 128, DEPTH_MAX = 8 };

/* Properties of a row. */
enum {
	READ = 1,   /* only the kernel sets it; a request may have it, and does
		     * not send it */
	FILTER = 2, /* the kernel can filter a dump by it */
	INLINE = 4, /* a nest or record whose keys stand in the table around */
	SPARSE = 8, /* a header member that is left out when it is 0 */
	DUMP = 16,  /* sent to filter a dump, and nowhere else */
};

struct field {
	const char *key; /* "" when INLINE */
	const struct kind *kind;
	unsigned short where; /* attribute type, or offset in the header */
	unsigned short size;  /* of a header member or record; else 0 */
	unsigned short is;    /* READ, FILTER, INLINE, SPARSE, DUMP */
	/* What the shape of the kind asks for, and nothing else. */
	unsigned short most;	  /* bytes of a text, with its end */
	unsigned short divisor;	  /* from the kernel's unit to ours */
	unsigned short length_at; /* of a prefix, an offset in the header */
	uint32_t readonly;	  /* flags that only the kernel sets */
	uint32_t filter;	  /* flags that a dump can be filtered by */
	const struct label *labels;
	const struct field *rows;
	const struct layout *layout;
	const struct choices *choices;
};

#define MEMBER_SIZE(type, member) sizeof(((type *)0)->member)
#define HEAD(name, a_kind, type, member, ...)                                  \
	{                                                                      \
		.key = name, .kind = &kind_##a_kind,                           \
		.where = offsetof(type, member),                               \
		.size = MEMBER_SIZE(type, member), __VA_ARGS__                 \
	}
#define ATTR(name, a_kind, type, ...)                                          \
	{                                                                      \
		.key = name, .kind = &kind_##a_kind, .where = type,            \
		__VA_ARGS__                                                    \
	}
#define END                                                                    \
	{                                                                      \
		.key = NULL                                                    \
	}

struct object {
	const char *name;
	unsigned short type; /* RTM_NEWx; DEL, GET and SET follow it */
	bool family; /* the header begins with the family of the addresses */
	struct layout layout;
	/* A 32-bit attribute that a request for a list needs; 0 for none. */
	unsigned short list;
	uint32_t value;
};

/* A verb is a message type beside RTM_NEWx and the flags of its request. */
struct verb {
	const char *name;
	unsigned char type; /* 0 new, 1 del, 2 get */
	unsigned short flags;
	const struct object *of; /* the only object that has it, if not NULL */
};

/* The row of an attribute type; NULL for none. Here for speed: a dump looks up
 * every attribute. */
static inline const struct field *schema_find(const struct field *rows,
					      unsigned int type)
{
	for (; rows->key; rows++)
		if (rows->where == type)
			return rows;
	return NULL;
}

/* The choice for a kind; the empty one at the end of the list if none. */
const struct choice *schema_choose(const struct choices *choices,
				   const char *kind);

/* Whether one of the rows inside of an INLINE one reads this key of a table. */
bool schema_reads_inside(const struct field *f, const char *key);

/* Whether a row reads this key of a table, itself or inside. */
static inline bool schema_reads(const struct field *f, const char *key)
{
	if (*f->key)
		return *f->key == *key && strcmp(f->key, key) == 0;
	return schema_reads_inside(f, key);
}

#pragma GCC visibility pop

#endif
