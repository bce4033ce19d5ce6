-- packets.lua -- the time of a packet, seconds: what packets.c does, with names.
-- Usage: packets.lua read|nat|build|print
--   read   fields of every layer of the mix, by name
--   nat    one address and one port of the mix's TCP and UDP over IPv4, checksums kept right
--   build  an ICMP echo and a UDP packet, in turns
--   print  the lines of the mix
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local mix = require "spec.bench.mix"
local packet = require "tun.packet"
local turns = require "spec.bench.turns"
local view = require "tun.packet.object"

local STRIDE = 2048
local compiled = jit and jit.status()
local PASSES = compiled and 200 or 20

local frames = mix.frames()
local arena = core.arena(STRIDE * #frames)
local this = view.new(arena, bytes.pointer(arena), 0, STRIDE * #frames)
local starts, stops, translated = {}, {}, {}
for i, frame in ipairs(frames) do
  starts[i], stops[i] = i * STRIDE - STRIDE, i * STRIDE - STRIDE + #frame
  arena:write(starts[i], frame)
  local p = packet.parse(frame, "eth")
  translated[i] = p.ip4 and (p.tcp or p.udp) and true or false
end

local function fields(p)
  local sum = 0
  local tag = p.vlan
  if tag then
    sum = sum + tag.id
  end
  local ip, ip6, arp = p.ip4, p.ip6, p.arp
  if ip then
    sum = sum + ip.ttl + ip.length + ip.src_n
  elseif ip6 then
    sum = sum + ip6.hlim + ip6.length
  elseif arp then
    sum = sum + arp.op_n
  end
  local tcp, udp, icmp = p.tcp, p.udp, p.icmp
  if tcp then
    sum = sum + tcp.sport + tcp.dport
  elseif udp then
    sum = sum + udp.sport + udp.dport
  elseif icmp then
    sum = sum + icmp.type_n
  end
  return sum
end

-- Every work takes a number of passes, and tells the packets of one and a sum of its own.
local work = {}

function work.read(passes)
  local eth, sum = packet.eth, 0
  for _ = 1, passes do
    for i = 1, #frames do
      sum = sum + fields(view.read(this, starts[i], stops[i], eth))
    end
  end
  return #frames, sum
end

function work.nat(passes)
  local eth, done = packet.eth, 0
  for pass = 1, passes do
    for i = 1, #frames do
      if translated[i] then
        local p = view.read(this, starts[i], stops[i], eth)
        local ip, port = p.ip4, p.tcp or p.udp
        ip.src_n = 0x0a000001 + pass
        port.sport = 1024 + pass
        p:fix()
        done = done + 1
      end
    end
  end
  return done / passes, 0
end

function work.build(passes)
  local ip4, icmp, udp, sum = packet.ip4, packet.icmp, packet.udp, 0
  local payload = ("x"):rep(56)
  for i = 1, passes * 50 do
    local p = ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
      / icmp { type = "echo", id = 1, seq = i } / payload
    sum = sum + p.ip4.length
  end
  for i = 1, passes * 50 do
    local p = ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
      / udp { sport = i, dport = 4000 } / payload
    sum = sum + p.ip4.length
  end
  return 100, sum
end

function work.print(passes)
  local eth, sum = packet.eth, 0
  for _ = 1, passes / 10 do
    for i = 1, #frames do
      sum = sum + #tostring(view.read(this, starts[i], stops[i], eth))
    end
  end
  return #frames / 10, sum
end

local WARM_UP = 3 -- turns in which traces are made
local run, turn = work[arg[1]], 0
local GARBAGE = { read = true, nat = true } -- where there must be none

turns.take(function()
  collectgarbage()
  if GARBAGE[arg[1]] then
    collectgarbage "stop"
  end
  local before, start = collectgarbage "count", turns.processor()
  local packets = run(PASSES)
  local time = turns.processor() - start
  local each = (collectgarbage "count" - before) * 1024 / (packets * PASSES)
  collectgarbage "restart"
  turn = turn + 1
  if compiled and GARBAGE[arg[1]] and turn > WARM_UP and each >= 1 then
    error("garbage: bytes a packet: " .. each)
  end
  return time / (packets * PASSES)
end)
