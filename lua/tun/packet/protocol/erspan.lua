-- erspan.lua: frames that a switch mirrors through GRE, types II and III
-- (draft-foschiano-erspan).
local header = require "tun.packet.declare.header"

local function declare(name, version, number, ...)
  local rows = { { "version", 4, default = version }, { "vlan", 12 }, { "cos", 3 }, ... }
  rows.valid = { "version == " .. version, "not version " .. version }
  rows.inner, rows.follows = "eth", { ethertype = number }
  header.declare(name, rows)
end

declare("erspan2", 1, 0x88be, { "encapsulation", 2 }, { "truncated", 1 }, { "session", 10 },
  { "reserved", 12 }, { "index", 20 })
declare("erspan3", 2, 0x22eb, { "bad", 2 }, { "truncated", 1 }, { "session", 10 },
  { "timestamp", 32 }, { "sgt", 16 }, { "p", 1 }, { "type", 5 }, { "hardware", 6 },
  { "direction", 1 }, { "granularity", 2 }, { "o", 1 })
