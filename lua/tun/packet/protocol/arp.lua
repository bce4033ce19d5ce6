-- arp.lua: ARP for IPv4 on Ethernet (RFC 826), field names as there.
local header = require "tun.packet.declare.header"

local op = { request = 1, reply = 2, rarp_request = 3, rarp_reply = 4 }

local LINES = {
  [1] = function(arp)
    local whom = arp.tha_n > 0 and (" (%s)"):format(arp.tha) or ""
    return ("ARP, Request who-has %s%s tell %s"):format(arp.tpa, whom, arp.spa)
  end,
  [2] = function(arp)
    return ("ARP, Reply %s is-at %s"):format(arp.spa, arp.sha)
  end,
}

header.declare("arp", {
  { "htype", 16, default = 1, enum = { ethernet = 1 } },
  { "ptype", 16, default = 0x0800, enum = header.space("ethertype").names, format = "0x%04x" },
  { "hlen", 8, default = 6 },
  { "plen", 8, default = 4 },
  { "op", 16, default = 1, enum = op },
  { "sha", 48, codec = "mac" },
  { "spa", 32, codec = "ip4" },
  { "tha", 48, codec = "mac" },
  { "tpa", 32, codec = "ip4" },
  level = "net",
  valid = { "hlen == 6 and plen == 4", "addresses are not those of Ethernet and IPv4" },
  extent = "28", -- what is behind is Ethernet's padding
  follows = { ethertype = 0x0806 },
  line = function(view)
    local line = LINES[view.op_n]
    return line and line(view) or ("ARP, op %d, %s > %s"):format(view.op_n, view.spa, view.tpa)
  end,
})
