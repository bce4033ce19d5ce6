/* ethtool.h -- what SIOCETHTOOL says of a link. */
#ifndef TUN_DEVICE_ETHTOOL_H
#define TUN_DEVICE_ETHTOOL_H

#include "codec.h"

#include <linux/ethtool.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

enum { FEATURES_MOST = 256, FEATURE_BLOCKS = FEATURES_MOST / 32 };

/* The features that a link may have: their names, and which are on. */
struct features {
	unsigned int count;
	char names[FEATURES_MOST][ETH_GSTRING_LEN];
	unsigned int active[FEATURE_BLOCKS];
};

/* The level of the driver's messages. To be read it wants, as argument 3, the
 * descriptor of a socket in the namespace of the link. */
extern const struct codec as_message_level;

/* Argument 3 as a descriptor, or raise. */
int ethtool_socket(lua_State *L, const struct option *o);

/* Ask for the features of a link, through a socket in its namespace. False
 * with an errno. */
bool ethtool_features(int fd, const char *link, struct features *features);

/* Whether a feature is on. */
bool ethtool_is_on(const struct features *features, const char *name);

#pragma GCC visibility pop

#endif
