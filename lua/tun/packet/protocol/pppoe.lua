-- pppoe.lua: PPP over Ethernet (RFC 2516), and what is in front of a packet in PPP (RFC 1661).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local function declare(name, number, rows)
  local fields = {
    { "version", 4, default = 1 },
    { "type", 4, default = 1 },
    { "code", 8, enum = { session = 0, padi = 9, pado = 7, padr = 0x19, pads = 0x65,
                          padt = 0xa7 } },
    { "session", 16 },
    { "length", 16, computed = "extent" },
    rows.tags,
    valid = { "version == 1 and type == 1", "not version 1" },
    extent = "length + 6",
    next = rows.next,
    follows = { ethertype = number },
    line = function(view)
      return ("PPPoE %s [ses 0x%x]"):format(view.code, view.session)
    end,
  }
  header.declare(name, fields)
end

declare("pppoed", 0x8863, { tags = { "tags", options.kinds {
  head = { { "kind", 16 }, { "length", 16 } },
  { 0, "end", form.none }, { 0x101, "service", form.bytes }, { 0x102, "ac", form.bytes },
  { 0x103, "host_uniq", form.bytes }, { 0x104, "ac_cookie", form.bytes },
  { 0x105, "vendor", form.bytes }, { 0x110, "relay", form.bytes },
  { 0x201, "service_error", form.bytes }, { 0x202, "system_error", form.bytes },
  { 0x203, "error", form.bytes },
} } })
declare("pppoe", 0x8864, { next = { "pppoe", "code" } })

header.declare("ppp", {
  { "proto", 16, enum = header.space("ppp").names, computed = "next", format = "0x%04x" },
  next = { "ppp", "proto" },
  follows = { pppoe = 0 },
  line = function(view)
    return "PPP " .. view.proto
  end,
})
