-- reflect_packets.lua -- spec/bench/reflect.c with named fields: each UDP packet goes back
-- with its addresses and ports swapped, which leaves the checksums right.
local tun = require "tun"

local dev = assert(tun.open { name = "echo%d", mode = "tun" })
print(dev:name())
io.flush()
for packet in dev:packets() do
  local ip, udp = packet.ip4, packet.udp
  if udp and ip then
    ip.src_n, ip.dst_n = ip.dst_n, ip.src_n
    udp.sport, udp.dport = udp.dport, udp.sport
    assert(dev:send(packet))
  end
end
