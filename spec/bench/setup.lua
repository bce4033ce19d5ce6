-- setup.lua -- the seconds it takes to give a TUN device an address, an MTU and
-- a route and to bring it up; "open" as argument counts opening it too.
local tun = require "tun"
local turns = require "spec.bench.turns"

local function configure()
  local dev = assert(tun.open { name = "bench", mode = "tun" })
  local start = turns.now()
  assert(dev:add_address "192.168.69.1/24")
  assert(dev:set { mtu = 1400, up = true })
  assert(dev:add_route "10.20.0.0/16")
  return turns.now() - start, dev
end

local function open()
  local start = turns.now()
  local dev = assert(tun.open {
    name = "bench", mode = "tun",
    address = "192.168.69.1/24", mtu = 1400, routes = { "10.20.0.0/16" },
  })
  return turns.now() - start, dev
end

local measure = arg[1] == "open" and open or configure
turns.take(function()
  local seconds, dev = measure()
  dev:close()
  return seconds
end)
