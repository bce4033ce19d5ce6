-- ip6.lua: IPv6 and its extension headers (RFC 8200; authentication RFC 4302; ESP RFC
-- 4303). dscp and ecn are the traffic class, so that packet.ip has them in both versions.
local bytes = require "tun.packet.memory.bytes"
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local hop = require "tun.packet.change.hop"
local options = require "tun.packet.value.options"

local proto = header.space("ip").names

header.declare("ip6", {
  { "version", 4, default = 6 },
  { "dscp", 6 },
  { "ecn", 2 },
  { "flow", 20, format = "0x%05x" },
  { "length", 16, computed = "payload" },
  { "next", 8, computed = "next", enum = proto },
  { "hlim", 8, default = 64 },
  { "src", 128, codec = "ip6", pseudo = true },
  { "dst", 128, codec = "ip6", pseudo = true },
  { "ttl", 8, over = "hlim", only = { version = {} } }, -- as IPv4 calls it
  level = "net",
  word = "IP6",
  valid = { "version == 6", "not version 6" },
  extent = "length + 40",
  open = "length == 0 and next ~= 59", -- a jumbogram (RFC 2675), or as of ip4; 59: no payload
  next = { "ip", "next" },
  inner = { "tunnel", "next" },
  methods = { decrement_ttl = hop "hlim" },
  follows = { ethertype = 0x86dd, version = 6, tunnel = 41, ppp = 0x57, mpls = 6, gtp = 6,
              family = { 30, 24, 28, 10 } },
})

-- Options of the hop-by-hop and destination headers, which are 2 bytes before them.
local kinds = options.kinds {
  length = "value",
  unit = 1,
  single = { [0] = "pad1" },
  multiple = 8,
  before = 2,
  fill = function(n)
    return n < 2 and ("\0"):rep(n) or "\1" .. string.char(n - 2) .. ("\0"):rep(n - 2)
  end,
  { 1, "padn", form.bytes },
  { 4, "tunnel_limit", form.number(1) }, -- RFC 2473, 4.1.1
  { 5, "router_alert", form.number(2) }, -- RFC 2711
  { 0xc2, "jumbo", form.number(4) }, -- RFC 2675
  { 0xc9, "home_address", form.address6 }, -- RFC 6275, 6.3
}

-- Where a home address is, which stands for the source (RFC 6275, 6.3 and 11.3.2).
local function origin(p, o)
  local stop, at = (bytes.byte(p, o + 1) + 1) * 8, 2
  while at + 2 <= stop do
    local kind = bytes.byte(p, o + at)
    local n = kind == 0 and -1 or bytes.byte(p, o + at + 1)
    if kind == 0xc9 and n == 16 and at + 18 <= stop then
      return at + 2
    end
    at = at + 2 + n
  end
  return 0
end

local function optional(name, number, word, source)
  header.declare(name, {
    { "next", 8, computed = "next", enum = proto },
    { "len", 8, computed = "size" }, -- in units of 8 bytes, without the first
    { "options", kinds },
    size = "(len + 1) * 8",
    next = { "ip", "next" },
    inner = { "tunnel", "next" },
    origin = source,
    follows = { ip = number },
    line = function()
      return word
    end,
  })
end

optional("hopopts", 0, "HBH")
optional("dstopts", 60, "DSTOPT", origin)

-- Addresses behind the first 8 bytes: types 0, 2 (RFC 6275) and 4 (RFC 8754), whose
-- last_entry, flags and tag are in `reserved`.
header.declare("routing", {
  { "next", 8, computed = "next", enum = proto },
  { "len", 8, computed = "size" },
  { "type", 8, enum = { source = 0, mobile = 2, segment = 4 } },
  { "segleft", 8, counted = true },
  { "reserved", 32 },
  { "addresses", form.addresses6, counts = "segleft", unit = 8 },
  size = "(len + 1) * 8",
  next = { "ip", "next" },
  inner = { "tunnel", "next" },
  final = "segleft > 0 and len >= 2 and (type == 4 and 8 or len * 8 - 8) or 0", -- 8.1
  follows = { ip = 43 },
  line = function(view)
    return ("RT%d (segleft %d)"):format(view.type_n, view.segleft)
  end,
})

header.declare("frag", {
  { "next", 8, computed = "next", enum = proto },
  { "reserved", 8 },
  { "offset", 13 }, -- in units of 8 bytes
  { "reserved2", 2 },
  { "mf", 1 },
  { "id", 32, format = "0x%08x" },
  next = { "ip", "next" },
  inner = { "tunnel", "next" },
  unless = "offset > 0",
  whole = "mf == 0 and offset == 0",
  follows = { ip = 44 },
  line = function(view)
    return ("frag (0x%08x:%d%s)"):format(view.id, view.offset * 8, view.mf and "+" or "")
  end,
})

header.declare("ah", {
  { "next", 8, computed = "next", enum = proto },
  { "len", 8, computed = "size" }, -- in units of 4 bytes, without the first two
  { "reserved", 16 },
  { "spi", 32, format = "0x%08x" },
  { "seq", 32 },
  { "icv", form.units(4) }, -- integrity check value
  size = "(len + 2) * 4",
  next = { "ip", "next" },
  inner = { "tunnel", "next" },
  follows = { ip = 51 },
  line = function(view)
    return ("AH(spi=0x%08x,seq=0x%x)"):format(view.spi, view.seq)
  end,
})

-- What follows is encrypted.
header.declare("esp", {
  { "spi", 32, format = "0x%08x" },
  { "seq", 32 },
  level = "transport",
  follows = { ip = 50, natt = 2 },
  line = function(view, _, n)
    return ("ESP(spi=0x%08x,seq=0x%x), length %d"):format(view.spi, view.seq, n)
  end,
})
