/* option.h -- the ioctls of a device as data. A row is (name, requests, codec);
 * a codec knows how a value goes to Lua and back. */
#ifndef TUN_DEVICE_OPTION_H
#define TUN_DEVICE_OPTION_H

#include "device.h"

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

/* get and set return how many values they pushed; set reads argument 3. */
struct codec {
	const char *name;
	int (*get)(lua_State *L, struct device *dev, const struct option *o);
	int (*set)(lua_State *L, struct device *dev, const struct option *o);
};

/* Codecs of filter.c. */
extern const struct codec as_filter, as_tx_filter;

/* Codec of sysfs.c: a file named as the option, in the place of requests. */
extern const struct codec as_switch;

enum { IS_FILE = 1 };

/* Push the triple of an ioctl that failed. */
int fail_option(lua_State *L, struct device *dev, const struct option *o);

/* Read six bytes from the text at an index, or raise. */
void option_mac(lua_State *L, int at, const char *what, unsigned char *mac);

#pragma GCC visibility pop

#endif
