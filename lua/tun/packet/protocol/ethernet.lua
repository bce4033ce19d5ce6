-- ethernet.lua: Ethernet II (IEEE 802.3, 3.2) and the tags of 802.1Q and 802.1ad.
local header = require "tun.packet.declare.header"

local ethertype = header.space("ethertype").names

header.declare("eth", {
  { "dst", 48, codec = "mac", default = "ff:ff:ff:ff:ff:ff" },
  { "src", 48, codec = "mac", default = "00:00:00:00:00:00" },
  { "type", 16, enum = ethertype, computed = "next", format = "0x%04x" },
  level = "link",
  next = { "ethertype", "type", "type < 1536 and 1 or type" }, -- a length: LLC follows
  -- Transparent bridging in GRE (RFC 1701); no version of IP, behind virtio_net.
  follows = { ethertype = 0x6558, version = 16 },
})

-- A tag: a service tag (802.1ad) in front of a customer's (802.1Q), or one of them.
local function tag(name, number, level)
  header.declare(name, {
    { "pcp", 3 },
    { "dei", 1 },
    { "id", 12 },
    { "type", 16, enum = ethertype, computed = "next", format = "0x%04x" },
    level = level,
    next = { "ethertype", "type" },
    follows = { ethertype = number },
    line = function(view)
      return ("%s %d%s,"):format(name, view.id, view.pcp > 0 and ", p " .. view.pcp or "")
    end,
  })
end

tag("svlan", 0x88a8, "service")
tag("vlan", 0x8100, "tag")
