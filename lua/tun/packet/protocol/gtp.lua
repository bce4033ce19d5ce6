-- gtp.lua: GTP-U, version 1 (3GPP TS 29.281, 5).
local header = require "tun.packet.declare.header"

header.declare("gtp", {
  { "version", 3, default = 1 },
  { "pt", 1, default = 1 },
  { "reserved", 1 },
  { "e", 1 }, -- whether there are extension headers
  { "s", 1 }, -- a sequence number
  { "pn", 1 }, -- an N-PDU number
  { "type", 8, enum = { echo = 1, echo_reply = 2, error = 26, headers = 31, end_marker = 254,
                        data = 255 }, default = "data" },
  { "length", 16, computed = "extent" },
  { "teid", 32, format = "0x%08x" },
  { "seq", 16, at = "8", when = "e + s + pn" },
  { "npdu", 8, at = "10", when = "e + s + pn" },
  { "next", 8, at = "11", when = "e + s + pn", format = "0x%02x" },
  valid = { "version == 1 and pt == 1", "not GTP, version 1" },
  size = "8 + (e + s + pn > 0 and 4 or 0)",
  extent = "length + 8",
  inner = { "gtp", "type == 255 and e == 0 and (s + pn > 0 and (u8(12) - u8(12) % 16) / 16"
    .. " or (u8(8) - u8(8) % 16) / 16) or 0" },
  follows = { udp = 2152 },
  line = function(view)
    return ("GTP-U %s, teid 0x%08x"):format(view.type, view.teid)
  end,
})
