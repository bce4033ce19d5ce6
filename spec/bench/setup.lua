-- setup.lua -- the seconds it takes to give a TUN device an address, an MTU and
-- a route and to bring it up. What undoes it is not timed.
-- Usage: setup.lua       an open device
--        setup.lua open  opening it, too
local tun = require "tun"
local turns = require "spec.bench.turns"

local TIMES = 11

local ways = {}

function ways.configure(dev)
  dev = dev or assert(tun.open { name = "bench", mode = "tun" })
  local start = turns.now()
  assert(dev:add_address "192.168.69.1/24")
  assert(dev:set { mtu = 1400, up = true })
  assert(dev:add_route "10.20.0.0/16")
  local took = turns.now() - start
  -- The route goes when the link goes down.
  assert(dev:set { mtu = 1500, up = false })
  assert(dev:del_address "192.168.69.1/24")
  return took, dev
end

function ways.open()
  local start = turns.now()
  local dev = assert(tun.open {
    name = "bench", mode = "tun",
    address = "192.168.69.1/24", mtu = 1400, routes = { "10.20.0.0/16" },
  })
  local took = turns.now() - start
  dev:close()
  return took
end

local way = ways[arg[1] or "configure"]
local dev
turns.take(function()
  local took = {}
  for i = 1, TIMES do
    took[i], dev = way(dev)
  end
  return turns.median(took)
end)
