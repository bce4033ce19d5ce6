-- tun.packet: packets with names: read, change, build, print. Needs no device and no root.
local core = require "tun.core"

-- Errors of a caller are reported at the first line outside of the library's folder.
core.home((debug.getinfo(1, "S").source:gsub("packet/[^/]*$", "")))

-- Traces of what generates code, once, would stay for good and be in the collector's way.
local paused = require "tun.packet.memory.bytes".compiled
if paused then
  jit.off()
end

local header = require "tun.packet.declare.header"
local fragment = require "tun.packet.change.fragment"
local packet = require "tun.packet.packet"

for _, name in ipairs { "ethernet", "arp", "ip4", "ip6", "icmp", "icmp6", "nd", "mld", "tcp", "udp",
                        "gre", "vxlan", "dns", "dhcp", "link" } do
  require("tun.packet.protocol." .. name)
end

if paused then
  jit.on()
end

return setmetatable({
  parse = packet.parse,
  header = header.declare,
  fragment = fragment.fragment,
  reassembler = fragment.reassembler,
}, { __index = header.protocols })
