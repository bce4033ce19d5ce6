-- shapes.lua -- packets of many shapes: every way in which the protocols of tun.packet stand
-- behind one another here, equally likely, in a random order.
local packet = require "tun.packet"

local shapes = { COUNT = 20000 }

local payload = ("x"):rep(40)

local function front()
  return packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
end

-- What stands in front of a network header.
local FRONTS = {
  front,
  function() return front() / packet.vlan { id = 7 } end,
  function() return front() / packet.svlan { id = 8 } / packet.vlan { id = 7 } end,
  function() return front() / packet.mpls { label = 16, s = true } end,
  function() return front() / packet.pppoe { session = 3 } / packet.ppp {} end,
}

local NETS = {
  function() return packet.ip4 { src = "10.0.0.1", dst = "192.168.3.4" } end,
  function() return packet.ip4 { src = "10.0.0.2", dst = "192.168.3.5", df = true,
    options = { { "router_alert", 0 } } } end,
  function() return packet.ip6 { src = "fd00::1", dst = "fd00::2" } end,
  function() return packet.ip6 { src = "fd00::3", dst = "fd00::4" } / packet.hopopts {} end,
}

local function udp(port)
  return packet.udp { sport = 40000, dport = port }
end

local function tcp(port, t)
  t = t or {}
  t.sport, t.dport, t.flags = port, 40000, t.flags or "A"
  return packet.tcp(t)
end

local function inner()
  return packet.eth {} / packet.ip4 { src = "10.1.0.1", dst = "10.1.0.2" } / udp(4000)
end

-- What stands behind it.
local UPPERS = {
  function() return udp(4000) / payload end,
  function() return udp(4001) / payload end,
  function() return tcp(22) / payload end,
  function() return tcp(5000, { flags = "S", options = { { "mss", 1460 }, { "sack_ok" },
    { "wscale", 7 } } }) end,
  function() return tcp(5001, { options = { { "nop" }, { "nop" },
    { "timestamps", { value = 1, echo = 2 } } } }) / payload end,
  function() return tcp(443, { flags = "PA" }) / payload end,
  function() return tcp(80, { flags = "PA" }) / "GET / HTTP/1.1\r\nHost: a\r\n\r\n" end,
  function() return tcp(40001, { flags = "FA" }) end,
  function()
    return udp(53) / packet.dns { id = 1, questions = { { name = "example.org", type = "A" } } }
  end,
  function() return udp(123) / packet.ntp { version = 4, mode = "client" } end,
  function() return udp(3478) / packet.stun {} end,
  function() return udp(4789) / packet.vxlan { vni = 9 } / inner() / payload end,
  function() return udp(6081) / packet.geneve { vni = 9 } / inner() / payload end,
  function() return udp(51820) / packet.wireguard {} / packet.wg_data {} / payload end,
  function() return packet.sctp { sport = 1, dport = 2 } end,
  function()
    return packet.gre {} / packet.ip4 { src = "10.1.0.1", dst = "10.1.0.2" } / udp(4000)
  end,
  function() return packet.ip4 { src = "10.1.0.1", dst = "10.1.0.2" } / tcp(4000) / payload end,
  function() return packet.esp { spi = 5, seq = 6 } / payload end,
}

-- Of one version of IP alone.
local OF4 = {
  function() return packet.icmp { type = "echo", id = 1, seq = 2 } / payload end,
  function() return packet.icmp { type = "unreachable" } / packet.ip4 {} / udp(7) end,
  function() return packet.igmp { type = "report2", group = "224.0.0.5" } end,
}
local OF6 = {
  function() return packet.icmp6 { type = "echo" } / payload end,
  function() return packet.icmp6 {} / packet.ns { target = "fd00::2" } end,
  function() return packet.icmp6 {} / packet.na { target = "fd00::2" } end,
}

local seed

-- The same numbers under every Lua.
local function random(n)
  seed = seed * 16807 % 2147483647
  return seed % n
end

local function all()
  local list = {}
  for _, before in ipairs(FRONTS) do
    for i, net in ipairs(NETS) do
      for _, uppers in ipairs { UPPERS, i <= 2 and OF4 or OF6 } do
        for _, upper in ipairs(uppers) do
          list[#list + 1] = (before() / net() / upper()):bytes()
        end
      end
    end
  end
  list[#list + 1] = (front() / packet.arp { op = "request", spa = "10.0.0.1" }):bytes()
  list[#list + 1] = (front() / packet.lldp {}):bytes()
  return list
end

--- Frames as strings, and how many shapes they are of.
-- @param of  the seed of their order
function shapes.frames(of)
  local list, frames = all(), {}
  seed = of
  for i = 1, shapes.COUNT do
    frames[i] = list[1 + random(#list)]
  end
  return frames, #list
end

return shapes
