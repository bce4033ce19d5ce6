/* batch.h -- batches in and out of a device. */
#ifndef TUN_DEVICE_BATCH_H
#define TUN_DEVICE_BATCH_H

#include "../batch/batch.h"
#include "device.h"

#include <lua.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

/* Bytes in front of a packet, at most: packet information and the virtio-net
 * header. */
enum { FRONT_MOST = 4 + VNET_MAX };

/* Read packets until there is none, or no slot. Returns how many, or -1 with an
 * errno when the first could not be read. */
int device_batch_fill(const struct device *dev, struct batch *batch);

/* The same into the batch without the packets that it had, if its slots are of
 * use for the device. */
int device_batch_refill(const struct device *dev, struct batch *batch);

/* Send the i-th packet, which stays in the batch. Returns its bytes, or -1 with
 * an errno. */
ssize_t device_batch_send_at(struct device *dev, struct batch *batch,
			     uint32_t i);

/* Push nil, reason and errno of what failed with a batch. Returns 3. */
int fail_device_batch(lua_State *L, struct device *dev);

/* The methods receive and send of a device with a batch as argument 2. */
int device_batch_receive(lua_State *L, struct device *dev, struct batch *batch);
int device_batch_send(lua_State *L, struct device *dev, struct batch *batch);

#pragma GCC visibility pop

#endif
