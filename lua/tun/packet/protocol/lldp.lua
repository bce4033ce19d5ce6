-- lldp.lua: LLDP (IEEE 802.1AB), a list of information.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local identity = form.record { { "subtype", 8 }, { "id", form.bytes } }

header.declare("lldp", {
  { "info", options.kinds {
    head = { { "kind", 7 }, { "length", 9 } },
    last = 0,
    { 0, "end", form.none }, { 1, "chassis", identity }, { 2, "port", identity },
    { 3, "ttl", form.number(2) }, { 4, "port_description", form.bytes }, { 5, "name", form.bytes },
    { 6, "description", form.bytes },
    { 7, "capabilities", form.record { { "all", 16 }, { "enabled", 16 } } },
    { 8, "management", form.bytes },
    { 127, "organization", form.record { { "oui", 24 }, { "subtype", 8 },
                                         { "data", form.bytes } } },
  } },
  level = "net",
  follows = { ethertype = 0x88cc },
  line = function(_, _, n)
    return "LLDP, length " .. n
  end,
})
