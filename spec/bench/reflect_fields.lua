-- reflect_fields.lua -- spec/bench/reflect.c with batches and named fields: each UDP packet
-- goes back with its addresses and ports swapped, which leaves the checksums right.
local tun = require "tun"

local dev = assert(tun.open { name = "echo%d", mode = "tun" })
local batch = assert(tun.batch { size = 2048 })
print(dev:name())
io.flush()
while dev:receive(batch) do
  for packet in batch:packets() do
    local ip, udp = packet.ip4, packet.udp
    if udp and ip then
      ip.src_n, ip.dst_n = ip.dst_n, ip.src_n
      udp.sport, udp.dport = udp.dport, udp.sport
    else
      packet:drop()
    end
  end
  assert(dev:send(batch))
end
