/* schema.h -- how an rtnetlink object looks, as data: rows that one encoder and
 * one decoder walk. A row is (Lua key, kind, where); a kind knows how its bytes
 * become a Lua value and back. */
#ifndef TUN_NETLINK_SCHEMA_H
#define TUN_NETLINK_SCHEMA_H

#include "../core.h"
#include "ifname.h"

#include <libmnl/libmnl.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct field;

/* What a dump keeps from object to object, to be quick: the Lua strings of
 * texts that live for ever, each at a place by its address in a table on the
 * stack, and how many keys the last object had. */
enum { WORDS = 1024, KEYS_MAX = 16 };
struct words {
	int at; /* stack index of the table */
	int keys;
	const char *texts[WORDS];
};

/* What a decoder carries from row to row. The table being filled is on top of
 * the stack. */
struct decoder {
	lua_State *L;
	struct ifnames *names;	 /* NULL: interfaces stay numbers */
	struct words *words;	 /* NULL: no Lua string is kept */
	const char *head;	 /* the fixed header of the message */
	const char *attrs, *end; /* the attributes of this level */
	int depth;		 /* of the nests around them */
	int keys;		 /* that were set */
	bool bad;		 /* an attribute had a wrong size */
};

/* What an encoder carries. The value being written is on top of the stack. */
struct encoder {
	lua_State *L;
	struct ifnames *names; /* NULL: interface names cannot be used */
	struct nlmsghdr *nlh;
	size_t size;	     /* room behind nlh */
	unsigned char *head; /* the fixed header of the message */
	bool filter; /* only rows that the kernel can filter a dump by */
	unsigned char family; /* of the first address; 0 before it */
	int depth;	      /* of the tables around the value */
	int error;	      /* errno of what the world lacks; message tells */
	char message[160];
	char path[96]; /* the key that is being written, for messages */
};

struct kind {
	const char *name;
	unsigned short size; /* of the payload; 0 = any */
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

enum { VALUE_MAX = 256, ROWS_MAX = 128, DEPTH_MAX = 8, REQUEST_MAX = 69632 };

/* Properties of a row. */
enum {
	READ = 1,   /* the kernel tells it; accepted in a request, not sent */
	FILTER = 2, /* the kernel can filter a dump by it */
	INLINE = 4, /* a nest or record whose keys stand in the table around */
	SPARSE = 8, /* a header member that is left out when it is 0 */
};

struct field {
	const char *key; /* "" when INLINE */
	const struct kind *kind;
	unsigned short where; /* attribute type, or offset in the header */
	unsigned short size;  /* of a header member; else as the kind says */
	unsigned short is;    /* READ, FILTER, INLINE */
	unsigned int told;    /* flags that only the kernel sets; not sent */
	const void *more;     /* what the kind needs: names, rows, ... */
};

/* A fixed header and the attributes behind it. Rows end with { 0 }. */
struct layout {
	const struct field *head;
	size_t size;
	const struct field *attrs;
};

struct object {
	const char *name;
	unsigned short type; /* RTM_NEWx; DEL, GET and SET follow it */
	bool family; /* the header begins with the family of the addresses */
	struct layout layout;
	/* A 32-bit attribute that a request for a list needs; 0 for none. */
	unsigned short list;
	uint32_t value;
};

extern const struct object link_object, addr_object, route_object;

/* Names of numbers: enums by value, flags by bit mask; ends with NULL. */
struct label {
	const char *name;
	uint64_t value;
};
extern const struct label address_families[], address_scopes[];

/* Rows chosen by another key of the same table: IFLA_INFO_DATA by its kind. */
struct choice {
	const char *kind, *key;
	const struct field *rows;
};
struct choices {
	const char *by;
	const struct choice *list;
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

/* Numbers in the machine's byte order, or "be"; size = divisor of the unit. */
extern const struct kind kind_u8, kind_u16, kind_u32, kind_u64, kind_s32,
	kind_be16, kind_scaled;
extern const struct kind kind_weight;	       /* u8, one less on the wire */
extern const struct kind kind_bool, kind_flag; /* u8 0/1; presence */
extern const struct kind kind_forever;	       /* u32, absent when all ones */
extern const struct kind kind_some;	       /* s32, absent when 0 */
extern const struct kind kind_ticks;	       /* same, in 1/100 s (USER_HZ) */
extern const struct kind kind_string, kind_mac, kind_ip;
extern const struct kind kind_bridge_id; /* "8000.aa:bb:cc:dd:ee:ff" */
extern const struct kind kind_prefix;  /* size = the length's offset in head */
extern const struct kind kind_default; /* a header length: 0 is "default" */
extern const struct kind kind_gateway, kind_via; /* same, other family */
extern const struct kind kind_interface;	 /* index <-> name */
extern const struct kind kind_lower; /* as interface, maybe in another netns */
/* more = labels; a number that has no name stays a number. */
extern const struct kind kind_enum8, kind_enum16, kind_enum32, kind_be_enum16;
extern const struct kind kind_flags8, kind_flags32;
extern const struct kind kind_addrflags; /* the first name is not of IPv6 */
extern const struct kind kind_masked; /* u32 of flags, u32 of those to change */
/* Kinds made of others. more = rows; for a message and hops a layout. */
extern const struct kind kind_nest, kind_record, kind_choice, kind_message,
	kind_hops;
extern const struct kind kind_list; /* more = the row of its elements, END */

/* A verb is a message type beside RTM_NEWx and the flags of its request. */
struct verb {
	const char *name;
	unsigned char type; /* 0 new, 1 del, 2 get */
	unsigned short flags;
	const struct object *of; /* the only object that has it, if not NULL */
};

/* Add an attribute; raises when the request has no room for it. */
void encode_bytes(struct encoder *e, unsigned short type, const void *bytes,
		  size_t len);

/* Encode the table at index t as a request in e->nlh. On false, e->error and
 * e->message tell what the world lacks. Raises on keys and values that can
 * never be right. */
bool codec_encode(struct encoder *e, const struct object *o,
		  const struct verb *v, int t);

/* Push the table that a message describes; false (nothing pushed) when it is
 * shorter than it must be or an attribute has a wrong size. */
bool codec_decode(struct decoder *d, const struct object *o,
		  const struct nlmsghdr *nlh);

/* Push the Lua string of a text that lives for ever. */
void decode_word(struct decoder *d, const char *text);

/* Note that the message is malformed; false. */
bool decode_bad(struct decoder *d);

/* The steps of codec_encode() and codec_decode(), for kinds made of others. */

/* Write the value on top of the stack as a row says: at base + where, as an
 * attribute where base is NULL. */
void encode_value(struct encoder *e, const struct field *f,
		  unsigned char *base);

/* Write the value that a table has for a row. */
void encode_row(struct encoder *e, const struct field *f, unsigned char *base,
		int table);

/* Write what a table says of a layout, in the order of its rows. The table on
 * top of the stack may hold keys of others when it is shared. */
void encode_table(struct encoder *e, const struct layout *layout,
		  unsigned char *base, bool shared);

/* Set keys of the table on top of the stack. */
void decode_members(struct decoder *d, const struct field *rows,
		    const char *base, size_t len);
void decode_attrs(struct decoder *d, const struct field *rows,
		  const char *start, const char *end);
void decode_layout(struct decoder *d, const struct layout *layout,
		   const char *start, size_t len);

/* Push the value of an attribute; false when it is left out, or is bad. */
bool decode_attr(struct decoder *d, const struct field *f,
		 const struct nlattr *a);

/* The row of an attribute type; NULL for none. */
const struct field *schema_find(const struct field *rows, unsigned int type);

/* The choice for a kind; the empty one at the end of the list if none. */
const struct choice *schema_choose(const struct choices *choices,
				   const char *kind);

/* Add ".key" to a path, as far as there is room. */
void path_add(char *path, size_t size, const char *key);

/* Write the key path of the attribute at an offset of a request of ours; of
 * the nest there and the type missing in it where missing is not 0. */
void path_of(const struct object *o, const struct nlmsghdr *nlh,
	     unsigned int offset, unsigned int missing, char *path,
	     size_t size);

/* The object called argument `at`; raises with the names there are. */
const struct object *noun_check(lua_State *L, int at);
const struct verb *noun_check_verb(lua_State *L, int at,
				   const struct object *o);

/* The message in the string at an index, copied to an aligned place that is
 * left on the stack; NULL when it is longer than the string. */
const struct nlmsghdr *noun_check_message(lua_State *L, int at);

#pragma GCC visibility pop

#endif
