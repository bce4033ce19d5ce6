-- turns.lua -- for the measured programs: the clock, and taking turns as
-- spec/bench/run.lua asks for them.
local turns = { now = os.clock, processor = os.clock }

local jitted, ffi = pcall(require, "ffi")
if jitted then
  ffi.cdef [[
  struct bench_timespec { long sec, nsec; };
  int clock_gettime(int, struct bench_timespec *);
  ]]

  local MONOTONIC, PROCESS_CPUTIME_ID = 1, 2
  local time = ffi.new("struct bench_timespec")

  local function seconds(clock)
    ffi.C.clock_gettime(clock, time)
    return tonumber(time.sec) + tonumber(time.nsec) / 1e9
  end

  --- Seconds on the monotonic clock; without the FFI, of the processor.
  function turns.now()
    return seconds(MONOTONIC)
  end

  --- Seconds of the processor that this process had: the machine may have other work.
  function turns.processor()
    return seconds(PROCESS_CPUTIME_ID)
  end
end

--- Sorts the figures.
function turns.median(figures)
  table.sort(figures)
  return figures[math.floor(#figures / 2) + 1]
end

--- For each line on standard input take a turn and print its figure.
function turns.take(turn)
  for _ in io.lines() do
    print(turn())
    io.flush()
  end
end

return turns
