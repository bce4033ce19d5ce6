-- filter.lua: text of a classic filter, as `tcpdump -ddd` prints it, or anything. The kernel
-- is given all the instructions that it is told there are.
local core = require "tun.core"
local system = require "system"

local dev = assert(core.open { mode = "tap" })

return function(bytes)
  system.feed "\0\0"
  system.attempt(core.setoption, dev, "filter", bytes)
end
