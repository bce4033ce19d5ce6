/* flow.h -- a packet as a member of a flow: what tells whether it can be in
 * one super-packet with others. Pure functions over bytes. */
#ifndef TUN_WIRE_FLOW_H
#define TUN_WIRE_FLOW_H

#include "gso.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	IP_MOST = 65535, /* the longest packet that a length field can tell */
};

struct member {
	const unsigned char *bytes;
	uint32_t hash; /* of addresses, ports and protocol */
	uint32_t seq;  /* TCP */
	uint16_t ip, transport, payload;
	uint16_t length; /* of the payload, when it joins */
	uint16_t number; /* for the caller */
	uint8_t version, proto;
	bool joins; /* it may be in a super-packet at all */
	bool ends;  /* and nothing can stand behind it there */
};

enum reading {
	IN_FLOW,    /* it is a member */
	IN_ANY,	    /* its flow cannot be told, but for the addresses */
	IN_NO_FLOW, /* it is neither TCP nor UDP, for sure */
};

/* Read a packet. The hash is only of the addresses when it is IN_ANY. */
enum reading read_member(const unsigned char *bytes, size_t size, bool ethernet,
			 struct member *m);

/* Read a packet that joins, if its headers are the same as those of another one
 * that does: quicker than read_member(). */
bool read_alike(const struct member *other, const unsigned char *bytes,
		size_t size, struct member *m);

/* The bit of TUN_F_* for super-packets of its kind. */
unsigned int featureof(const struct member *m);

/* A hash of the addresses alone. */
uint32_t hash_addresses(const struct member *m);

/* Whether two are of the same flow. */
bool same_flow(const struct member *a, const struct member *b);

/* Whether the headers of two of a flow are the same, in all that splitting a
 * super-packet could not restore but for the IPv4 ID. */
bool same_headers(const struct member *a, const struct member *b);

/* Whether all checksums are right, as far as vnet (may be NULL) says nothing of
 * them. */
bool is_sound(const struct member *m, const struct vnet *vnet);

#endif
