-- hop.lua: what a router does to the field that counts hops.
local bytes = require "tun.packet.memory.bytes"
local source = require "tun.packet.declare.source"

local HOP = [[
return function(view)
  local left = view.$name
  if left > 1 then
    view.$name = left - 1
    return true
  end
  return false
end]]

--- Make the method that takes one off a field, as a router does: of packets that go on.
-- Its result is true, or false: the packet ends here, and is left as it is.
-- @param name  of the field
-- Source: RFC 1812, 5.3.1; RFC 8200, 3
return function(name)
  return bytes.compile("hop/" .. name, source.fill(HOP, { name = name }))
end
