-- sll.lua: what libpcap puts in front of packets of any device: Linux cooked, versions 1 and 2,
-- and the families of BSD's loopback (pcap-linktype(7)).
local entries = require "tun.entries"
local header = require "tun.packet.declare.header"

local ethertype = header.space("ethertype").names
local types = { host = 0, broadcast = 1, multicast = 2, other = 3, outgoing = 4 }

header.declare("sll", {
  { "type", 16, enum = types },
  { "hardware", 16, default = 1 },
  { "length", 16, default = 6 }, -- of the address
  { "address", 64, codec = "bytes" },
  { "proto", 16, enum = ethertype, computed = "next", format = "0x%04x" },
  level = "link",
  next = { "ethertype", "proto" },
})

header.declare("sll2", {
  { "proto", 16, enum = ethertype, computed = "next", format = "0x%04x" },
  { "reserved", 16 },
  { "index", 32 },
  { "hardware", 16, default = 1 },
  { "type", 8, enum = types },
  { "length", 8, default = 6 }, -- of the address
  { "address", 64, codec = "bytes" },
  level = "link",
  next = { "ethertype", "proto" },
})

-- The family is in the order of bytes of the machine that captured, or in the network's.
for name, order in entries { null = "native", loop = "big" } do
  header.declare(name, {
    { "family", 32, order = order, computed = "next" },
    level = "link",
    next = { "family", "family" },
  })
end
