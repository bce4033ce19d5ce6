-- udp.lua: whatever recvmmsg(2) may give to a UDP socket: senders, control messages, GRO
-- sizes, messages cut short; into batches with slots of any size, and as strings. What was
-- received is sent on.
-- An input: how the socket and the memory are, how many operations, of each 1 byte, and what
-- the system calls are told.
local core = require "tun.core"
local system = require "system"
require "tun.udp"

local SLOTS = 8
local SIZES = { [0] = 1, 20, 60, 200, 1500, 9000, 65535, 65557 }

local function socket(config)
  local udp = assert(core.udp(config % 8 < 4 and "127.0.0.1:0" or "[::1]:0", "peer"))
  udp:setoption("gro", config % 2 == 1)
  udp:setoption("gso", config % 4 > 1)
  udp:settimeout(0)
  return udp
end

-- Every packet lies where it is said to, inside of its memory.
local function look(batch)
  local arena, found = batch:arena(), 0
  for i = 1, SLOTS do
    local base, at, stop = batch:slot(i)
    if base then
      arena:sum(at, stop - at)
      found = found + 1
    end
  end
  assert(found == batch:count(), "one lies outside")
end

local OPERATIONS = {
  function(udp, batch) udp:receive(batch) end,
  function(udp, batch) udp:receive(batch:clear()) end,
  function(udp, _, other) udp:receive(other) end,
  function(udp)
    local bytes, sender = udp:read(0)
    assert(bytes == nil or sender == nil or type(sender) == "string")
  end,
  function(udp, batch) udp:send(batch) end,
  function(udp, batch) udp:send(batch, "127.0.0.1:9") end,
  function(udp) udp:write("x", "127.0.0.1:9") end,
  function(_, batch, other)
    if batch:slot(1) then
      batch:move(1, other)
    end
  end,
  function(_, batch) batch:drop(1) end,
}

return function(bytes)
  local config, room, count = bytes:byte(1, 3)
  if not count then
    return
  end
  local udp = socket(config)
  local batch = assert(core.batch(SLOTS, SIZES[room % 8], 0, "tun"))
  local other = batch:sibling()
  local told = bytes:sub(4 + count)
  system.feed(told)
  for at = 4, math.min(3 + count, #bytes) do
    system.attempt(OPERATIONS[bytes:byte(at) % #OPERATIONS + 1], udp, batch, other)
    system.account { batch, other }
    look(batch)
    look(other)
  end
  udp:close()
end
