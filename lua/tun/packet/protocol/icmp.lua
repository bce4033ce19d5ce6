-- icmp.lua: ICMP (RFC 792, 1191, 1256). What lies behind the checksum depends on the
-- type; an error quotes the packet that it is about: packet.inner.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"
local tail = require "tun.packet.declare.tail"

local types = {
  echo_reply = 0, unreachable = 3, source_quench = 4, redirect = 5, echo = 8,
  router_advertisement = 9, router_solicitation = 10, time_exceeded = 11,
  parameter_problem = 12, timestamp = 13, timestamp_reply = 14,
}

local QUOTES = "type == 3 or type == 4 or type == 5 or type == 11 or type == 12"

local UNREACHABLE = {
  [0] = "net", [1] = "host", [2] = "protocol", [3] = "port", [6] = "net unknown",
  [7] = "host unknown", [9] = "net prohibited", [10] = "host prohibited",
  [13] = "admin prohibited",
}

-- "10.0.0.2 udp port 53 unreachable": of whom, as the quoted packet tells.
local function unreachable(view, packet)
  local quoted = packet.inner
  local ip = quoted and quoted.ip4
  local code = view.code
  if code == 4 then
    return ("%s unreachable - need to frag (mtu %d)"):format(ip and ip.dst or "?", view.mtu)
  elseif code == 3 and ip then
    local transport = quoted.udp or quoted.tcp
    return ("%s %s port %s unreachable"):format(ip.dst,
      quoted.udp and "udp" or quoted.tcp and "tcp" or "protocol " .. ip.proto,
      transport and transport.dport or "?")
  end
  return ("%s %s unreachable"):format(UNREACHABLE[code] or "code " .. code, ip and ip.dst or "?")
end

local function echo(what)
  return function(view)
    return ("echo %s, id %d, seq %d"):format(what, view.id, view.seq)
  end
end

local LINES = {
  [0] = echo "reply",
  [8] = echo "request",
  [3] = unreachable,
  [5] = function(view)
    return "redirect to " .. view.gateway
  end,
  [11] = function(view)
    return view.code == 1 and "ip reassembly time exceeded" or "time exceeded in-transit"
  end,
  [12] = function(view)
    return ("parameter problem - octet %d"):format(view.pointer)
  end,
}

-- What stands behind the quoted packet (RFC 4884, 8; labels RFC 4950).
local OBJECTS = options.kinds {
  head = { { "length", 16 }, { "kind", 8 }, { "ctype", 8 } }, length = "option",
  { 1, "mpls", form.list(form.record { { "label", 20 }, { "tc", 3 }, { "s", 1 }, { "ttl", 8 } }) },
  { 2, "interface", form.bytes }, -- RFC 5837
}

local methods = {
  --- The extensions of an error, as a list of options; nil without any.
  extensions = function(view)
    local text = tail.text(view)
    local at = math.max(view.length * 4, 128) -- so much is quoted at least
    local version = text:byte(at + 1)
    return version and math.floor(version / 16) == 2 and #text >= at + 4
      and options.read(OBJECTS, text:sub(at + 5)) or nil
  end,
}

local echo_like = { type = { 0, 8, 13, 14, 15, 16 } }

header.declare("icmp", {
  { "type", 8, enum = types },
  { "code", 8 },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "id", 16, only = echo_like },
  { "seq", 16, only = echo_like },
  { "rest", 32, over = "id", format = "0x%08x", only = { type = { 4, 9, 10, 11 } } },
  { "length", 8, over = "id", shift = 8, only = { type = { 3, 11, 12 } } }, -- RFC 4884, 4
  { "mtu", 16, over = "seq", only = { type = { 3 }, code = { 4 } } }, -- RFC 1191
  { "gateway", 32, over = "id", codec = "ip4", only = { type = { 5 } } },
  { "pointer", 8, over = "id", only = { type = { 12 } } },
  level = "transport",
  sum = "TRANSPORT",
  checksum = { over = "extent" },
  inner = "ip4",
  quotes = QUOTES,
  methods = methods,
  follows = { ip = 1 },
  line = function(view, packet, length)
    local line = LINES[view.type_n]
    return ("ICMP %s, length %d"):format(line and line(view, packet)
      or ("type-#%d code-#%d"):format(view.type_n, view.code), length)
  end,
})
