-- link.lua: what the kernel puts in front of a packet of a device (linux/if_tun.h,
-- linux/virtio_net.h), and the kinds of packets by what they begin with.
local header = require "tun.packet.declare.header"
local slot = require "tun.packet.memory.slot"

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

-- -- Kinds ----------------------------------------------------------------

-- A kind is layers in order, the last of which goes on by itself. Those before it are of
-- fixed sizes.
local function kind(name, last, ...)
  local before = { ... }
  header.kinds[name] = {
    name = name,
    parse = #before == 0 and last or function(packet, p, o, stop, layers)
      for _, protocol in ipairs(before) do
        protocol.parse(packet, p, o, stop, layers)
        layers = packet[slot.LAYERS]
        o = o + protocol.size
        if o > stop then
          return
        end
      end
      return last(packet, p, o, stop, layers)
    end,
  }
end

local ip = header.space("version").parse

local function eth(packet, p, o, stop, layers)
  return header.protocols.eth.parse(packet, p, o, stop, layers)
end

local pi, virtio = header.protocols.tun_pi, header.protocols.virtio_net

kind("ip", ip)
kind("tun_pi", ip, pi)
kind("virtio_net", ip, virtio)
kind("tun_pi/virtio_net", ip, pi, virtio)
kind("tun_pi/eth", eth, pi)
kind("virtio_net/eth", eth, virtio)
kind("tun_pi/virtio_net/eth", eth, pi, virtio)
