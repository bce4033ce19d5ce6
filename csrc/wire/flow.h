/* flow.h -- a packet in a flow: what shows whether it can be in
 * one super-packet with others. Pure functions over bytes. */
#ifndef TUN_WIRE_FLOW_H
#define TUN_WIRE_FLOW_H

#include "gso.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
	HEADERS_MOST = 128, /* bytes of headers of a packet that can join */
};

struct flow_packet {
	const unsigned char *bytes;
	uint32_t hash; /* of addresses, ports and protocol */
	uint32_t seq;  /* TCP */
	/* Offsets in the frame, which may be longer than an IP packet;
	 * payload is at most HEADERS_MOST when it joins. */
	uint32_t ip, transport, payload;
	uint16_t length; /* of the payload, when it joins */
	uint16_t number; /* for the caller */
	uint8_t version, proto;
	bool joins; /* it may be in a super-packet at all */
	bool ends;  /* and nothing can stand behind it there */
};

enum reading {
	IN_FLOW,    /* its flow is known */
	IN_ANY,	    /* its flow is not known, but for the addresses */
	IN_NO_FLOW, /* it is neither TCP nor UDP, for sure */
};

/* Read a packet. The hash is only of the addresses when it is IN_ANY. */
enum reading flow_read(const unsigned char *bytes, size_t size, bool ethernet,
		       struct flow_packet *m);

/* Read a packet that joins, if its headers are the same as those of another one
 * that does: quicker than flow_read(). */
bool flow_read_alike(const struct flow_packet *other,
		     const unsigned char *bytes, size_t size,
		     struct flow_packet *m);

/* The bit of TUN_F_* for super-packets of its kind. */
unsigned int flow_feature(const struct flow_packet *m);

/* A hash of the addresses alone. */
uint32_t flow_hash_addresses(const struct flow_packet *m);

/* Whether two are of the same flow. */
bool flow_equal(const struct flow_packet *a, const struct flow_packet *b);

/* Whether the headers of two of a flow are the same, in all that splitting a
 * super-packet could not restore but for the IPv4 ID. */
bool flow_same_headers(const struct flow_packet *a,
		       const struct flow_packet *b);

/* Whether all checksums are right, as far as vnet (may be NULL) says nothing of
 * them. */
bool flow_verify(const struct flow_packet *m, const struct vnet *vnet);

#pragma GCC visibility pop

#endif
