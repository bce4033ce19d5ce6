-- packet.lua: everything that can be done to a packet, of any kind, that ends where a page
-- begins that cannot be touched: read, print, verify, answer, cut, join, change, build.
-- An input: 1 byte for the kind, 1 from which choices follow, the packet.
local hostile = dofile "spec/packet/hostile.lua"

return function(bytes)
  local kind, seed = bytes:byte(1, 2)
  if seed then
    hostile.seed(seed)
    hostile.all(bytes:sub(3), hostile.KINDS[kind % #hostile.KINDS + 1])
  end
end
