-- fresh.lua -- for work that a process does once: each turn is the median of what some new
-- processes print. Usage: fresh.lua command...
local turns = require "spec.bench.turns"

local TIMES = 5
local command = table.concat(arg, " ")

turns.take(function()
  local figures = {}
  for i = 1, TIMES do
    local output = assert(io.popen(command))
    figures[i] = output:read "*n" or error(command .. " failed")
    output:close()
  end
  return turns.median(figures)
end)
