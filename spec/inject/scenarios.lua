-- scenarios.lua: what the searches for faults go through, one after the other. Each runs in
-- a process of its own, in a network namespace without links:
--   name, as SCENARIO= of the Makefile matches it;
--   says: what a message may be about, patterns with "|" between them;
--   setup(): optional, makes what is there before; its result is the world of the others;
--   run(world): one call of the library, which does all that it was asked or nothing:
--     value | nil, message, errno;
--   look(world): optional, what to compare beside the links, addresses and routes;
--   fresh: nothing of the library has run before, so it opens its netlink socket;
--   closes: how many descriptors less there are afterwards;
--   raises: an iterator, whose failure is raised;
--   refused: what the message has in it, of a call whose last step the kernel refuses, so
--     that the others are undone;
--   believes: a failure after which less is done than was asked, "call errno";
--   judge(world, ...): optional, what is wrong with the results of run, where they need not
--     be those of a run in which nothing failed
local fault = require "fault"
local tun = require "tun"

local scenarios = {}

-- What a message of a device may be about.
local DEVICE = "[tp][01]|^/dev/net/tun|^address|^route|^batch|^udp"

local function add(name, t)
  t.name = name
  scenarios[#scenarios + 1] = t
end

-- true or the triple of a call that returns an object.
local function opened(world, object, why, errno)
  world.object = object or false
  return object and true, why, errno
end

-- -- Sandbox ---------------------------------------------------------------------

local function namespace()
  local link = io.popen "readlink /proc/$PPID/ns/net"
  local id = link:read "*l"
  link:close()
  return id
end

-- The state of lo in the namespace that it has moved to.
local function look_at_lo(world)
  if namespace() ~= world.id then
    return tun.link.get "lo".flags
  end
end

local function is_told(world, ok, why)
  if not ok and namespace() ~= world.id and not tostring(why):find "has moved" then
    return "it has moved and does not say so"
  end
end

add("sandbox of root", {
  fresh = true, says = "network namespace",
  setup = function() return { id = namespace() } end,
  run = function() return tun.sandbox() end,
  judge = is_told, look = look_at_lo,
})

add("sandbox of a user", {
  fresh = true, says = "network namespace",
  setup = function()
    fault.drop(65534)
    return { id = namespace() }
  end,
  run = function() return tun.sandbox() end,
  judge = is_told, look = look_at_lo,
})

add("netns", {
  says = "/proc/thread%-self/ns/net",
  run = function(world) return opened(world, tun.netns()) end,
})

-- -- Open ------------------------------------------------------------------------

local function options(object)
  local t = {}
  for _, name in ipairs { "vnet_hdr_size", "vnet_le", "sndbuf", "offload" } do
    t[name] = object:get(name)
  end
  return t
end

local ROUTES = { { dst = "10.4.0.0/16" }, { dst = "10.5.0.0/16", via = "10.3.0.9", metric = 5 },
                 { dst = "fd04::/32", via = "fd03::9" } }
local ADDRESSES = { "10.3.0.1/24", { address = "fd03::1/64", nodad = true } }

local OFFLOAD = { "csum", "tso4", "tso6", "udp_tunnel_gso" }

add("open new plain", {
  fresh = true, says = "tun|a new device",
  run = function(world) return opened(world, tun.open()) end,
})

add("open new full", {
  says = DEVICE,
  run = function(world)
    return opened(world, tun.open {
      name = "t0", mode = "tap", index = 77, pi = true, vnet_hdr = true, multi_queue = true,
      napi = true, no_carrier = true, one_queue = true, excl = true,
      mac = "02:00:00:00:00:02", sndbuf = 100000, vnet_hdr_size = 24, vnet_le = true,
      threaded = true, carrier = true, filter = { { 6, 0, 0, 65535 } }, nocsum = true, debug = 1,
      tx_filter = { allmulti = true, "02:00:00:00:00:01" }, steering_bpf = false,
      filter_bpf = false, offload = OFFLOAD, owner = 0, group = 0, persist = true,
      mtu = 1300, txqlen = 50, alias = "a", address = ADDRESSES, routes = ROUTES,
    })
  end,
  look = function(world) return world.object and options(world.object) end,
})

local function persistent(t)
  local all = { name = "p0", index = 7, mode = "tap", persist = true, vnet_hdr = true, mtu = 1400,
                txqlen = 700, alias = "before", inet6_addr_gen_mode = "none",
                mac = "02:00:00:00:00:01", vnet_hdr_size = 12, sndbuf = 5000,
                address = { "10.1.0.1/24", { address = "fd01::1/64", nodad = true } },
                routes = { { dst = "10.2.0.0/16", via = "10.1.0.9", metric = 5 },
                           { dst = "10.2.0.0/16", table = 500 },
                           { dst = "fd02::/32", via = "fd01::9" } } }
  for key, value in pairs(t or {}) do
    all[key] = value
  end
  return { held = assert(tun.open(all)) }
end

local function look_at_held(world)
  return options(world.held)
end

add("open attached full", {
  says = DEVICE,
  setup = function() return persistent { multi_queue = true } end,
  run = function(world)
    return opened(world, tun.open {
      name = "p0", multi_queue = true, mac = "02:00:00:00:00:02", vnet_hdr_size = 24,
      vnet_le = true, mtu = 1300, txqlen = 50, alias = "after",
      address = ADDRESSES, routes = ROUTES, offload = OFFLOAD, owner = 0, group = 0,
      persist = false,
    })
  end,
  look = look_at_held,
})

add("open attached with other flags", {
  says = DEVICE,
  setup = function()
    persistent().held:close()
    return {}
  end,
  run = function(world)
    return opened(world, tun.open { name = "p0", pi = true, vnet_hdr = false, mtu = 1350,
                                    address = ADDRESSES })
  end,
})

add("open attached and down", {
  says = DEVICE,
  setup = function()
    persistent().held:close()
    return {}
  end,
  run = function(world)
    return opened(world, tun.open { name = "p0", up = false, link_type = 512, mtu = 1000 })
  end,
})

-- No program of the kernel's: one of the last steps, which is refused.
local REFUSED = 0

add("open attached in vain", {
  says = DEVICE, refused = "steering_bpf",
  setup = function()
    persistent().held:close()
    return {}
  end,
  run = function(world)
    return opened(world, tun.open { name = "p0", pi = true, vnet_hdr = false, mtu = 1350,
                                    address = ADDRESSES, routes = ROUTES,
                                    steering_bpf = REFUSED })
  end,
})

add("open attached with a filter in vain", {
  says = DEVICE, refused = "has a filter",
  setup = function()
    persistent { filter = { { 6, 0, 0, 65535 } } }.held:close()
    return {}
  end,
  run = function(world)
    return opened(world, tun.open { name = "p0", pi = true, vnet_hdr = false })
  end,
})

add("features", {
  says = "/dev/net/tun",
  run = function() return tun.features() end,
})

-- -- Of a device -----------------------------------------------------------------

add("set", {
  says = DEVICE,
  setup = persistent,
  run = function(world)
    return world.held:set {
      mac = "02:00:00:00:00:02", vnet_hdr_size = 24, vnet_le = true, sndbuf = 7000,
      filter = { { 6, 0, 0, 65535 } }, mtu = 1300, txqlen = 50, alias = "after",
      address = ADDRESSES, routes = ROUTES, tx_filter = false, offload = OFFLOAD, owner = 0,
    }
  end,
  look = look_at_held,
})

add("set offload", {
  says = DEVICE, setup = persistent,
  run = function(world) return world.held:set { offload = true } end,
})

add("set name", {
  says = DEVICE,
  setup = persistent,
  run = function(world) return world.held:set { name = "p1", mtu = 1350 } end,
})

add("set down", {
  says = DEVICE,
  setup = persistent,
  run = function(world) return world.held:set { up = false, link_type = 1, mtu = 1000 } end,
})

add("set in vain", {
  says = DEVICE, refused = "steering_bpf",
  setup = persistent,
  run = function(world)
    return world.held:set { mac = "02:00:00:00:00:02", vnet_hdr_size = 24, mtu = 1300,
                            alias = "after", address = ADDRESSES, routes = ROUTES,
                            steering_bpf = REFUSED }
  end,
  look = look_at_held,
})

add("set down in vain", {
  says = DEVICE, refused = "steering_bpf",
  setup = persistent,
  run = function(world)
    return world.held:set { up = false, mtu = 1000, steering_bpf = REFUSED }
  end,
})

add("set up with a token", {
  says = DEVICE,
  setup = function() return { held = assert(tun.open { name = "t0", mode = "tap",
    mac = "02:00:00:00:00:02" }) } end,
  run = function(world)
    return world.held:set { up = true, inet6_token = "::5", txqlen = 70, mtu = 1400 }
  end,
})

for _, name in ipairs { "name", "features", "link_type", "offload", "filter", "sndbuf",
    "vnet_hdr_size", "vnet_le", "threaded", "mac", "netns", "socket_netns", "mtu", "owner",
    "up", "address", "routes" } do
  add("get " .. name, {
    says = DEVICE,
    setup = persistent,
    run = function(world)
      local value, why, errno = world.held:get(name)
      if type(value) == "userdata" then
        value = opened(world, value)
      end
      return value, why, errno
    end,
  })
end

local VERBS = {
  index = function(device) return device:index() end,
  link = function(device) return device:link() end,
  addresses = function(device) return device:addresses() end,
  routes = function(device) return device:routes { table = "all" } end,
  up = function(device) return device:up() end,
  down = function(device) return device:down() end,
  flags = function(device) return device:flags() end,
  name = function(device) return device:name() end,
  ["add_address"] = function(device) return device:add_address "10.6.0.1/24" end,
  ["del_address"] = function(device) return device:del_address "10.1.0.1/24" end,
  ["add_route"] = function(device) return device:add_route "10.6.0.0/24" end,
  ["del_route"] = function(device) return device:del_route "fd02::/32" end,
  close = function(device) return device:close() end,
}
for verb, call in pairs(VERBS) do
  add("device " .. verb, {
    says = DEVICE,
    setup = persistent,
    run = function(world) return call(world.held) end,
    closes = verb == "close" and 1 or nil,
  })
end

-- -- Nouns -----------------------------------------------------------------------

local function bridge()
  assert(tun.link.add { name = "b0", kind = "bridge", address = "02:00:00:00:00:09" })
  return {}
end

add("link add", {
  fresh = true, says = "link b1|^netlink",
  run = function()
    return tun.link.add { name = "b1", kind = "bridge", address = "02:00:00:00:00:07", mtu = 1400,
                          altnames = { "bridge-one", "bridge-two" }, inet6_addr_gen_mode = "none" }
  end,
})

add("link add in vain", {
  says = "link b1|^netlink", refused = "link b1: File exists",
  run = function()
    return tun.link.add { name = "b1", kind = "bridge", mtu = 1400, altnames = { "lo" } }
  end,
})

-- A device with a rule, a neighbour and a nexthop.
local function filled_tables()
  local world = persistent()
  assert(tun.rule.add { from = "10.7.0.0/16", table = 500, priority = 70 })
  assert(tun.neigh.add { dst = "10.1.0.7", lladdr = "02:00:00:00:00:77", dev = "p0" })
  assert(tun.nexthop.add { id = 7, via = "10.1.0.7", dev = "p0" })
  return world
end

local NOUNS = {
  { "link", "b0", bridge, {
    { "set", { dev = "b0", name = "b2", mtu = 1300, alias = "x", up = true } },
    { "get", "b0" }, { "del", "b0" }, { "list", { kind = "bridge" } },
    { "addproperty", { name = "b0", altnames = { "other" } } },
  } },
  { "addr", "10.6.0.1/24", persistent, {
    { "add", { address = "10.6.0.1/24", dev = "p0" } },
    { "replace", { address = "10.6.0.1/24", dev = "p0", label = "p0:x" } },
    { "del", { address = "10.1.0.1/24", dev = "p0" } },
    { "get", { address = "10.1.0.1/24", dev = "p0" } },
    { "list", { dev = "p0" } },
    { "flush", { dev = "p0", address = "10.1.0.1/24" } },
  } },
  { "route", "10.6.0.0/24", persistent, {
    { "add", { dst = "10.6.0.0/24", dev = "p0" } },
    { "replace", { dst = "10.6.0.0/24", via = "10.1.0.9" } },
    { "append", { dst = "10.6.0.0/24", nexthops = { { dev = "p0", via = "10.1.0.8" },
                                                    { dev = "p0", via = "10.1.0.7" } } } },
    { "change", { dst = "10.2.0.0/16", metric = 5, via = "10.1.0.8" } },
    { "del", { dst = "10.2.0.0/16", metric = 5 } },
    { "get", "10.2.3.4" },
    { "list", { table = "all" } },
    { "flush", { dst = "10.2.0.0/16", table = "main" } },
  } },
  { "rule", "71", filled_tables, {
    { "add", { from = "10.8.0.0/16", table = 500, priority = 71 } },
    { "get", 70 }, { "del", 70 }, { "list", {} },
    { "flush", { priority = 70 } },
  } },
  { "neigh", "10.1.0.8", filled_tables, {
    { "add", { dst = "10.1.0.8", lladdr = "02:00:00:00:00:78", dev = "p0" } },
    { "replace", { dst = "10.1.0.7", lladdr = "02:00:00:00:00:78", dev = "p0" } },
    { "get", { dst = "10.1.0.7", dev = "p0" } },
    { "del", { dst = "10.1.0.7", dev = "p0" } },
    { "list", { dev = "p0" } },
    { "flush", { dev = "p0", state = "permanent" } },
  } },
  { "nexthop", "8", filled_tables, {
    { "add", { id = 8, via = "10.1.0.8", dev = "p0" } },
    { "replace", { id = 7, via = "10.1.0.9", dev = "p0" } },
    { "get", 7 }, { "del", 7 }, { "list", { dev = "p0" } },
    { "flush", { dev = "p0" } },
  } },
}
local WORDS = { addr = "address", neigh = "neighbour" }
local PLURALS = { addr = "addresses", neigh = "neighbours" }
for _, row in ipairs(NOUNS) do
  for _, call in ipairs(row[4]) do
    local noun, verb, what = row[1], call[1], call[2]
    add(noun .. " " .. verb, {
      says = WORDS[noun] or noun, setup = row[3],
      -- what the kernel says is gone with its link needs no deletion
      believes = verb == "flush" and "SIOCGIFINDEX ENODEV" or nil,
      run = function() return tun[noun][verb](what) end,
    })
  end
  add(row[1] .. " each", {
    says = PLURALS[row[1]] or row[1] .. "s", setup = row[3], raises = true,
    run = function()
      local all = {}
      for object in tun[row[1]].each {} do
        all[#all + 1] = object
      end
      return all
    end,
  })
end

-- -- Queues ----------------------------------------------------------------------

local function queues()
  local world = persistent { multi_queue = true }
  world.queue = assert(world.held:queue())
  return world
end

add("queue", {
  says = DEVICE,
  setup = function() return persistent { multi_queue = true } end,
  run = function(world) return opened(world, world.held:queue()) end,
})

add("queue detach", {
  says = DEVICE, setup = queues,
  run = function(world) return world.queue:detach() end,
})

add("queue attach", {
  says = DEVICE,
  setup = function()
    local world = queues()
    assert(world.queue:detach())
    return world
  end,
  run = function(world) return world.queue:attach() end,
})

-- -- Packets ---------------------------------------------------------------------

-- IPv4 and UDP from 10.1.0.2:5000 to 10.1.0.1:5001 and back, with 4 bytes. No checksum of UDP.
local HEADER = "\69\0\0\32\0\0\0\0\64\17"
local INWARD = HEADER .. "\102\201\10\1\0\2\10\1\0\1\19\136\19\137\0\12\0\0abcd"

local function tunnel(name, n)
  return assert(tun.open { name = name, inet6_addr_gen_mode = "none",
                           address = ("10.%d.0.1/24"):format(n) })
end

-- A device with packets that wait to be read.
local function filled(world)
  world = world or {}
  world.device = tunnel("t0", 1)
  world.socket = assert(tun.udp { bind = "10.1.0.1:5001" })
  for i = 1, 3 do
    assert(world.socket:write("packet" .. i, "10.1.0.2:5000"))
  end
  return world
end

add("device read", {
  says = DEVICE, setup = filled,
  run = function(world) return world.device:read(1) end,
})

add("device packets", {
  says = DEVICE, setup = filled, raises = true,
  run = function(world)
    local step, state = world.device:packets()
    return tostring(step(state))
  end,
  judge = function() end, -- it ends when the device is deleted
})

add("device write", {
  says = DEVICE, setup = filled,
  run = function(world) return world.device:write(INWARD) end,
})

add("device send", {
  says = DEVICE, setup = filled,
  run = function(world) return world.device:send(INWARD) end,
})

add("device timeout", {
  says = DEVICE,
  setup = function() return { device = tunnel("t0", 1) } end,
  run = function(world)
    local bytes, why, errno = world.device:read(0.01)
    if why == "timeout" then
      return true
    end
    return bytes, why, errno
  end,
})

add("poll", {
  says = "poll", setup = filled,
  run = function(world)
    local ready, why, errno = tun.poll({ world.device }, 1)
    return ready and #ready, why, errno
  end,
})

add("batch", {
  says = "batch",
  run = function(world) return opened(world, tun.batch {}) end,
})

local function is_in_batch(world, n)
  if (n or 0) ~= world.batch:count() then
    return ("%s received and %d there"):format(tostring(n), world.batch:count())
  end
end

add("batch receive", {
  says = DEVICE,
  setup = function()
    local world = filled()
    world.batch = assert(tun.batch())
    return world
  end,
  run = function(world) return world.device:receive(world.batch, 1) end,
  judge = is_in_batch,
})

add("batch send", {
  says = DEVICE,
  setup = function()
    local world = filled()
    world.batch = assert(tun.batch { headroom = 0 })
    for _ = 1, 3 do
      assert(world.batch:add(INWARD))
    end
    return world
  end,
  run = function(world) return world.device:send(world.batch) end,
  judge = function(world, n)
    local left = world.batch:count()
    if not (left >= 0 and left + (n or 0) <= 3) then
      return ("%s sent and %d left of 3"):format(tostring(n), left)
    end
  end,
})

-- -- UDP -------------------------------------------------------------------------

add("udp open", {
  says = "udp",
  setup = function() return { device = tunnel("t0", 1) } end,
  run = function(world)
    return opened(world, tun.udp {
      bind = "10.1.0.1:5000", connect = "10.1.0.2:5001", dev = "t0", rcvbuf = 100000,
      sndbuf = 100000, reuse_port = true, reuse_addr = true, broadcast = true, freebind = true,
      transparent = true, df = true, mark = 5, priority = 3, tos = 8, ttl = 9,
    })
  end,
})

add("udp open IPv6", {
  says = "udp",
  run = function(world)
    return opened(world, tun.udp { bind = "[::]:0", v6only = true, df = false, ttl = 9, tos = 8 })
  end,
})

local UDP = { rcvbuf = 50000, df = true, mark = 6, tos = 16, ttl = 7, gro = false,
              priority = 2, broadcast = true }

add("udp set", {
  says = "udp",
  setup = function() return { socket = assert(tun.udp { bind = "[::]:0" }) } end,
  run = function(world) return world.socket:set(UDP) end,
  look = function(world)
    local t = {}
    for name in pairs(UDP) do
      t[name] = world.socket:get(name)
    end
    return t
  end,
})

add("udp connect", {
  says = "udp", setup = filled,
  run = function(world) return world.socket:connect "10.1.0.2:5001" end,
  look = function(world) return { world.socket:peer() } end,
})

add("udp write", {
  says = "udp", setup = filled,
  run = function(world) return world.socket:write("abc", "10.1.0.2:5001") end,
})

-- A socket with datagrams that wait to be read.
local function delivered()
  local world = filled()
  for _ = 1, 3 do
    assert(world.device:write(INWARD))
  end
  world.batch = assert(tun.batch())
  return world
end

add("udp read", {
  says = "udp", setup = delivered,
  run = function(world) return world.socket:read(1) end,
})

add("udp batch receive", {
  says = "udp", setup = delivered,
  run = function(world) return world.socket:receive(world.batch, 1) end,
  judge = is_in_batch,
})

add("udp batch send", {
  says = "udp",
  setup = function()
    local world = delivered()
    for i = 1, 5 do
      assert(world.batch:add("payload" .. i))
    end
    return world
  end,
  run = function(world) return world.socket:send(world.batch, "10.1.0.2:5001") end,
  judge = function(world, n)
    local left = world.batch:count()
    if not (left >= 0 and left + (n or 0) <= 5) then
      return ("%s sent and %d left of 5"):format(tostring(n), left)
    end
  end,
})

-- -- Forward ---------------------------------------------------------------------

local function forward(world)
  local result, why, errno = tun.forward(world.device, world.to, { seconds = 0.05 })
  if why ~= "timeout" then
    return nil, why, errno
  end
  return result
end

-- What came is carried, dropped, refused, or held.
local function is_counted(_, result, why)
  local there = result and result[1] or { packets = 0, dropped = 0, refused = 0 }
  if there.packets + there.dropped + there.refused > 3 then
    return "more than there was: " .. tostring(why)
  end
end

add("forward to a device", {
  says = DEVICE,
  setup = function()
    local world = filled()
    world.to = tunnel("p0", 2)
    return world
  end,
  run = forward, judge = is_counted,
})

add("forward to a socket", {
  says = DEVICE,
  setup = function()
    local world = filled()
    world.below = tunnel("p0", 2)
    world.to = assert(tun.udp { bind = "10.2.0.1:0", connect = "10.2.0.2:9" })
    return world
  end,
  run = forward, judge = is_counted,
})

-- The same order in every process, for slices.
table.sort(scenarios, function(a, b) return a.name < b.name end)

return scenarios
