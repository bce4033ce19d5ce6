-- quic.lua: the long header of QUIC (RFC 9000, 17.2); what is behind is encrypted.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"

header.declare("quic", {
  { "long", 1, default = 1 },
  { "fixed", 1, default = 1 },
  { "type", 2, enum = { initial = 0, zero_rtt = 1, handshake = 2, retry = 3 } },
  { "protected", 4 },
  { "version", 32, default = 1, format = "0x%08x" },
  { "dcid", form.counted(1) },
  { "scid", form.counted(1) },
  valid = { "long == 1", "no long header of QUIC" },
  follows = { udp = 443 },
  line = function(view, _, n)
    return ("quic %s, version 0x%x, length %d"):format(view.type, view.version, n)
  end,
})
