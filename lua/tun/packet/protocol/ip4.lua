-- ip4.lua: IPv4 and its options (RFC 791; dscp RFC 2474; ecn RFC 3168).
local bytes = require "tun.packet.memory.bytes"
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local hop = require "tun.packet.change.hop"
local options = require "tun.packet.value.options"

local proto = header.space("ip").names

-- An option of addresses has a pointer in front (3.1): 4 is the first address.
local route = form.record { { "pointer", 8, default = 4 }, { "addresses", form.addresses4 } }

local kinds = options.kinds {
  length = "option", -- kind and length are counted
  unit = 1,
  single = { [0] = "eol", [1] = "nop" },
  last = 0,
  multiple = 4,
  { 7, "rr", route },
  { 68, "timestamp", form.record { { "pointer", 8, default = 5 }, { "overflow", 4 },
                                      { "flag", 4 }, { "data", form.bytes } } },
  { 130, "security", form.bytes },
  { 131, "lsrr", route },
  { 136, "stream", form.number(2) },
  { 137, "ssrr", route },
  { 148, "router_alert", form.number(2) }, -- RFC 2113
}

-- Where the last address of a source route is that was not used up: the final destination
-- (3.1; RFC 1122, 3.2.1.8).
local function final(p, o)
  local stop, at = bytes.byte(p, o) % 16 * 4, 20
  while at + 3 <= stop do
    local kind, length = bytes.byte(p, o + at), bytes.byte(p, o + at + 1)
    if kind == 0 or kind ~= 1 and (length < 2 or at + length > stop) then
      return 0
    elseif (kind == 131 or kind == 137) and length >= 7 and length % 4 == 3
      and bytes.byte(p, o + at + 2) <= length then
      return at + length - 4
    end
    at = at + (kind == 1 and 1 or length)
  end
  return 0
end

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
  { "offset", 13 }, -- of a fragment, in units of 8 bytes
  { "ttl", 8, default = 64 },
  { "proto", 8, computed = "next", enum = proto },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "src", 32, codec = "ip4", pseudo = true },
  { "dst", 32, codec = "ip4", pseudo = true },
  { "options", kinds },
  level = "net",
  word = "IP",
  sum = "NET",
  checksum = { over = "header" },
  valid = { "version == 4", "not version 4" },
  size = "ihl * 4",
  extent = "length",
  open = "length == 0", -- as it is captured where a network card is to split the packet
  next = { "ip", "proto" },
  inner = { "tunnel", "proto" },
  methods = { decrement_ttl = hop "ttl" },
  final = final,
  unless = "offset > 0",
  whole = "mf == 0 and offset == 0",
  follows = { ethertype = 0x0800, version = 4, tunnel = 4, ppp = 0x21, mpls = 4, gtp = 4,
              family = 2 },
})
