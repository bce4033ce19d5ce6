-- rows.lua -- what `make bench` compares. A row is data:
--   name       what is measured
--   measured, yardstick
--              programs that take a turn for each line on their standard input
--              and print its figure: seconds, bytes; less is better. The
--              yardstick may be absent
--   unit, scale
--              how the figure is shown: figure * scale
--   at_most    bound of measured / yardstick
--   at_least   bound of yardstick / measured, for "so many times faster"
--   within     bound of the figure, in the unit
--              (no bound: for information)
--   rounds     how many turns each takes
--   warm_up    how many it takes before, which do not count; 5 when absent
--   prepare    called once in the network namespace of the row
-- Every row has a network namespace of its own, which both programs share.

local ROUTES = 100000
local LUA = os.getenv "LUA" or "luajit"

local function lua(script) return LUA .. " spec/bench/" .. script end
local function c(program) return "build/bench/" .. program end

--- A full main table, and one of 1000 routes beside it.
local function load_routes()
  local ip = assert(io.popen("ip -batch -", "w"))
  for i = 0, ROUTES - 1 do
    ip:write(("route add 10.%d.%d.%d dev lo\n"):format(
      math.floor(i / 65536), math.floor(i / 256) % 256, i % 256))
  end
  for i = 0, 999 do
    ip:write(("route add 10.0.%d.%d dev lo table 1000\n"):format(
      math.floor(i / 256), i % 256))
  end
  assert(ip:close())
end

-- Rows of packets in memory: the same work with names and by hand, each on the same frames.
-- Those with the compiler off and of Lua 5.4 are for information, or have bounds of their own.
local packets = {}

-- The order of the shapes; another one with SEED=.
local SEED = tonumber(os.getenv "SEED") or 1

local function write(frames)
  return function()
    require "spec.bench.frames".write(frames, SEED)
  end
end

local HOW = {
  default = { "", LUA },
  raised = { ", raised limits", "env LIMITS=raised " .. LUA },
  off = { ", compiler off", "luajit -joff" },
  lua54 = { ", Lua 5.4", "env LUA_CPATH='build/lua5.4/?.so' lua5.4" },
}

-- How packets are told apart: the name of their file, how many, in words.
local function row_of(name, how, work, frames, count, limits)
  local on = ("build/bench/%s %d"):format(frames, count)
  local yardstick = limits.yardstick or c "packets " .. work .. " " .. on
  packets[#packets + 1] = {
    name = name .. HOW[how][1], prepare = write(frames),
    measured = HOW[how][2] .. " spec/bench/packets.lua " .. work .. " " .. on,
    yardstick = yardstick ~= "none" and yardstick or nil, unit = limits.unit or "ns",
    scale = limits.unit and 1 or 1e9, rounds = limits.rounds or 20,
    at_most = limits.at_most, within = limits.within,
  }
end

for _, row in ipairs {
  { "read fields of a packet of a mix", "read", { at_most = 3.5 }, 1200 },
  { "NAT of an address and a port", "nat", { within = 60 } },
  { "build an ICMP echo or a UDP packet", "build", { within = 600, at_most = 8 } },
  { "print a packet's line", "print", { within = 3000 } },
} do
  local name, work, bounds, lua54 = row[1], row[2], row[3], row[4]
  row_of(name, "default", work, "mix", 1000, bounds)
  row_of(name, "raised", work, "mix", 1000, bounds)
  row_of(name, "off", work, "mix", 1000, {})
  row_of(name, "lua54", work, "mix", 1000, { within = lua54 })
end

-- Of many shapes, and of captures of others: make bench CAPTURES=folder.
local sources = { { "shapes", (", seed %d"):format(SEED) } }
if (os.getenv "CAPTURES" or "") ~= "" then
  sources[2] = { "captures", "" }
end
for _, source in ipairs(sources) do
  local frames, words = source[1], " of " .. source[1] .. source[2]
  for _, how in ipairs { "default", "raised" } do
    for _, count in ipairs { 256, 20000 } do
      local of = (" of %d%s"):format(count, words)
      local hand = ("%s spec/bench/packets.lua hand build/bench/%s %d"):format(LUA, frames, count)
      row_of("fields" .. of .. ", to LuaJIT by hand", how, "read", frames, count,
        { at_most = 2.5, yardstick = hand })
      row_of("fields" .. of .. ", to C", how, "read", frames, count, {})
    end
    row_of("parse a string, fields" .. words, how, "parse", frames, 20000,
      { at_most = 12, yardstick = c(("packets read build/bench/%s 20000"):format(frames)) })
    row_of("NAT and fix" .. words, how, "nat", frames, 20000, { at_most = 5 })
  end
  row_of("a line" .. words .. ", to tcpdump", "raised", "print", frames, 20000,
    { at_most = 1, rounds = 5,
      yardstick = lua(("tcpdump.lua build/bench/%s.pcap 20000"):format(frames)) })
  row_of("a line" .. words .. ", to the compiler off", "default", "print", frames, 20000,
    { at_most = 1, rounds = 5,
      yardstick = ("luajit -joff spec/bench/packets.lua print build/bench/%s 20000")
        :format(frames) })
  for _, how in ipairs { "default", "raised" } do
    packets[#packets + 1] = {
      name = "first 20 000 packets" .. words .. HOW[how][1], prepare = write(frames),
      measured = lua("fresh.lua " .. HOW[how][2] .. " spec/bench/once.lua cold build/bench/"
        .. frames .. " 20000"),
      unit = "ns", scale = 1e9, within = 1500, rounds = 5, warm_up = 1,
    }
  end
end

for _, how in ipairs { "default", "raised" } do
  row_of("push and pull Ethernet, IPv4, UDP, VXLAN", how, "tunnel", "mix", 60, { at_most = 8 })
  row_of("append a packet to a batch", how, "add", "mix", 60, { within = 300 })
  row_of("begin to go through a batch", how, "view", "mix", 60,
    { within = 200, yardstick = "none" })
end
row_of("memory of a copy that is kept, its bytes aside", "default", "copy", "mix", 1,
  { within = 600, unit = "B", yardstick = "none", rounds = 3 })

packets[#packets + 1] = {
  name = 'require "tun.packet", to parsing its files',
  measured = lua("fresh.lua " .. LUA .. " spec/bench/once.lua require tun.packet"),
  yardstick = lua("fresh.lua " .. LUA .. " spec/bench/once.lua compile lua/tun/packet"),
  unit = "ms", scale = 1e3, at_most = 2, rounds = 10, warm_up = 1,
}
packets[#packets + 1] = {
  name = 'require "tun"',
  measured = lua("fresh.lua " .. LUA .. " spec/bench/once.lua require tun"),
  unit = "ms", scale = 1e3, within = 3, rounds = 10, warm_up = 1,
}

-- Of another Lua, which needs another module.
local function lua5(version, script)
  return ("env LUA_CPATH='build/lua%s/?.so' lua%s spec/bench/"):format(version, version) .. script
end

-- TCP from one namespace to another, through a forwarder, a tunnel or veth: the seconds of
-- a gigabyte. Every bound is of "so many times as fast as the yardstick".
local function stream(through, options)
  return c "stream " .. (options or "") .. " " .. through
end

local plain_c = stream(c "forward plain")
local REWRITTEN = "-p 5000" -- the port that forward.lua rewrites
local TUNNEL = "-e -m 1400"
local whole = stream(lua "forward.lua whole", REWRITTEN)
local split = stream(lua "forward.lua split")
local tunnel = stream(lua "tunnel.lua", TUNNEL)

local streams = {}
for _, row in ipairs {
  { "forward TCP, plain, to C", stream(lua "forward.lua plain"), plain_c, 0.97 },
  { "forward TCP, whole and edited, to C untouched", whole, stream(c "forward whole"), 0.95 },
  { "forward TCP, whole and edited, to veth", whole, stream "veth", 0.65 },
  { "forward TCP, whole in C, to plain C", stream(c "forward whole"), plain_c, 7 },
  { "forward TCP, split and joined, to C", split, stream(c "forward split"), 0.95 },
  { "forward TCP, split and joined, to plain C", split, plain_c, 5 },
  { "forward TCP, split and joined in C, to plain C", stream(c "forward split"), plain_c, 5 },
  { "forward TCP, from offload to plain, to plain C", stream(lua "forward.lua from"), plain_c, 2 },
  { "forward TCP, from plain to offload, to plain C", stream(lua "forward.lua to"), plain_c, 2 },
  { "forward TCP, from offload to plain, to C", stream(lua "forward.lua from"),
    stream(c "forward from") },
  { "forward TCP, from plain to offload, to C", stream(lua "forward.lua to"),
    stream(c "forward to") },
  { "tunnel TCP over UDP, to C", tunnel, stream(c "tunnel batch", TUNNEL), 0.9 },
  { "tunnel TCP over UDP, to one packet per call in C", tunnel,
    stream(c "tunnel single", TUNNEL), 4 },
} do
  local name, measured, yardstick, at_least = row[1], row[2], row[3], row[4]
  streams[#streams + 1] = {
    name = name, measured = measured, yardstick = yardstick, at_least = at_least,
    unit = "ms", scale = 1e3, rounds = 15, warm_up = 2,
  }
end

-- UDP super-packets of 45 x 1400 B: the seconds of a datagram.
for _, row in ipairs {
  { "wall", "receive UDP super-packets, to C", 0.9 },
  { "cpu", "receive UDP super-packets, to C: processor time" },
} do
  local figure, name, at_least = row[1], row[2], row[3]
  streams[#streams + 1] = {
    name = name,
    measured = c("datagrams " .. figure .. " " .. lua "count.lua"),
    yardstick = c("datagrams " .. figure .. " " .. c "count"),
    unit = "ns", scale = 1e9, at_least = at_least, rounds = 15,
  }
end

-- The program fails when memory is not flat. MINUTE: seconds to take instead of 60.
local MINUTE = os.getenv "MINUTE" or "60"
streams[#streams + 1] = {
  name = "memory of a forwarder after a minute, to C",
  measured = stream(lua "forward.lua whole", REWRITTEN .. " -r " .. MINUTE),
  yardstick = stream(c "forward whole", "-r 1"),
  unit = "MB", scale = 1e-6, within = 12, rounds = 1, warm_up = 0,
}

-- The Internet checksum: the plain loop is short enough to beat for few bytes.
local checksums = {}
for _, row in ipairs {
  { 20, "plain", 1 }, { 1500, "best", 1 / 0.9 }, { 65536, "best", 1 / 0.9 },
} do
  local size, yardstick, at_most = row[1], row[2], row[3]
  checksums[#checksums + 1] = {
    name = ("checksum of %d B, to the %s loop in C"):format(size, yardstick),
    measured = lua "checksum.lua " .. size, yardstick = c "checksum " .. yardstick .. " " .. size,
    unit = "ns", scale = 1e9, at_most = at_most, rounds = 100,
  }
end

-- A UDP reflector of 64-byte packets. Processor time rather than wall time of a packet: it
-- leaves out the generator.
local reflectors = {}
for _, row in ipairs {
  { "reflect UDP with strings, 64 B, to C: a packet",
    "cpu", lua "reflect.lua", 100, 1.45 },
  { "reflect UDP with strings, 64 B, to C: round trip",
    "rtt", lua "reflect.lua", 100, 1.05 },
  { "reflect UDP with named fields, to C: a packet",
    "cpu", lua "reflect_packets.lua", 100, 1.10 },
  { "reflect UDP with named fields, compiler off",
    "cpu", "luajit -joff spec/bench/reflect_packets.lua", 30 },
  { "reflect UDP, hops counted down, fixed, to C",
    "cpu", lua "reflect_hop.lua ttl", 50, 1.10 },
  { "reflect UDP, decrement_ttl(), fixed, to C",
    "cpu", lua "reflect_hop.lua decrement_ttl", 50, 1.10 },
  { "reflect UDP, hops, fixed, a table and a counter, to C",
    "cpu", lua "reflect_hop.lua table", 50, 1.10 },
  { "reflect UDP with batches and named fields, to C",
    "cpu", lua "reflect_fields.lua", 100, 1.05 },
  { "reflect UDP with whole batches, Lua 5.4, to C",
    "cpu", lua5("5.4", "reflect_batch.lua"), 100, 1.2 },
  { "reflect UDP with whole batches, Lua 5.1, to C",
    "cpu", lua5("5.1", "reflect_batch.lua"), 100, 1.2 },
} do
  local name, what, program, rounds, at_most = row[1], row[2], row[3], row[4], row[5]
  reflectors[#reflectors + 1] = {
    name = name, measured = c("echo " .. what .. " " .. program),
    yardstick = c("echo " .. what .. " " .. c "reflect"),
    unit = "us", scale = 1e6, at_most = at_most, rounds = rounds,
  }
end

local rows = {
  {
    name = "set up an open device, to libmnl in C",
    measured = lua "setup.lua", yardstick = c "setup mnl",
    unit = "us", scale = 1e6, at_most = 1.3, rounds = 50,
  },
  {
    name = "set up an open device, to three ip processes",
    measured = lua "setup.lua", yardstick = c "setup ip",
    unit = "us", scale = 1e6, at_least = 20, rounds = 20,
  },
  {
    name = "open and set up a device, to four ip processes",
    measured = lua "setup.lua open", yardstick = c "setup ip-open",
    unit = "us", scale = 1e6, at_least = 8, rounds = 20,
  },
  {
    name = "list 100 000 routes, to ip -j route", prepare = load_routes,
    measured = lua "routes.lua list", yardstick = c "command ip -j route",
    unit = "ms", scale = 1e3, at_most = 1.2, rounds = 10,
  },
  {
    name = "stream 100 000 routes, to ip -j route", prepare = load_routes,
    measured = lua "routes.lua each", yardstick = c "command ip -j route",
    unit = "ms", scale = 1e3, at_most = 0.8, rounds = 10,
  },
  {
    name = "memory to stream 100 000 routes, to 1000", prepare = load_routes,
    measured = lua "routes.lua peak main", yardstick = lua "routes.lua peak 1000",
    unit = "MB", scale = 1e-6, at_most = 1.5, rounds = 5,
  },
}

for _, list in ipairs { reflectors, streams, packets, checksums } do
  for _, row in ipairs(list) do
    rows[#rows + 1] = row
  end
end
return rows
