/* codec.h -- how the value of a device's option goes to Lua and back. */
#ifndef TUN_DEVICE_CODEC_H
#define TUN_DEVICE_CODEC_H

#include "device.h"

#include <lua.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* How a number goes to the kernel. */
enum passing { BY_POINTER, BY_VALUE };

struct option {
	const char *name;
	unsigned long get, set; /* requests; 0 where there is none */
	enum passing passing;
	const struct codec *codec;
	long long least, most; /* of a number */
};

/* get and set return how many values they pushed: the value or true, or a
 * failure. Both may read argument 3. */
struct codec {
	const char *name;
	int (*get)(lua_State *L, struct device *dev, const struct option *o);
	int (*set)(lua_State *L, struct device *dev, const struct option *o);
};

extern const struct codec as_number, as_boolean, as_program, as_features,
	as_link_type, as_mac, as_name, as_netns;

/* The set of as_number. */
int codec_set_number(lua_State *L, struct device *dev, const struct option *o);

/* Push nil, reason and errno of a call that failed. Returns 3. */
int fail_option(lua_State *L, struct device *dev, const struct option *o);

/* Read six bytes from the text at an index, or raise. */
void codec_mac(lua_State *L, int at, const char *what, unsigned char *mac);

/* Argument 3 as true or false, or raise. */
bool codec_boolean(lua_State *L, const struct option *o);

#pragma GCC visibility pop

#endif
