/* endpoint.h -- where a UDP socket is: a numeric address and a port. */
#ifndef TUN_BATCH_ENDPOINT_H
#define TUN_BATCH_ENDPOINT_H

#include <lua.h>
#include <netinet/in.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* Family 0: none. */
union endpoint {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* How many bytes of it are in use; 0 when it is none. */
static inline socklen_t endpoint_size(const union endpoint *e)
{
	if (e->any.sa_family == AF_INET)
		return sizeof(e->in);
	return e->any.sa_family == AF_INET6 ? sizeof(e->in6) : 0;
}

bool endpoint_equal(const union endpoint *a, const union endpoint *b);

/* Argument as "10.0.0.1:5000", "[2001:db8::1]:5000" or "[fe80::1%eth0]:5000";
 * raises when it is none. what: of whom, for the message. */
void endpoint_check(lua_State *L, int at, const char *what, union endpoint *e);

/* Push the text, or nil. An IPv4 address within IPv6 is written as such. */
void endpoint_push(lua_State *L, const union endpoint *e);

#pragma GCC visibility pop

#endif
