-- reflect_batch.lua -- spec/bench/reflect.c with whole-batch operations: every packet goes
-- back with its addresses and ports swapped, which leaves the checksums right.
local tun = require "tun"

local dev = assert(tun.open { name = "echo%d", mode = "tun" })
local batch = assert(tun.batch { size = 2048 })
print(dev:name())
io.flush()
while dev:receive(batch) do
  dev:send(batch:reflect())
end
