-- ike.lua: IKE (RFC 7296, 3.1), and ESP and IKE in UDP (RFC 3948, 2), told apart by four zeros.
local header = require "tun.packet.declare.header"

header.declare("ike", {
  { "initiator", 64 },
  { "responder", 64 },
  { "next", 8 },
  { "major", 4, default = 2 },
  { "minor", 4 },
  { "exchange", 8, enum = { identity = 2, aggressive = 4, information1 = 5, quick = 32,
                            sa_init = 34, auth = 35, create_child = 36, information = 37 },
    default = "sa_init" },
  { "reserved", 2 },
  { "r", 1 }, -- a response
  { "v", 1 },
  { "i", 1 }, -- of the initiator
  { "reserved2", 3 },
  { "id", 32 },
  { "length", 32, computed = "extent" },
  valid = { "major == 1 or major == 2", "neither version 1 nor 2" },
  extent = "length",
  follows = { udp = 500, nonesp = 0 },
  line = function(view)
    return ("isakmp %d.%d %s"):format(view.major, view.minor, view.exchange)
  end,
})

header.declare("natt", {
  next = { "natt", "u32(0) == 0 and 1 or 2" },
  follows = { udp = 4500 },
  line = function()
    return "NONESP-encap:"
  end,
})

header.declare("nonesp", {
  { "marker", 32 },
  next = { "nonesp", "marker" },
  follows = { natt = 1 },
})
