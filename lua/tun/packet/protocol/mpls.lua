-- mpls.lua: a label of MPLS (RFC 3032; tc RFC 5462). What is behind the last one is told by
-- its first four bits.
local header = require "tun.packet.declare.header"

header.declare("mpls", {
  { "label", 20, enum = { null4 = 0, router_alert = 1, null6 = 2, implicit_null = 3 },
    default = 16 },
  { "tc", 3 },
  { "s", 1 }, -- the last label
  { "ttl", 8, default = 64 },
  next = { "mpls", "s == 0 and 1 or (u8(4) - u8(4) % 16) / 16" },
  follows = { ethertype = { 0x8847, 0x8848 }, ip = 137, mpls = 1 },
  line = function(view)
    return ("MPLS (label %s, tc %d%s, ttl %d)"):format(view.label, view.tc,
      view.s and ", [S]" or "", view.ttl)
  end,
})
