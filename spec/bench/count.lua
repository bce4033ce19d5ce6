-- count.lua -- what spec/bench/count.c does: counts the datagrams of UDP super-packets, as
-- spec/bench/datagrams.c asks.
local tun = require "tun"

local dev = assert(tun.open { name = "count%d", mode = "tun", offload = true })
print(dev:name())
io.flush()

-- Few enough slots of 64 KB for the cache of a processor.
local batch, datagrams = tun.batch { slots = 8 }, 0

local function count(packet)
  local udp, info = packet.udp, packet.virtio_net
  if not udp or not packet.ip4 then
    return
  elseif info and info.gso_size > 0 then
    datagrams = datagrams + math.ceil((udp.length - 8) / info.gso_size)
  else
    print(datagrams)
    io.flush()
    datagrams = 0
  end
end

while dev:receive(batch) do
  for packet in batch:packets() do
    count(packet)
  end
  batch:clear()
end
