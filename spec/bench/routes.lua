-- routes.lua -- reading a routing table.
-- Usage: routes.lua list        seconds for the main table as a list
--        routes.lua each        seconds for the main table, one at a time
--        routes.lua peak TABLE  most memory in use meanwhile, in bytes
local tun = require "tun"
local turns = require "spec.bench.turns"

local function count(filter)
  local n = 0
  for route in tun.route.each(filter) do
    n = n + (route.dst and 1 or 0)
  end
  return n
end

local TIMES = 5 -- as spec/bench/command.c

-- Each time begins without the garbage of the last one, as a new ip process does.
local function timed(work)
  local took = {}
  for i = 1, TIMES do
    collectgarbage()
    local start = turns.now()
    assert(work() > 0, "no routes")
    took[i] = turns.now() - start
  end
  return turns.median(took)
end

--- The most memory this process had since the last call.
local function peak_memory()
  local status = assert(io.open("/proc/self/status"))
  local kilobytes = status:read("*a"):match "VmHWM:%s*(%d+)"
  status:close()
  local reset = assert(io.open("/proc/self/clear_refs", "w"))
  reset:write("5")
  reset:close()
  return kilobytes * 1024
end

local measures = {
  list = function() return timed(function() return #assert(tun.route.list {}) end) end,
  each = function() return timed(function() return count {} end) end,
  peak = function()
    collectgarbage()
    peak_memory()
    count { table = tonumber(arg[2]) or arg[2] }
    return peak_memory()
  end,
}

turns.take(measures[arg[1]])
