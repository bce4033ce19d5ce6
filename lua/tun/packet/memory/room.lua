-- room.lua: memory for the packets of scripts. They lie in shared arenas, one behind the
-- other, each with headroom: an arena lives as long as one of its packets.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"

local room = {}

local SIZE = 16384

--- Bytes in front of a packet, for headers that are pushed.
room.HEADROOM = 128

--- The same of a packet that is built, which has most of its headers already.
room.BUILT = 64

local shared, pointer, used = nil, nil, SIZE + 1 -- so that even 0 bytes need an arena first

--- Take n zero bytes: arena, pointer, offset.
function room.take(n)
  if n > SIZE / 4 then
    return room.own(n)
  elseif used + n > SIZE then
    shared = core.arena(SIZE)
    pointer, used = bytes.pointer(shared), 0
  end
  local at = used
  used = at + n
  return shared, pointer, at
end

--- The same, of an arena that nothing else lies in.
function room.own(n)
  local arena = core.arena(n)
  return arena, bytes.pointer(arena), 0
end

return room
