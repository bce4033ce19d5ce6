-- icmp6.lua: ICMPv6 (RFC 4443). Neighbour discovery and MLD are layers of their own,
-- behind the checksum; an error quotes the packet that it is about: packet.inner.
local header = require "tun.packet.declare.header"

local types = header.space("icmp6").names

local UNREACHABLE = {
  [0] = "unreachable route", [1] = "unreachable prohibited", [2] = "beyond scope",
  [3] = "unreachable address", [4] = "unreachable port", [5] = "source policy",
  [6] = "reject route",
}

local function echo(what)
  return function(view)
    return ("echo %s, id %d, seq %d"):format(what, view.id, view.seq)
  end
end

local LINES = {
  [1] = function(view, packet)
    local ip = packet.inner and packet.inner.ip6
    return ("destination unreachable, %s%s"):format(UNREACHABLE[view.code] or "code " .. view.code,
      ip and ", " .. ip.dst or "")
  end,
  [2] = function(view)
    return ("packet too big, mtu %.0f"):format(view.mtu)
  end,
  [3] = function(view)
    return view.code == 1 and "reassembly time exceeded" or "time exceeded in-transit"
  end,
  [4] = function(view)
    return ("parameter problem, code %d - octet %.0f"):format(view.code, view.pointer)
  end,
  [128] = echo "request",
  [129] = echo "reply",
}

header.declare("icmp6", {
  { "type", 8, enum = types, computed = "next" },
  { "code", 8 },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "id", 16, only = { type = { 128, 129 } } },
  { "seq", 16, only = { type = { 128, 129 } } },
  { "rest", 32, over = "id", format = "0x%08x", only = { type = { 1, 3 } } },
  { "mtu", 32, over = "id", only = { type = { 2 } } },
  { "pointer", 32, over = "id", only = { type = { 4 } } },
  level = "transport",
  sum = "TRANSPORT",
  checksum = { over = "extent", pseudo = true },
  next = { "icmp6", "type", size = 4 },
  inner = "ip6",
  quotes = "type < 128",
  follows = { ip = 58 },
  line = function(view, packet, length)
    local line = LINES[view.type_n]
    local type = view.type_n
    if type >= 130 and type <= 137 or type == 143 then
      return "ICMP6," -- the layer behind it tells the rest
    end
    return ("ICMP6, %s, length %d"):format(line and line(view, packet)
      or ("type-#%d code-#%d"):format(type, view.code), length)
  end,
})
