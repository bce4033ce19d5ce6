-- reflect.lua -- spec/bench/reflect.c with Lua strings: each UDP packet goes
-- back with its addresses and ports swapped, which leaves the checksums right.
local tun = require "tun"
local byte, sub = string.byte, string.sub

local UDP = 17

local dev = assert(tun.open { name = "echo%d", mode = "tun" })
print(dev:name())
io.flush()
for packet in dev:each() do
  if #packet >= 28 and byte(packet) == 0x45 and byte(packet, 10) == UDP then
    assert(dev:write(sub(packet, 1, 12), sub(packet, 17, 20), sub(packet, 13, 16),
      sub(packet, 23, 24), sub(packet, 21, 22), sub(packet, 25)))
  end
end
