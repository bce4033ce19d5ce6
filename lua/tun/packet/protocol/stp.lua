-- stp.lua: LLC (IEEE 802.2) and SNAP behind a length of Ethernet, and spanning trees (IEEE
-- 802.1D, 9.3).
local header = require "tun.packet.declare.header"

local seconds = {
  what = "seconds from 0 to below 256",
  read = function(number)
    return number % 256 == 0 and math.floor(number / 256) or number / 256
  end,
  write = function(value)
    return type(value) == "number" and math.floor(value * 256 + 0.5) or nil
  end,
}

header.declare("llc", {
  { "dsap", 8, computed = "next", format = "0x%02x" },
  { "ssap", 8, format = "0x%02x" },
  { "control", 8, default = 3, format = "0x%02x" },
  next = { "llc", "dsap" },
  follows = { ethertype = { 1 } }, -- stands for all lengths: see eth
})

header.declare("snap", {
  { "oui", 24, format = "0x%06x" },
  { "type", 16, enum = header.space("ethertype").names, computed = "next", format = "0x%04x" },
  next = { "ethertype", "type" },
  follows = { llc = 0xaa },
})

header.declare("stp", {
  { "proto", 16 },
  { "version", 8, enum = { stp = 0, rstp = 2, mstp = 3 } },
  { "type", 8, enum = { config = 0, rapid = 2, change = 0x80 } },
  next = { "stp", "type" },
  follows = { llc = 0x42 },
})

header.declare("bpdu", {
  { "acknowledgment", 1 },
  { "agreement", 1 },
  { "forwarding", 1 },
  { "learning", 1 },
  { "role", 2, enum = { unknown = 0, alternate = 1, root = 2, designated = 3 } },
  { "proposal", 1 },
  { "change", 1 },
  { "root_priority", 16, default = 32768 },
  { "root", 48, codec = "mac" },
  { "cost", 32 },
  { "bridge_priority", 16, default = 32768 },
  { "bridge", 48, codec = "mac" },
  { "port", 16, format = "0x%04x" },
  { "age", 16, codec = seconds },
  { "max_age", 16, codec = seconds, default = 20 },
  { "hello", 16, codec = seconds, default = 2 },
  { "delay", 16, codec = seconds, default = 15 },
  follows = { stp = { 0, 2 } },
})
