-- tun.packet: packets with names: read, change, build, print. Needs no device and no root.
local core = require "tun.core"

-- Errors of a caller are reported at the first line outside of the library's folder.
core.home((debug.getinfo(1, "S").source:gsub("packet/[^/]*$", "")))

-- Traces of what generates code, once, would stay for good and be in the collector's way.
local paused = require "tun.packet.bytes".compiled
if paused then
  jit.off()
end

local header = require "tun.packet.header"
local packet = require "tun.packet.packet"

require "tun.packet.build"
require "tun.packet.edit"
for _, name in ipairs { "ethernet", "arp", "ip4", "ip6", "icmp", "icmp6", "nd", "mld", "tcp", "udp",
                        "gre", "vxlan", "dns", "dhcp", "link", "show",
                        "rebuild" } do
  require("tun.packet." .. name)
end

local fragment = require "tun.packet.fragment"
packet.methods.segment = require "tun.packet.segment"
packet.methods.reply = require "tun.packet.reply"

if paused then
  jit.on()
end

return setmetatable({
  parse = packet.parse,
  header = header.declare,
  fragment = fragment.fragment,
  reassembler = fragment.reassembler,
}, { __index = header.protocols })
