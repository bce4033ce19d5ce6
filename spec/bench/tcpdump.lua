-- tcpdump.lua -- the seconds that tcpdump takes for the line of a packet: a capture, to none.
-- Usage: tcpdump.lua capture count
local turns = require "spec.bench.turns"

local path, count = arg[1], tonumber(arg[2])
local empty = os.tmpname()
local file, from = assert(io.open(empty, "wb")), assert(io.open(path, "rb"))
file:write(from:read(24))
file:close()
from:close()

local function seconds(capture)
  local start = turns.now()
  assert(os.execute("tcpdump -nn -r " .. capture .. " >/dev/null 2>&1"))
  return turns.now() - start
end

turns.take(function()
  local figures = {}
  for i = 1, 3 do
    figures[i] = (seconds(path) - seconds(empty)) / count
  end
  return turns.median(figures)
end)
