-- two_queues.lua: two processes, each with a queue of the same TUN, share the work: the
-- kernel deals the flows out, and a flow stays with the queue that answers it.
-- Run: make run EXAMPLE=two_queues
-- It plays in a network namespace of its own: the host is not touched.
-- Exits with 0 when every neighbour answered all pings and both processes had work.
local tun = require "tun"

local NEIGHBOURS = 24

-- Be all the neighbours, until the device is deleted. Returns how many pings came.
local function answer(queue)
  local batch, count = assert(tun.batch()), 0
  while queue:receive(batch) do
    for p in batch:packets() do
      if p.icmp and p.icmp.type == "echo" then
        p.icmp.type = "echo_reply"
        p:fix()
        count = count + 1
      else
        p:drop()
      end
    end
    batch:reflect()
    queue:send(batch)
  end
  return count
end

if arg[1] == "worker" then -- the second process, in the namespace of the first
  local queue = assert(tun.open { name = "shared", multi_queue = true })
  print "ready"
  io.stdout:flush()
  print(answer(queue))
  return
end

assert(tun.sandbox())
local queue = assert(tun.open { name = "shared", multi_queue = true, address = "10.0.0.1/24" })
local worker = assert(io.popen(("%s %s worker"):format(arg[-1], arg[0])))
assert(worker:read() == "ready")
print(queue, queue:get "num_queues" .. " queues")
local pings = assert(io.popen(([[
  for i in $(seq 2 %d); do ping -q -c 5 -i 0.2 10.0.0.$i & done
  wait; ip link del shared]]):format(NEIGHBOURS + 1)))

local mine = answer(queue)
local others = worker:read "*n"
local _, answered = pings:read("*a"):gsub(" 0%% packet loss", "")
print(("answered %d pings here and %d in the other process"):format(mine, others))
print(("%d of %d neighbours answered them all"):format(answered, NEIGHBOURS))
os.exit(answered == NEIGHBOURS and mine > 0 and others > 0 and 0 or 1)
