/* vnet.h -- the virtio-net header: what a device says of a packet, and hears
 * (virtio 1.2, section 5.1.6; linux/virtio_net.h). */
#ifndef TUN_WIRE_VNET_H
#define TUN_WIRE_VNET_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* struct virtio_net_hdr_v1_hash_tunnel of linux/virtio_net.h, which older
 * headers lack; numbers in the machine's byte order. A device takes as much of
 * it as its vnet_hdr_size says. All zeroes: nothing to say. */
struct vnet {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers;
	uint32_t hash_value;
	uint16_t hash_report, padding;
	uint16_t outer_th_offset, inner_nh_offset;
};

/* What linux/virtio_net.h calls VIRTIO_NET_HDR_F_* and VIRTIO_NET_HDR_GSO_*. */
enum {
	VNET_NEEDS_CSUM = 1,
	VNET_DATA_VALID = 2,
	VNET_TUNNEL_CSUM = 8, /* the outer UDP header has a checksum too */
};

enum {
	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_UDP = 3,
	GSO_TCPV6 = 4,
	GSO_UDP_L4 = 5,
	GSO_TUNNEL_IPV4 = 0x20,
	GSO_TUNNEL_IPV6 = 0x40,
	GSO_TUNNEL = GSO_TUNNEL_IPV4 | GSO_TUNNEL_IPV6,
	GSO_ECN = 0x80,
};

#pragma GCC visibility pop

#endif
