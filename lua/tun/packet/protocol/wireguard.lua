-- wireguard.lua: WireGuard's four messages (wireguard.com/protocol).
local header = require "tun.packet.declare.header"

header.declare("wireguard", {
  { "type", 8, enum = header.space("wireguard").names, computed = "next" },
  { "reserved", 24 },
  valid = { "type >= 1 and type <= 4 and reserved == 0", "no message of WireGuard" },
  next = { "wireguard", "type" },
  follows = { udp = 51820 },
  line = function(view)
    return "WireGuard, " .. view.type
  end,
})

header.declare("wg_init", {
  { "sender", 32, order = "little", format = "0x%08x" },
  { "ephemeral", 256, codec = "bytes" },
  { "static", 384, codec = "bytes" },
  { "timestamp", 224, codec = "bytes" },
  { "mac1", 128, codec = "bytes" },
  { "mac2", 128, codec = "bytes" },
  follows = { wireguard = 1 },
})

header.declare("wg_response", {
  { "sender", 32, order = "little", format = "0x%08x" },
  { "receiver", 32, order = "little", format = "0x%08x" },
  { "ephemeral", 256, codec = "bytes" },
  { "empty", 128, codec = "bytes" },
  { "mac1", 128, codec = "bytes" },
  { "mac2", 128, codec = "bytes" },
  follows = { wireguard = 2 },
})

header.declare("wg_cookie", {
  { "receiver", 32, order = "little", format = "0x%08x" },
  { "nonce", 192, codec = "bytes" },
  { "cookie", 256, codec = "bytes" },
  follows = { wireguard = 3 },
})

header.declare("wg_data", {
  { "receiver", 32, order = "little", format = "0x%08x" },
  { "counter", 64, order = "little" },
  follows = { wireguard = 4 },
})
