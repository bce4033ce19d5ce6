-- arrival.lua: what was sent over the loopback has arrived: under load the kernel does that
-- later, and in order.
local tun = require "tun"

local arrival = {}

--- The next n datagrams, and one more if there is any.
function arrival.read(socket, n)
  local list = {}
  for i = 1, n do
    list[i] = socket:read(2)
  end
  list[#list + 1] = socket:read(0)
  return list
end

--- Wait until all that was sent before has arrived.
function arrival.settle()
  local socket = assert(tun.udp { bind = "127.0.0.1:0" })
  assert(socket:write("behind it", socket:address()))
  assert(socket:read(5))
  socket:close()
end

return arrival
