/* codec.h -- the one encoder and the one decoder of rtnetlink objects. */
#ifndef TUN_NETLINK_CODEC_H
#define TUN_NETLINK_CODEC_H

#include "../core.h"
#include "ifname.h"
#include "schema.h"

#include <libmnl/libmnl.h>

#pragma GCC visibility push(hidden)

enum { REQUEST_MAX = 69632 };

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
	int error;	      /* errno of what the world lacks; message says */
	char message[160];
	char path[96]; /* the key that is being written, for messages */
};

/* Encode the table at index t as a request in e->nlh. On false, e->error and
 * e->message say what the world lacks. Raises on keys and values that can
 * never be right. */
bool codec_encode(struct encoder *e, const struct object *o,
		  const struct verb *v, int t);

/* Push the table that a message describes; false (nothing pushed) when it is
 * shorter than it must be or an attribute has a wrong size. */
bool codec_decode(struct decoder *d, const struct object *o,
		  const struct nlmsghdr *nlh);

/* -- For kinds, whose values are on top of the stack ------------------ */

/* Raise "mtu: 70000 is not ..." for the value. */
_Noreturn void raise_key(struct encoder *e, const char *expected);

/* The value as a string without zero bytes; raises on another. */
const char *encode_text(struct encoder *e, const char *expected);

/* Add an attribute; raises when the request has no room for it. */
void encode_bytes(struct encoder *e, unsigned short type, const void *bytes,
		  size_t len);

/* Write the value as a row says: at base + where, as an attribute where base
 * is NULL. */
void encode_value(struct encoder *e, const struct field *f,
		  unsigned char *base);

/* Write the value that a table has for a row. */
void encode_row(struct encoder *e, const struct field *f, unsigned char *base,
		int table);

/* Write what a table says of a layout, in the order of its rows. The table on
 * top of the stack may hold keys of others when it is shared. */
void encode_table(struct encoder *e, const struct layout *layout,
		  unsigned char *base, bool shared);

/* Push the Lua string of a text that lives for ever. */
void decode_word(struct decoder *d, const char *text);

/* Mark the message as malformed; returns false. */
bool decode_bad(struct decoder *d);

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

#pragma GCC visibility pop

#endif
