/* batchio.h -- batches in and out of a device. */
#ifndef TUN_BATCHIO_H
#define TUN_BATCHIO_H

#include "batch.h"
#include "device.h"

#include <lua.h>

/* Read packets until there is none, or no slot. Returns how many, or -1 with an
 * errno when the first could not be read. */
int receive_batch(const struct device *dev, struct batch *batch);

/* The methods receive and send of a device with a batch as argument 2. */
int receive_into(lua_State *L, struct device *dev, struct batch *batch);
int send_from(lua_State *L, struct device *dev, struct batch *batch);

#endif
