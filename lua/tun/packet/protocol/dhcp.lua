-- dhcp.lua: DHCP (RFC 2131) with its options (RFC 2132).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local types = {
  discover = 1, offer = 2, request = 3, decline = 4, ack = 5, nak = 6, release = 7, inform = 8,
}

local address, addresses = form.address4, form.addresses4
local text, seconds, codes = form.bytes, form.number(4), form.list(form.number(1))

local kinds = options.kinds {
  length = "value",
  unit = 1,
  single = { [0] = "pad", [255] = "end" },
  last = 255,
  { 1, "netmask", address },
  { 3, "routers", addresses },
  { 6, "dns", addresses },
  { 12, "hostname", text },
  { 15, "domain", text },
  { 26, "mtu", form.number(2) },
  { 28, "broadcast", address },
  { 33, "static_routes", addresses }, -- destination and router in turn
  { 42, "ntp", addresses },
  { 43, "vendor", form.bytes },
  { 50, "requested", address },
  { 51, "lease", seconds },
  { 52, "overload", form.number(1) },
  { 53, "type", form.enum(1, types) },
  { 54, "server", address },
  { 55, "parameters", codes },
  { 56, "message", text },
  { 57, "max_size", form.number(2) },
  { 58, "renewal", seconds },
  { 59, "rebinding", seconds },
  { 60, "class", text },
  { 61, "client_id", form.bytes },
  { 66, "tftp", text },
  { 67, "bootfile", text },
  { 82, "relay", form.bytes }, -- RFC 3046
  { 121, "classless_routes", form.bytes }, -- RFC 3442
}

local methods = {}

-- Where options go on, by the value of overload (RFC 2132, 9.3), in the order to read them
-- (RFC 2131, 4.1).
local OVERLOAD = { { "file" }, { "sname" }, { "file", "sname" } }

--- All options, those in the fields file and sname included, where overload says so.
-- @return list of { name, value }
function methods.every_option(view)
  local list, overload = {}, nil
  local function append(more)
    for _, each in ipairs(type(more) == "table" and more or {}) do
      list[#list + 1] = each
      overload = overload or each[1] == "overload" and each[2]
    end
  end
  append(view.options)
  for _, name in ipairs(OVERLOAD[overload] or {}) do
    append(kinds.read(view[name]))
  end
  return list
end

--- The value of the first option with the name, wherever it is; nil when there is none.
function methods.option(view, name)
  for _, each in ipairs(view:every_option()) do
    if each[1] == name then
      return each[2]
    end
  end
end

header.declare("dhcp", {
  { "op", 8, default = 1, enum = { request = 1, reply = 2 } },
  { "htype", 8, default = 1 },
  { "hlen", 8, default = 6 },
  { "hops", 8 },
  { "xid", 32, format = "0x%08x" },
  { "secs", 16 },
  { "broadcast", 1 },
  { "flags", 15 },
  { "ciaddr", 32, codec = "ip4" },
  { "yiaddr", 32, codec = "ip4" },
  { "siaddr", 32, codec = "ip4" },
  { "giaddr", 32, codec = "ip4" },
  { "chaddr", 48, codec = "mac" },
  { "chaddr_rest", 80, codec = "chars" },
  { "sname", 512, codec = "chars" },
  { "file", 1024, codec = "chars" },
  { "magic", 32, default = 0x63825363, format = "0x%08x" },
  { "options", kinds },
  valid = { "magic == 1669485411", "not DHCP's magic cookie" },
  size = "stop - o",
  methods = methods,
  follows = { udp = { 67, 68 } },
  line = function(view, _, n)
    local type = view:option "type"
    local from = view.op == "request" and "Request from " .. view.chaddr
    return ("BOOTP/DHCP, %s%s, length %d"):format(from or "Reply",
      type and ", " .. tostring(type) or "", n)
  end,
})
