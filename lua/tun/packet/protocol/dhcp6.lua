-- dhcp6.lua: DHCPv6 between clients and servers (RFC 8415); options in options.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local kinds = { head = { { "kind", 16 }, { "length", 16 } } }

local function association(...)
  return form.record { { "iaid", 32 }, ... }
end

for i, row in ipairs {
  { 1, "client_id", form.bytes }, { 2, "server_id", form.bytes },
  { 3, "ia_na", association({ "t1", 32 }, { "t2", 32 }, { "options", kinds }) },
  { 4, "ia_ta", association { "options", kinds } },
  { 5, "ia_address", form.record { { "address", form.address6 }, { "preferred", 32 },
                                   { "valid", 32 }, { "options", kinds } } },
  { 6, "requested", form.list(form.number(2)) }, { 7, "preference", form.number(1) },
  { 8, "elapsed", form.number(2) }, { 9, "relayed", form.bytes }, { 12, "unicast", form.address6 },
  { 13, "status", form.record { { "code", 16 }, { "message", form.bytes } } },
  { 14, "rapid_commit", form.none }, { 18, "interface_id", form.bytes },
  { 23, "dns", form.addresses6 }, { 24, "domains", form.bytes },
  { 25, "ia_pd", association({ "t1", 32 }, { "t2", 32 }, { "options", kinds }) },
  { 26, "ia_prefix", form.record { { "preferred", 32 }, { "valid", 32 }, { "length", 8 },
                                   { "prefix", form.address6 }, { "options", kinds } } },
} do
  kinds[i] = row
end

header.declare("dhcp6", {
  { "type", 8, enum = { solicit = 1, advertise = 2, request = 3, confirm = 4, renew = 5,
                        rebind = 6, reply = 7, release = 8, decline = 9, reconfigure = 10,
                        information = 11 }, default = "solicit" },
  { "xid", 24, format = "0x%06x" },
  { "options", options.kinds(kinds) },
  valid = { "type >= 1 and type <= 11", "no message of clients and servers" },
  follows = { udp = { 547, 546 } },
  line = function(view)
    return ("dhcp6 %s (xid=%x)"):format(view.type, view.xid)
  end,
})
