-- reflect_hop.lua -- spec/bench/reflect.c as a router does it, with named fields: addresses
-- and ports swapped, a hop counted down, the checksum fixed.
-- Usage: reflect_hop.lua ttl|decrement_ttl|table
--   table  with a table that is looked up for each packet, and a counter
local tun = require "tun"

local dev = assert(tun.open { name = "echo%d", mode = "tun" })
print(dev:name())
io.flush()

local function swap(ip, udp)
  ip.src_n, ip.dst_n = ip.dst_n, ip.src_n
  udp.sport, udp.dport = udp.dport, udp.sport
end

local loops = {}

function loops.ttl()
  for packet in dev:packets() do
    local ip, udp = packet.ip4, packet.udp
    if udp and ip then
      swap(ip, udp)
      ip.ttl = ip.ttl - 1
      packet:fix()
      assert(dev:send(packet))
    end
  end
end

function loops.decrement_ttl()
  for packet in dev:packets() do
    local ip, udp = packet.ip4, packet.udp
    if udp and ip and ip:decrement_ttl() then
      swap(ip, udp)
      packet:fix()
      assert(dev:send(packet))
    end
  end
end

function loops.table()
  local seen, count = {}, 0
  for packet in dev:packets() do
    local ip, udp = packet.ip4, packet.udp
    if udp and ip then
      swap(ip, udp)
      ip.ttl = ip.ttl - 1
      packet:fix()
      local name = ip.dst
      seen[name] = (seen[name] or 0) + 1
      count = count + seen[name]
      assert(dev:send(packet))
    end
  end
end

loops[arg[1]]()
