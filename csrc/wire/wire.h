/* wire.h -- what the files of this folder share. */
#ifndef TUN_WIRE_WIRE_H
#define TUN_WIRE_WIRE_H

#include <stdbool.h>
#include <stdlib.h>

#pragma GCC visibility push(hidden)

/* End the process where a bound of an array does not hold that has to: in every
 * build, as writing behind the array is worse. */
static inline void ensure(bool holds)
{
	if (!holds)
		abort();
}

#pragma GCC visibility pop

#endif
