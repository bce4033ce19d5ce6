-- ip4.lua: IPv4 (RFC 791).
local header = require "tun.packet.header"

header.declare("ip4", {
  { "version", 4, default = 4 },
  { "ihl", 4, computed = "size" },
  { "dscp", 6 },
  { "ecn", 2 },
  { "length", 16, computed = "extent" },
  { "id", 16 },
  { "reserved", 1 },
  { "df", 1 },
  { "mf", 1 },
  { "offset", 13 },
  { "ttl", 8, default = 64 },
  { "proto", 8, computed = "next", enum = header.space("ip").names },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "src", 32, codec = "ip4", pseudo = "TRANSPORT" },
  { "dst", 32, codec = "ip4", pseudo = "TRANSPORT" },
  level = "net",
  sum = "NET",
  size = "ihl * 4",
  extent = "length",
  next = { "ip", "proto" },
  unless = "offset > 0",
  follows = { ethertype = 0x0800, version = 4 },
})
