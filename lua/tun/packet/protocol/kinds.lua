-- kinds.lua: the kinds of packets by what they begin with, beside the protocols: "ip", and what
-- the kernel puts in front of a packet of a device.
local header = require "tun.packet.declare.header"
local slot = require "tun.packet.memory.slot"

local kinds = {}

-- A kind is layers in order, the last of which goes on by itself. Those before it are of
-- fixed sizes.
local function kind(name, last, ...)
  local before = { ... }
  kinds[name] = {
    name = name,
    parse = #before == 0 and last or function(packet, p, o, stop, layers)
      for _, each in ipairs(before) do
        local protocol = header.protocols[each]
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

kind("ip", ip)
kind("tun_pi", ip, "tun_pi")
kind("virtio_net", ip, "virtio_net")
kind("tun_pi/virtio_net", ip, "tun_pi", "virtio_net")
kind("tun_pi/eth", eth, "tun_pi")
kind("virtio_net/eth", eth, "virtio_net")
kind("tun_pi/virtio_net/eth", eth, "tun_pi", "virtio_net")

return kinds
