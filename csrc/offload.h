/* offload.h -- what a virtio-net header says of a packet, and doing it in
 * software: completing a checksum, splitting a super-packet. Pure functions
 * over bytes. A packet begins with its IP header, or with an Ethernet header
 * where ethernet is true. */
#ifndef TUN_OFFLOAD_H
#define TUN_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* gso_type, of linux/virtio_net.h. */
enum {
	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_UDP = 3,
	GSO_TCPV6 = 4,
	GSO_UDP_L4 = 5,
	GSO_TUNNEL = 0x60, /* in UDP over IPv4 (0x20) or over IPv6 (0x40) */
	GSO_ECN = 0x80,
};

enum { SEGMENT_MOST = 65535 + 22 }; /* a packet with Ethernet and two tags */

/* Complete a partial checksum in place and say so. False when the header does
 * not fit the packet, which is left alone. */
bool complete(unsigned char *bytes, size_t size, struct vnet *vnet);

/* A super-packet on its way to single packets. */
struct split {
	const unsigned char *bytes;
	size_t size;
	size_t next;  /* which segment comes next */
	size_t count; /* how many there are */
	/* to be completed by offload.c: where headers and payload begin, how
	 * much payload a segment has, what changes from one to the next */
};

/* Begin. A segment is as long as gso_size says, or, for TCP, as mtu allows (0:
 * any). False when the header does not fit the packet. */
bool split(struct split *split, const unsigned char *bytes, size_t size,
	   const struct vnet *vnet, size_t mtu, bool ethernet);

/* Write segment number split->next, with complete checksums, where there are
 * room bytes, and step to the one after. Returns its length; 0 when there is
 * none left or room is too small. */
size_t segment(struct split *split, unsigned char *out, size_t room);

#endif
