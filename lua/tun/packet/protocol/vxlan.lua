-- vxlan.lua: VXLAN (RFC 7348, 5).
local header = require "tun.packet.declare.header"

header.declare("vxlan", {
  { "reserved", 4 },
  { "i", 1, default = 1 }, -- whether the vni is valid
  { "reserved2", 27 },
  { "vni", 24 },
  { "reserved3", 8 },
  inner = "eth",
  follows = { udp = 4789 },
  line = function(view)
    return ("VXLAN, vni %d"):format(view.vni)
  end,
})
