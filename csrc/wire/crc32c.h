/* crc32c.h -- the CRC of SCTP and iSCSI (RFC 9260, appendix A). */
#ifndef TUN_WIRE_CRC32C_H
#define TUN_WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* CRC32c of n bytes. On the wire its lowest byte comes first. */
uint32_t crc32c(const unsigned char *bytes, size_t n);

#pragma GCC visibility pop

#endif
