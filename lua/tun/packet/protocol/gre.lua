-- gre.lua: GRE (RFC 2784), with key and sequence number (RFC 2890).
local header = require "tun.packet.declare.header"

header.declare("gre", {
  { "c", 1 }, -- whether there is a checksum
  { "r", 1 },
  { "k", 1 }, -- a key
  { "s", 1 }, -- a sequence number
  { "reserved", 9 },
  { "version", 3 },
  { "proto", 16, enum = header.space("ethertype").names, computed = "next", format = "0x%04x" },
  { "checksum", 16, at = "4", when = "c", computed = "checksum", format = "0x%04x" },
  { "reserved1", 16, at = "6", when = "c" },
  { "key", 32, at = "4 + 4 * c", when = "k" },
  { "seq", 32, at = "4 + 4 * c + 4 * k", when = "s" },
  level = "transport",
  valid = { "version == 0 and r == 0", "not version 0, or with routing" },
  size = "4 + 4 * c + 4 * k + 4 * s",
  checksum = { over = "extent", pseudo = false },
  inner = { "ethertype", "proto" },
  follows = { ip = 47 },
  line = function(view, _, n)
    return ("GREv%d%s%s, proto 0x%04x, length %d"):format(view.version,
      view.k and (", key=0x%x"):format(view.key) or "",
      view.s and (", seq %.0f"):format(view.seq) or "", view.proto_n, n)
  end,
})
