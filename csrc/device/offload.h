/* offload.h -- what a device leaves to its reader and takes from its writer:
 * checksums, and packets that stand for many. */
#ifndef TUN_DEVICE_OFFLOAD_H
#define TUN_DEVICE_OFFLOAD_H

#include "codec.h"

#pragma GCC visibility push(hidden)

extern const struct codec as_offload;

/* Bytes of virtio-net header that a packet in a tunnel needs: struct
 * virtio_net_hdr_v1_hash_tunnel of linux/virtio_net.h. */
enum { TUNNEL_HEADER = 24 };

#pragma GCC visibility pop

#endif
