-- ethernet.lua: Ethernet II and the tags of 802.1Q and 802.1ad.
local header = require "tun.packet.header"

local ethertype = { ip4 = 0x0800, arp = 0x0806, vlan = 0x8100, ip6 = 0x86dd, svlan = 0x88a8 }

header.declare("eth", {
  { "dst", 48, codec = "mac", default = "ff:ff:ff:ff:ff:ff" },
  { "src", 48, codec = "mac", default = "00:00:00:00:00:00" },
  { "type", 16, enum = ethertype, computed = "next", format = "0x%04x" },
  level = "link",
  next = { "ethertype", "type" },
})

local tag = {
  { "pcp", 3 },
  { "dei", 1 },
  { "id", 12 },
  { "type", 16, enum = ethertype, computed = "next", format = "0x%04x" },
  next = { "ethertype", "type" },
}

tag.level, tag.follows = "service", { ethertype = ethertype.svlan }
header.declare("svlan", tag)
tag.level, tag.follows = "tag", { ethertype = ethertype.vlan }
header.declare("vlan", tag)
