/* arena.h -- memory that packets lie in. */
#ifndef TUN_ARENA_H
#define TUN_ARENA_H

#include <stddef.h>

#define ARENA "tun.arena"

struct arena {
	unsigned char *bytes;
	size_t size;
	size_t mapped; /* length of the mapping; 0 when bytes follow here */
};

#endif
