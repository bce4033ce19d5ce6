/* socket.h -- a UDP socket. */
#ifndef TUN_UDP_SOCKET_H
#define TUN_UDP_SOCKET_H

#include "../batch/batch.h"
#include "../batch/endpoint.h"
#include "../handle.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define UDP "tun.udp"

enum {
	MESSAGES_IN = 32,     /* messages that one system call receives */
	MESSAGE_ROOM = 65536, /* bytes that hold any message */
	HELD = MESSAGES_IN * MESSAGE_ROOM,
	SCRATCH = 262144, /* bytes for what is split on its way out */
};

/* What one system call gave: a datagram, or several of one size in a row, of
 * which the last may be shorter (UDP_GRO). */
struct message {
	union endpoint peer;
	const unsigned char *bytes;
	uint32_t size; /* of what is left of it */
	uint32_t step; /* bytes of a datagram */
};

struct udp {
	struct handle handle;
	int family;
	bool connected; /* to one peer */
	bool gso, gro;	/* whether the kernel splits and joins */
	int code;	/* an errno for the next receive(); 0: none */
	/* What was received, but not given to the caller yet: of messages,
	 * those from `first` up to before `last`. */
	uint32_t first, last;
	uint32_t most;	 /* datagrams in a message, lately */
	uint32_t expect; /* messages that the next one may give */
	struct message messages[MESSAGES_IN];
	unsigned char *held;	/* HELD bytes: MESSAGE_ROOM for each */
	unsigned char *scratch; /* SCRATCH bytes */
	union endpoint sender;	/* whose text is at 2 in the user value */
};

/* Push nil, reason and errno of a failed call on the socket. Returns 3. */
int fail_udp(lua_State *L, struct udp *udp);

/* Add core.udp and the type core.udp_socket to the module table on top of the
 * stack. */
void open_udp(lua_State *L);

#pragma GCC visibility pop

#endif
