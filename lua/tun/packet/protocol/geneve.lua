-- geneve.lua: GENEVE with its options (RFC 8926).
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

header.declare("geneve", {
  { "version", 2 },
  { "optlen", 6, computed = "size" }, -- in units of 4 bytes
  { "oam", 1 },
  { "critical", 1 },
  { "reserved", 6 },
  { "type", 16, enum = header.space("ethertype").names, computed = "next", format = "0x%04x" },
  { "vni", 24 },
  { "reserved2", 8 },
  { "options", options.kinds {
    head = { { "class", 16 }, { "kind", 8 }, { "reserved", 3 }, { "length", 5 } },
    unit = 4,
  } },
  valid = { "version == 0", "not version 0" },
  size = "optlen * 4 + 8",
  inner = { "ethertype", "type" },
  follows = { udp = 6081 },
  line = function(view)
    return ("Geneve, vni 0x%x, proto 0x%04x"):format(view.vni, view.type_n)
  end,
})
