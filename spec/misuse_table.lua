-- misuse_table.lua: what misuse.lua calls: on what, and with what.
local packet = require "tun.packet"
local tun = require "tun"

-- -- Objects --------------------------------------------------------------------

-- Each can be read from without waiting once it was fed.
local function device()
  local dev = assert(tun.open { address = "10.77.0.1/24", mode = "tun", multi_queue = true,
                                inet6_addr_gen_mode = "none" })
  dev:settimeout(0)
  return dev
end

local function socket()
  local sock = assert(tun.udp { bind = "127.0.0.1:0" })
  sock:settimeout(0)
  assert(sock:connect(sock:address()))
  return sock
end

local function batch()
  local full = assert(tun.batch { slots = 4, size = 2000 })
  for i = 1, 3 do
    assert(full:add(packet.ip4 { src = "10.77.0.2", dst = "10.77.0.1" }
      / packet.udp { dport = i } / "abc"))
  end
  return full
end

local function built()
  return packet.eth {} / packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
    / packet.tcp { dport = 80, options = { { "mss", 1460 } } } / "abc"
end

local function parsed()
  return packet.parse(built():bytes(), "eth")
end

local function closed(make)
  return function()
    local object = make()
    object:close()
    return object
  end
end

-- What a finalizer finds that runs after the object's own: they run in the opposite order of
-- the objects' making.
local function collected(make)
  return function()
    local found
    local function leave()
      local object
      local function keep()
        found = object
      end
      local holder = newproxy and newproxy(true) or setmetatable({}, { __gc = keep })
      getmetatable(holder).__gc = keep
      object = make()
      return holder
    end
    leave()
    for _ = 1, 10 do
      collectgarbage()
    end
    return assert(found, "was not collected")
  end
end

local function open(object)
  return object:fd() >= 0
end

-- By name: how one is made, and whether it is as it was made.
local objects = {
  device = { device, function(dev) return open(dev) and dev:name() end },
  ["closed device"] = { closed(device) },
  ["deleted device"] = { function()
    local dev = device()
    assert(tun.link.del(dev))
    return dev
  end, open },
  ["collected device"] = { collected(device) },
  batch = { batch, function(b) return #b == 3 and b:mode() == "tun" end },
  ["collected batch"] = { collected(batch) },
  socket = { socket, function(s) return open(s) and s:peer() end },
  ["closed socket"] = { closed(socket) },
  ["collected socket"] = { collected(socket) },
  netns = { tun.netns, open },
  ["closed netns"] = { closed(tun.netns) },
  ["collected netns"] = { collected(tun.netns) },
  packet = { parsed, function() return false end },
  ["packet of a batch"] = { function() return batch():packet(2) end, function() return false end },
  ["packet of a collected batch"] = { collected(function() return batch():packet(2) end) },
  stack = { built, function() return false end },
  header = { function() return packet.udp {} end, function() return false end },
  layer = { function() return parsed().tcp end, function() return false end },
  message = { function() return (packet.ip4 {} / packet.udp {} / packet.dns {}).dns end,
              function() return false end },
  protocol = { function() return packet.tcp end },
  reassembler = { packet.reassembler },
  ["link loop"] = { function() return select(2, tun.link.each {}) end },
  file = { function() return io.stderr end },
  ["closed file"] = { closed(io.tmpfile) },
  thread = { function() return coroutine.create(function() end) end },
}

-- -- Values ---------------------------------------------------------------------

-- What is no object. A script's own functions and metamethods may raise what they like.
local values = {
  n = 24, nil, false, true, 0, 1, -1, 2, 1.5, 0 / 0, math.huge, -math.huge, 2 ^ 31, 2 ^ 53, 1e300,
  "", "x", "\0", "lo\0", "10.0.0.1:1", ("x"):rep(70000), {}, { 1 }, { {} },
  function() end,
}

-- -- Functions ------------------------------------------------------------------

-- What waits as long as it is told to, and is right to do so.
local function waits(i)
  return function(args)
    local seconds = rawget(args, i)
    return seconds == nil or type(seconds) == "number" and seconds > 0
  end
end

-- By name: arguments that are right, "@name" being an object; never(args) where a call would
-- be right and go on for ever. Those that are missing are called with wrong ones only.
local rows = {
  ["tun.poll"] = { { "@device", { "@socket", "r" } }, 0, never = waits(2) },
  ["tun.forward"] = { "@device", "@socket", { seconds = 0, slots = 2, headroom = 300,
                                              edit = function() end },
    never = function(args)
      return args[3] == nil or type(args[3]) == "table" and waits "seconds" (args[3])
    end },
  ["tun.open"] = { { name = "t%d", mode = "tun", address = "10.78.0.1/24",
                     routes = { "10.79.0.0/24" }, mtu = 1400, up = true, pi = false,
                     multi_queue = false, index = 77,
                     offload = { "csum" }, persist = false, owner = 0, alias = "x", master = 0,
                     flags = { arp = true } } },
  ["tun.batch"] = { { slots = 2, size = 100, headroom = 10, mode = "tun" } },
  ["tun.udp"] = { { bind = "127.0.0.1:0", connect = "127.0.0.1:9", dev = "lo", rcvbuf = 10000,
                    ttl = 3, df = true, gso = true, tos = 1 } },
  ["tun.netns"] = { "/proc/self/ns/net" },
  ["tun.link.add"] = { { kind = "dummy", name = "d0", mtu = 1400, up = false,
                         altnames = { "d1" } } },
  ["tun.link.set"] = { { dev = "@device", mtu = 1400, up = true, flags = { arp = true } } },
  ["tun.link.get"] = { { name = "lo" } },
  ["tun.link.del"] = { { name = "nosuch" } },
  ["tun.link.list"] = { { name = "lo", up = true, mtu = 1500 } },
  ["tun.link.each"] = { { name = "lo", up = true } },
  ["tun.link.flush"] = { { kind = "dummy" } },
  ["tun.addr.add"] = { { dev = "@device", address = "10.80.0.1/24", peer = "10.80.0.1/24",
                         nodad = true, label = "x" } },
  ["tun.addr.del"] = { { dev = "lo", address = "10.80.0.1/24" } },
  ["tun.addr.list"] = { { dev = "lo", family = "inet" } },
  ["tun.addr.get"] = { { dev = "lo" } },
  ["tun.route.add"] = { { dst = "10.81.0.0/24", dev = "@device", via = "10.77.0.9", metric = 3,
                          table = "main", nexthops = nil } },
  ["tun.route.get"] = { { dst = "10.77.0.4" } },
  ["tun.route.list"] = { { dev = "@device", table = "all" } },
  ["packet.parse"] = { "x", "eth" },
  ["packet.header"] = { "strange", { { "one", 8 }, { "two", 8, default = 1 } } },
  ["packet.reassembler"] = { { timeout = 1, bytes = 1, datagrams = 1, fragments = 1 } },
  ["reassembler:add"] = { "@packet", 1 },
  ["reassembler:expire"] = { 1 },
  ["device:add_address"] = { "10.82.0.1/24", { nodad = true } },
  ["device:del_address"] = { "10.82.0.1/24", {} },
  ["device:add_route"] = { "10.83.0.0/24", { via = "10.77.0.9" } },
  ["device:del_route"] = { "10.83.0.0/24", {} },
  ["device:routes"] = { { table = "all" } },
  ["device:get"] = { "mtu" },
  ["device:set"] = { { mtu = 1400, address = "10.84.0.1/24", up = true, sndbuf = 10000 } },
  ["device:read"] = { 0 },
  ["device:next"] = { 0 },
  ["device:receive"] = { "@batch", 0 },
  ["device:receivefrom"] = { "@batch", 0 },
  ["device:send"] = { "@packet" },
  ["device:write"] = { "x", "y" },
  ["device:settimeout"] = { 0 },
  ["device:send_place"] = { "@batch", 1 },
  ["socket:set"] = { { rcvbuf = 10000, ttl = 3, df = true } },
  ["socket:get"] = { "ttl" },
  ["socket:getoption"] = { "ttl" },
  ["socket:setoption"] = { "ttl", 3 },
  ["socket:connect"] = { "127.0.0.1:9" },
  ["socket:read"] = { 0 },
  ["socket:receive"] = { "@batch", 0 },
  ["socket:receivefrom"] = { "@batch", 0 },
  ["socket:send"] = { "@batch", "127.0.0.1:9" },
  ["socket:write"] = { "@packet", "127.0.0.1:9" },
  ["socket:settimeout"] = { 0 },
  ["batch:add"] = { "@packet" },
  ["batch:append"] = { "x", "x", "x" },
  ["batch:move"] = { 1, "@batch" },
  ["batch:swap"] = { 1, 2 },
  ["batch:drop"] = { 1 },
  ["batch:packet"] = { 1 },
  ["batch:slot"] = { 1 },
  ["batch:resize"] = { 1, 200, 10 },
  ["batch:segment"] = { "@batch", 1400 },
  ["batch:set"] = { { ttl = 3, src = "10.0.0.1" } },
  ["packet:move"] = { "@batch" },
  ["packet:push"] = { "@header" },
  ["packet:pull"] = { "ip4" },
  ["packet:set_payload"] = { "x" },
  ["packet:segment"] = { 8 },
  ["packet:fragment"] = { 1280, 7 },
  ["packet:reply"] = { { error = "too_big", mtu = 1400, src = "10.0.0.1",
                         mac = "02:00:00:00:00:01" } },
  ["layer:set_options"] = { { { "mss", 3 } } },
}

-- What is written with an operator. Numbers are where packets and layers keep what they are,
-- of which no metamethod is told.
local function is_inside(args)
  return type(args[1]) == "table" and type(args[2]) == "number"
end

local function get(object, key)
  return object[key]
end

local function set(object, key, value)
  object[key] = value
end

-- On the object alone, as its first argument is no argument of the library's.
local operators = {
  ["packet / value"] = { "@packet", "@header", call = function(a, b) return a / b end },
  ["value / packet"] = { "@packet", "@header", call = function(a, b) return b / a end },
  ["packet[key]"] = { "@packet", "tcp", call = get },
  ["packet[key] = value"] = { "@packet", "payload", "x", call = set, never = is_inside },
  ["packet.peer = value"] = { "@packet of a batch", "10.0.0.1:9",
                              call = function(a, b) a.peer = b end },
  ["stack[key]"] = { "@stack", "tcp", call = get },
  ["stack[key] = value"] = { "@stack", "payload", "x", call = set, never = is_inside },
  ["layer[key]"] = { "@layer", "sport", call = get },
  ["layer[key] = value"] = { "@layer", "sport", 3, call = set, never = is_inside },
  ["packet.key"] = { "tcp", call = function(key) return packet[key] end },
}

return { objects = objects, values = values, rows = rows, operators = operators }
