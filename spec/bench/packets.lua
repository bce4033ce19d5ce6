-- packets.lua -- the time of a packet, seconds: what packets.c does, with names, and only
-- what is public.
-- Usage: packets.lua work frames count
--   read    fields of every layer by name, through the views of a batch; numbers where names
--           are not wanted
--   hand    the same loads by hand, over a pointer (LuaJIT)
--   parse   the same of strings
--   nat     one address and one port of TCP and UDP over IPv4, checksums kept right
--   print   lines
--   build   an ICMP echo and a UDP packet, in turns
--   tunnel  a tunnel's headers are pushed, fixed and pulled
--   add     packets are appended to a batch
--   view    a batch is begun to be gone through
--   copy    no time: the bytes of memory that one kept copy takes, and its own aside
-- With LIMITS=raised, LuaJIT's limits are those of packet.jit().
local frames = require "spec.bench.frames"
local packet = require "tun.packet"
local tun = require "tun"
local turns = require "spec.bench.turns"

local what, path, count = arg[1], arg[2], tonumber(arg[3])
local compiled = jit and jit.status()
if os.getenv "LIMITS" == "raised" then
  packet.jit()
end

local list = path and frames.read(path, count) or {}

local function filled()
  local batch = assert(tun.batch { slots = math.max(#list, 1), size = 2048, mode = "tap" })
  for _, frame in ipairs(list) do
    assert(batch:add(frame))
  end
  return batch
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
  local batch, sum = work.batch, 0
  for _ = 1, passes do
    for p in batch:packets() do
      sum = sum + fields(p)
    end
  end
  return #list, sum
end

function work.hand(passes)
  local hand, sum = require "spec.bench.hand", 0
  work.memory = work.memory or hand.memory(list)
  local p, starts, stops = work.memory[1], work.memory[2], work.memory[3]
  for _ = 1, passes do
    for i = 1, #list do
      sum = sum + hand.fields(p, starts[i], stops[i])
    end
  end
  return #list, sum
end

function work.parse(passes)
  local sum = 0
  for _ = 1, passes do
    for i = 1, #list do
      sum = sum + fields(packet.parse(list[i], "eth"))
    end
  end
  return #list, sum
end

function work.nat(passes)
  local batch, done = work.batch, 0
  for pass = 1, passes do
    for p in batch:packets() do
      local ip, port = p.ip4, p.tcp or p.udp
      if ip and port then
        ip.src_n = 0x0a000001 + pass
        port.sport = 1024 + pass
        p:fix()
        done = done + 1
      end
    end
  end
  return done / passes, 0
end

function work.print(passes)
  local batch, sum = work.batch, 0
  for _ = 1, passes do
    for p in batch:packets() do
      sum = sum + #tostring(p)
    end
  end
  return #list, sum
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

function work.tunnel(passes)
  local eth, ip4, udp, vxlan, batch = packet.eth, packet.ip4, packet.udp, packet.vxlan, work.batch
  for _ = 1, passes do
    for p in batch:packets() do
      p:push(eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
        / ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { dport = 4789 } / vxlan { vni = 7 })
      p:fix()
      p:pull "inner"
    end
  end
  return #list, 0
end

function work.add(passes)
  local batch = work.batch
  work.parsed = work.parsed or packet.parse(list[1], "eth")
  for _ = 1, passes do
    batch:clear()
    for _ = 1, #list do
      batch:add(work.parsed)
    end
  end
  return #list, 0
end

function work.view(passes)
  local batch, n = work.batch, 0
  work.batch:clear()
  for _ = 1, passes * 100 do
    for _ in batch:packets() do
      n = n + 1
    end
  end
  return 100, n
end

-- What a thing that make() makes takes when each of many is kept and what was made between
-- them is not.
local function kept(make)
  local things = {}
  collectgarbage()
  collectgarbage()
  local before = collectgarbage "count"
  for i = 1, 200 do
    things[i] = make()
    for _ = 1, 100 do
      make()
    end
  end
  collectgarbage()
  collectgarbage()
  return (collectgarbage "count" - before) * 1024 / #things
end

if what == "copy" then
  local p = packet.parse(list[1], "eth")
  turns.take(function()
    return kept(function() return p:copy() end) - #list[1]
  end)
  return
end

work.batch = filled()
local run, turn = work[what], 0
local passes = math.ceil((compiled and 200000 or 20000)
  / (({ build = 1000, print = 10000, tunnel = 10000, view = 1000 })[what] or 1000)
  / math.max(#list, 1) * 1000)
local WARM_UP = 3 -- turns in which traces are made
-- Where there must be none: usual packets.
local GARBAGE = compiled and path:find "/mix$" and { read = true, hand = true, nat = true }

turns.take(function()
  collectgarbage()
  if GARBAGE and GARBAGE[what] then
    collectgarbage "stop"
  end
  local before, start = collectgarbage "count", turns.processor()
  local packets = run(passes)
  local time = turns.processor() - start
  local each = (collectgarbage "count" - before) * 1024 / (packets * passes)
  collectgarbage "restart"
  turn = turn + 1
  if GARBAGE and GARBAGE[what] and turn > WARM_UP and each >= 2 then -- a view a pass
    error("garbage: bytes a packet: " .. each)
  end
  return time / (packets * passes)
end)
