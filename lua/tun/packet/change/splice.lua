-- splice.lua: put other bytes, of any number, in the place of some of a packet's.
local bytes = require "tun.packet.memory.bytes"
local edit = require "tun.packet.change.edit"
local slot = require "tun.packet.memory.slot"

local START, STOP, LIMIT, PAYLOAD = slot.START, slot.STOP, slot.LIMIT, slot.PAYLOAD

-- Let what is behind an offset be elsewhere, in a packet and in those inside of it.
local function shift(self, behind, by)
  for _, at in ipairs { START, STOP, LIMIT, PAYLOAD } do
    self[at] = self[at] >= behind and self[at] + by or self[at]
  end
  for at = slot.FIRST, slot.LAST do
    self[at] = self[at] >= behind and self[at] + by or self[at]
  end
  for _, each in ipairs(self[slot.MORE] or {}) do
    each[2] = each[2] >= behind and each[2] + by or each[2]
  end
  if self[slot.INNER] then
    shift(self[slot.INNER], behind, by)
  end
end

--- Replace n bytes at an offset of a packet by a text. Lengths and checksums are for fix().
-- @return by how much the packet's memory moved, which offsets from before have to be added
local function splice(self, at, n, text)
  local more = #text - n
  if more == 0 then
    bytes.fill(self[slot.POINTER], at, text)
    return 0
  end
  local whole, start = edit.outermost(self), self[START]
  edit.make_room(whole, more, at + n)
  local moved = self[START] - start
  at = at + moved
  local rest = bytes.string(whole[slot.POINTER], at + n, whole[STOP] - at - n)
  bytes.fill(whole[slot.POINTER], at, text .. rest)
  shift(whole, at + n, more)
  for each in edit.outwards(self) do
    each[slot.STALE], each[slot.EDITS] = true, true
  end
  edit.settle(whole)
  return moved
end

return splice
