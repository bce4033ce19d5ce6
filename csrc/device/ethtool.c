/* ethtool.c -- SIOCETHTOOL: the features of a link, its level of messages. */
#include "ethtool.h"

#include "../core.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

static bool ethtool_ask(int fd, const char *link, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	memcpy(ifr.ifr_name, link, IFNAMSIZ);
	return ioctl(fd, SIOCETHTOOL, &ifr) == 0;
}

/* Ask for the names of the features, of which there are so many. */
static bool ethtool_names(int fd, const char *link, struct features *f)
{
	union {
		struct ethtool_gstrings head;
		char room[sizeof(struct ethtool_gstrings) + sizeof(f->names)];
	} strings = { .head = { .cmd = ETHTOOL_GSTRINGS,
				.string_set = ETH_SS_FEATURES,
				.len = f->count } };

	if (!ethtool_ask(fd, link, &strings))
		return false;
	if (strings.head.len < f->count)
		f->count = strings.head.len;
	memcpy(f->names, strings.room + sizeof(strings.head), sizeof(f->names));
	return true;
}

/* Ask how many features there are. */
static bool ethtool_count(int fd, const char *link, struct features *f)
{
	union {
		struct ethtool_sset_info head;
		unsigned int room[sizeof(struct ethtool_sset_info) /
					  sizeof(unsigned int) +
				  1];
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO,
			     .sset_mask = 1 << ETH_SS_FEATURES } };

	if (!ethtool_ask(fd, link, &info))
		return false;
	f->count = info.room[LENGTH(info.room) - 1];
	if (f->count <= FEATURES_MOST)
		return true;
	errno = E2BIG;
	return false;
}

bool ethtool_features(int fd, const char *link, struct features *f)
{
	union {
		struct ethtool_gfeatures head;
		char room[sizeof(struct ethtool_gfeatures) +
			  FEATURE_BLOCKS *
				  sizeof(struct ethtool_get_features_block)];
	} all = { .head = { .cmd = ETHTOOL_GFEATURES,
			    .size = FEATURE_BLOCKS } };
	size_t i;

	if (!ethtool_count(fd, link, f) || !ethtool_names(fd, link, f) ||
	    !ethtool_ask(fd, link, &all))
		return false;
	for (i = 0; i < FEATURE_BLOCKS; i++)
		f->active[i] = all.head.features[i].active;
	return true;
}

bool ethtool_is_on(const struct features *f, const char *name)
{
	unsigned int i;

	for (i = 0; i < f->count; i++)
		if (!strncmp(f->names[i], name, ETH_GSTRING_LEN))
			return f->active[i / 32] >> i % 32 & 1;
	return false;
}

int ethtool_socket(lua_State *L, const struct option *o)
{
	lua_Integer fd;

	if (!arg_integer(L, 3, &fd) || fd < 0 || fd > INT_MAX)
		raise_value(L, 3, o->name, "the descriptor of a socket");
	return (int)fd;
}

static int get_message_level(lua_State *L, struct device *dev,
			     const struct option *o)
{
	struct ethtool_value level = { .cmd = ETHTOOL_GMSGLVL };
	int fd = ethtool_socket(L, o);
	struct ifreq ifr;

	if (!device_query(dev, &ifr) || !ethtool_ask(fd, ifr.ifr_name, &level))
		return fail_option(L, dev, o);
	lua_pushinteger(L, level.data);
	return 1;
}

const struct codec as_message_level = { "number", get_message_level,
					codec_set_number };
