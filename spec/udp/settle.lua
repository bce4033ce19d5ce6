-- settle.lua: wait until what was sent over the loopback before has arrived: under load the
-- kernel does that later, and in order.
local tun = require "tun"

return function()
  local socket = assert(tun.udp { bind = "127.0.0.1:0" })
  assert(socket:write("behind it", socket:address()))
  assert(socket:read(5))
  socket:close()
end
