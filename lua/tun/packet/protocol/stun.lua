-- stun.lua: STUN (RFC 8489).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local address = form.record { { "reserved", 8 }, { "family", 8, default = 1 }, { "port", 16 },
                              { "address", form.bytes } }

header.declare("stun", {
  { "zero", 2 },
  { "type", 14, enum = { binding = 0x001, indication = 0x011, success = 0x101, error = 0x111 },
    default = "binding" },
  { "length", 16, computed = "extent" },
  { "cookie", 32, default = 0x2112a442, format = "0x%08x" },
  { "id", 96, codec = "bytes" },
  { "attributes", options.kinds {
    head = { { "kind", 16 }, { "length", 16 } }, pad = 4,
    { 0x0001, "mapped", address }, { 0x0006, "username", form.bytes },
    { 0x0008, "integrity", form.bytes },
    { 0x0009, "error", form.record { { "reserved", 21 }, { "class", 3 }, { "number", 8 },
                                     { "reason", form.bytes } } },
    { 0x0014, "realm", form.bytes }, { 0x0015, "nonce", form.bytes },
    { 0x0020, "xor_mapped", address }, { 0x0024, "priority", form.number(4) },
    { 0x0025, "use_candidate", form.none }, { 0x8022, "software", form.bytes },
    { 0x8028, "fingerprint", form.number(4) }, { 0x8029, "controlled", form.number(8) },
    { 0x802a, "controlling", form.number(8) },
  } },
  valid = { "zero == 0 and cookie == 0x2112a442", "no magic cookie of STUN" },
  extent = "length + 20",
  follows = { udp = 3478 },
  line = function(view)
    return "STUN " .. view.type
  end,
})
