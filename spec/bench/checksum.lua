-- checksum.lua -- the seconds of processor time of an Internet checksum, as packets have
-- it: a call by the FFI for each.
-- Usage: checksum.lua bytes
local core = require "tun.core"
local ffi = require "ffi"
local turns = require "spec.bench.turns"

local MOST, WORK, TRIALS = 65536, 16 * 1024 * 1024, 8

local n = tonumber(arg[1])
local memory = ffi.new("unsigned char[?]", MOST + 64)
local bytes = memory + tonumber(64 - ffi.cast("uintptr_t", memory) % 64)
local sum = ffi.cast("uint32_t (*)(const unsigned char *, size_t, uint64_t)",
  ffi.cast("uintptr_t", core.checksum_address()))

for i = 0, MOST - 1 do
  bytes[i] = math.random(0, 255)
end

local function run(times)
  local result
  for _ = 1, times do
    result = sum(bytes, n, 0)
  end
  return result
end

-- The least of some trials: what disturbs the machine only adds.
turns.take(function()
  local times, least = math.floor(WORK / (n + 64)), math.huge
  for _ = 1, TRIALS do
    local start = os.clock()
    run(times)
    least = math.min(least, (os.clock() - start) / times)
  end
  return least
end)
