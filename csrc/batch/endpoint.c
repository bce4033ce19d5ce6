/* endpoint.c -- addresses with ports as text, and back. */
#include "endpoint.h"

#include "../core.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	/* "[", address, "%", interface, "]:", port */
	TEXT_MOST = 1 + INET6_ADDRSTRLEN + 1 + IF_NAMESIZE + 2 + 5,
	PORT_DIGITS = 5,
};

bool endpoint_equal(const union endpoint *a, const union endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
	       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
		      sizeof(a->in6.sin6_addr)) == 0;
}

static bool endpoint_read_port(const char *text, in_port_t *port)
{
	size_t i, n = strlen(text);
	unsigned int number = 0;

	if (n == 0 || n > PORT_DIGITS || text[strspn(text, "0123456789")])
		return false;
	for (i = 0; i < n; i++)
		number = number * 10 + (unsigned int)(text[i] - '0');
	*port = htons((uint16_t)number);
	return number <= UINT16_MAX;
}

/* An IPv6 address, with an interface behind a % for one of a link. */
static bool read_in6(char *text, struct sockaddr_in6 *in6)
{
	char *zone = strchr(text, '%');

	if (zone) {
		*zone = '\0';
		in6->sin6_scope_id = if_nametoindex(zone + 1);
		if (!in6->sin6_scope_id)
			return false;
	}
	in6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
}

static bool read_endpoint(const char *from, union endpoint *e)
{
	char text[TEXT_MOST + 1];
	size_t n = strlen(from);
	char *colon;

	memset(e, 0, sizeof(*e));
	if (n > TEXT_MOST)
		return false;
	memcpy(text, from, n + 1);
	colon = strrchr(text, ':');
	if (!colon)
		return false;
	*colon = '\0';
	if (text[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		return read_in6(text + 1, &e->in6) &&
		       endpoint_read_port(colon + 1, &e->in6.sin6_port);
	}
	e->in.sin_family = AF_INET;
	return inet_pton(AF_INET, text, &e->in.sin_addr) == 1 &&
	       endpoint_read_port(colon + 1, &e->in.sin_port);
}

void endpoint_check(lua_State *L, int at, const char *what, union endpoint *e)
{
	const char *text;

	if (lua_type(L, at) != LUA_TSTRING)
		raise_value(L, at, what, "an address and a port");
	text = lua_tostring(L, at);
	if (strlen(text) != lua_rawlen(L, at) || !read_endpoint(text, e))
		raise_misuse(L,
			     "%s: \"%s\" is not a numeric address and a port "
			     "such as "
			     "\"10.0.0.1:5000\" or \"[2001:db8::1]:5000\"; "
			     "names are "
			     "not resolved",
			     what, text);
}

/* The interface of a scope behind a %, or nothing. */
static const char *zone(uint32_t scope, char *text, size_t size)
{
	char name[IF_NAMESIZE];

	*text = '\0';
	if (scope && if_indextoname(scope, name))
		snprintf(text, size, "%%%s", name);
	else if (scope)
		snprintf(text, size, "%%%u", scope);
	return text;
}

static void write_in6(const struct sockaddr_in6 *in6, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN], link[IF_NAMESIZE + 1];
	unsigned int port = ntohs(in6->sin6_port);

	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, address,
			  sizeof(address));
		snprintf(text, size, "%s:%u", address, port);
		return;
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
	zone(in6->sin6_scope_id, link, sizeof(link));
	snprintf(text, size, "[%s%s]:%u", address, link, port);
}

void endpoint_push(lua_State *L, const union endpoint *e)
{
	char address[INET_ADDRSTRLEN], text[TEXT_MOST + 1];

	if (!endpoint_size(e)) {
		lua_pushnil(L);
		return;
	}
	if (e->any.sa_family == AF_INET6) {
		write_in6(&e->in6, text, sizeof(text));
	} else {
		inet_ntop(AF_INET, &e->in.sin_addr, address, sizeof(address));
		snprintf(text, sizeof(text), "%s:%u", address,
			 ntohs(e->in.sin_port));
	}
	lua_pushstring(L, text);
}
