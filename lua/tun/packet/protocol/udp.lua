-- udp.lua: UDP (RFC 768).
local header = require "tun.packet.declare.header"

header.declare("udp", {
  { "sport", 16 },
  { "dport", 16 },
  { "length", 16, computed = "extent" },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  level = "transport",
  sum = "TRANSPORT",
  checksum = { over = "extent", pseudo = true, optional = true },
  extent = "length",
  open = "length == 0", -- a jumbogram (RFC 2675, 4), or to be split
  ports = true,
  next = { "udp", "dport", "sport" },
  follows = { ip = 17 },
  line = function(view)
    return ("UDP, length %d"):format(view.length - 8)
  end,
})
