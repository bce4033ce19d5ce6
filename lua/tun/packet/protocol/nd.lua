-- nd.lua: neighbour discovery (RFC 4861): the messages behind ICMPv6's checksum, each
-- with options to its end.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local lifetime = form.number(4)

local kinds = options.kinds {
  length = "option",
  unit = 8,
  { 1, "slla", form.mac }, -- source link-layer address
  { 2, "tlla", form.mac }, -- target link-layer address
  { 3, "prefix", form.record { { "length", 8 }, { "on_link", 1 }, { "autonomous", 1 },
                                  { "reserved", 6 }, { "valid", 32, default = 0xffffffff },
                                  { "preferred", 32, default = 0xffffffff },
                                  { "reserved2", 32 }, { "prefix", form.address6 } } },
  { 4, "redirected", form.record { { "reserved", 48 }, { "packet", form.bytes } } },
  { 5, "mtu", form.record { { "reserved", 16 }, { "mtu", 32 } } },
  { 14, "nonce", form.bytes }, -- RFC 3971, 5.3.2
  { 24, "route", form.record { { "length", 8 }, { "reserved", 3 }, { "preference", 2 },
                                  { "reserved2", 3 }, { "lifetime", lifetime },
                                  { "prefix", form.bytes } } }, -- RFC 4191, 2.3
  { 25, "rdnss", form.record { { "reserved", 16 }, { "lifetime", 32 },
                                  { "addresses", form.addresses6 } } }, -- RFC 8106, 5.1
  { 31, "dnssl", form.record { { "reserved", 16 }, { "lifetime", 32 },
                                  { "names", form.bytes } } }, -- RFC 8106, 5.2
}

-- A message: rows, its type, and how tcpdump calls it.
local function message(name, number, rows, line)
  rows[#rows + 1] = { "options", kinds }
  rows.follows = { icmp6 = number }
  rows.line = function(view, _, n)
    return ("%s, length %d"):format(line(view), n + 4)
  end
  header.declare(name, rows)
end

-- Router solicitation and advertisement (4.1, 4.2; preference RFC 4191, proxy RFC 4389).
message("rs", 133, { { "reserved", 32 } }, function()
  return "router solicitation"
end)

message("ra", 134, {
  { "hlim", 8, default = 64 },
  { "managed", 1 },
  { "other", 1 },
  { "home", 1 },
  { "preference", 2, enum = { low = 3, medium = 0, high = 1 } },
  { "proxy", 1 },
  { "reserved", 2 },
  { "lifetime", 16, default = 1800 }, -- seconds
  { "reachable", 32 }, -- milliseconds
  { "retrans", 32 }, -- milliseconds
}, function()
  return "router advertisement"
end)

-- Neighbour solicitation and advertisement (4.3, 4.4), redirect (4.5).
message("ns", 135, {
  { "reserved", 32 },
  { "target", 128, codec = "ip6" },
}, function(view)
  return "neighbor solicitation, who has " .. view.target
end)

message("na", 136, {
  { "router", 1 },
  { "solicited", 1 },
  { "override", 1 },
  { "reserved", 29 },
  { "target", 128, codec = "ip6" },
}, function(view)
  return "neighbor advertisement, tgt is " .. view.target
end)

message("redirect", 137, {
  { "reserved", 32 },
  { "target", 128, codec = "ip6" },
  { "dst", 128, codec = "ip6" },
}, function(view)
  return ("redirect, %s to %s"):format(view.dst, view.target)
end)
