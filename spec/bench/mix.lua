-- mix.lua -- the fixed mix of packets that packets.lua and packets.c work on: 1000 frames
-- of Ethernet with and without a VLAN tag, ARP, IPv4 and IPv6, TCP, UDP and ICMP.
local packet = require "tun.packet"

local mix = { COUNT = 1000 }

local seed = 1

-- The same numbers under every Lua.
local function random(n)
  seed = seed * 16807 % 2147483647
  return seed % n
end

local transports = {
  function()
    return packet.tcp { sport = 1024 + random(60000), dport = 443, seq = random(2 ^ 30) }
  end,
  function() return packet.udp { sport = 1024 + random(60000), dport = 4000 + random(9) } end,
  function() return packet.icmp { type = "echo", id = random(99), seq = random(999) } end,
}

local function ip4(i)
  return packet.ip4 { src_n = 0x0a000000 + random(2 ^ 24), dst_n = 0xc0a80000 + random(256),
                      ttl = 64 - i % 9 }
end

local function frame(i)
  local front = packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
  if i % 10 == 3 then
    front = front / packet.vlan { id = 1 + random(4000) }
  end
  if i % 20 == 7 then
    return front / packet.arp { op = "request", spa = "10.0.0.1", tpa = "10.0.0.2" }
  end
  local kind = random(i % 5 == 0 and 2 or 3) + 1
  local net = i % 5 == 0 and packet.ip6 { src = "fd00::1", dst = "fd00::2" } or ip4(i)
  return front / net / transports[kind]() / ("x"):rep(random(64))
end

--- All frames as strings.
function mix.frames()
  local list = {}
  seed = 1
  for i = 1, mix.COUNT do
    list[i] = frame(i):bytes()
  end
  return list
end

return mix
