/* filter.h -- which packets a TAP hands over. */
#ifndef TUN_DEVICE_FILTER_H
#define TUN_DEVICE_FILTER_H

#include "codec.h"

#pragma GCC visibility push(hidden)

extern const struct codec as_filter, as_tx_filter;

#pragma GCC visibility pop

#endif
