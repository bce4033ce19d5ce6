-- link.lua: what the kernel puts in front of a packet of a device (linux/if_tun.h,
-- linux/virtio_net.h).
local header = require "tun.packet.declare.header"

-- Without IFF_NO_PI. `strip`: the packet was cut to the reader's buffer.
header.declare("tun_pi", {
  { "flags", 16, order = "native", enum = { strip = 1 } },
  { "proto", 16, enum = header.space("ethertype").names, computed = "next", format = "0x%04x" },
  level = "meta",
  next = { "ethertype", "proto" },
  unless = "true", -- reading goes on by the kind of packet
  line = function()
    return ""
  end,
})

-- With IFF_VNET_HDR, behind tun_pi; numbers are in the machine's byte order unless the
-- device was told otherwise.
header.declare("virtio_net", {
  { "reserved", 5 },
  { "rsc_info", 1 },
  { "data_valid", 1 },
  { "needs_csum", 1 },
  { "gso_type", 8, enum = { none = 0, tcp4 = 1, udp = 3, tcp6 = 4, udp_l4 = 5, ecn = 0x80 } },
  { "hdr_len", 16, order = "native" },
  { "gso_size", 16, order = "native" },
  { "csum_start", 16, order = "native" },
  { "csum_offset", 16, order = "native" },
  level = "info",
  next = { "version", "gso_type" },
  unless = "true",
  partial = "needs_csum ~= 0",
  line = function()
    return ""
  end,
})
