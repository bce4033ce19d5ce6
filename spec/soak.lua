-- soak.lua -- TCP by iperf3 through forwarders for a while: no connection may be lost, and
-- neither memory nor descriptors may grow.
-- Usage: soak.lua [seconds]
local process = dofile "spec/process.lua"
local tun = require "tun"

local SECONDS = tonumber(arg[1]) or 60
local SLICE = 0.2 -- seconds between looks
local GROWTH = 2 ^ 20 -- bytes of memory, from a third of the time to the end

local function memory()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/statm")
  local _, pages = file:read("*n", "*n")
  file:close()
  return pages * 4096
end

local function iperf(options)
  return assert(io.popen(("timeout %d iperf3 -f g %s 2>&1"):format(SECONDS + 10, options)))
end

-- The queues of a device in a network namespace of its own.
local function host(name, address, count)
  assert(tun.sandbox())
  local queues = { assert(tun.open { name = name, address = address, offload = true,
                                     multi_queue = count > 1 }) }
  for i = 2, count do
    queues[i] = assert(queues[1]:queue())
  end
  return queues
end

-- Both directions, in slices; what is done between two gets the number of the slice.
local function carry(left, right, between)
  local early, descriptors
  local slices = math.floor(SECONDS / SLICE)
  for i = 1, slices do
    local _, why = tun.forward(left, right, { seconds = SLICE, edit = function(packet)
      local ip = packet.ip4
      if ip then
        ip.ttl = ip.ttl - 1
        packet:fix()
      end
    end })
    assert(why == "timeout", why)
    if i == math.floor(slices / 3) then
      early, descriptors = memory(), process.descriptors()
    end
    between(i)
  end
  tun.forward(left, right, { seconds = 2 }) -- the rest, and the report
  assert(process.descriptors() == descriptors, "descriptors leak")
  local late = memory()
  assert(late <= early + GROWTH, ("memory grew from %d to %d bytes"):format(early, late))
  return late
end

local function soak(name, count, between)
  local left = host("left", "10.0.0.1/24", count)
  local server = iperf "-s -1"
  local right = host("right", "10.0.0.2/24", count)
  local client = iperf("--bidir -P 4 -c 10.0.0.1 -t " .. SECONDS)
  local bytes = carry(left, right, function(i) between(i, left, right) end)
  local report = client:read "*a"
  assert(client:close() and report:find "iperf Done", report)
  server:close()
  for line in report:gmatch "[^\n]*%[SUM%][^\n]*receiver" do
    print(name .. ": " .. line)
  end
  print(("%s: %.1f MB at the end"):format(name, bytes / 1e6))
end

soak("one queue", 1, function() end)
-- The last queue of either side goes and comes back.
local STEPS = { { 1, "detach" }, { 1, "attach" }, { 2, "detach" }, { 2, "attach" } }
soak("three queues", 3, function(i, ...)
  local step = STEPS[(i - 1) % #STEPS + 1]
  local queue = select(step[1], ...)[3]
  assert(queue[step[2]](queue))
end)
