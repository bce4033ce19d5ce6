-- edit.lua: change the extent of a packet: payload, headers in front, copies.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local room = require "tun.packet.room"
local slot = require "tun.packet.slot"

local methods = packet.methods

local POINTER, ARENA = slot.POINTER, slot.ARENA
local START, STOP, LIMIT = slot.START, slot.STOP, slot.LIMIT
local PAYLOAD, MORE, INNER, OUTER = slot.PAYLOAD, slot.MORE, slot.INNER, slot.OUTER
local FLOOR, CEILING = slot.FLOOR, slot.CEILING

-- Let a packet's offsets, and those of packets inside, be of other memory.
local function shift(self, arena, pointer, by)
  self[ARENA], self[POINTER] = arena, pointer
  for _, at in ipairs { START, STOP, LIMIT, PAYLOAD, FLOOR, CEILING } do
    self[at] = self[at] + by
  end
  for at = slot.FIRST, slot.LAST do
    self[at] = self[at] + by
  end
  for _, each in ipairs(self[MORE] or {}) do
    each[2] = each[2] + by
  end
  if self[INNER] then
    shift(self[INNER], arena, pointer, by)
  end
end

-- Move a packet to memory with so many bytes in front and behind.
local function move(self, front, behind)
  local n = self[STOP] - self[START]
  local arena, p, o = room.take(front + n + behind)
  bytes.copy(p, o + front, self[POINTER], self[START], n)
  shift(self, arena, p, o + front - self[START])
  self[FLOOR], self[CEILING] = o, o + front + n + behind
end

--- Make room for n bytes in front of a packet that is not inside of another.
function packet.reserve(self, n)
  if self[OUTER] then
    core.misuse "push: the packet is inside of another one; copy it first"
  elseif self[START] - n < self[FLOOR] then
    move(self, room.HEADROOM + n, self[CEILING] - self[STOP])
  end
end

-- A packet of the same bytes, and of those inside.
local function twin(self, outer)
  local copy = {}
  for at = 1, slot.COUNT do
    copy[at] = self[at]
  end
  copy[OUTER], copy[MORE], copy[slot.VIEWS] = outer, self[MORE] and {}, false
  for i, each in ipairs(self[MORE] or {}) do
    copy[MORE][i] = { each[1], each[2] }
  end
  copy[INNER] = self[INNER] and twin(self[INNER], copy)
  return setmetatable(copy, packet.meta)
end

--- Copy the packet, bytes and all: good for as long as it is wanted.
-- @return packet
function methods:copy()
  local copy = twin(self, false)
  move(copy, room.HEADROOM, 0)
  return copy
end

-- The outermost packet, whose memory all share.
local function outermost(self)
  while self[OUTER] do
    self = self[OUTER]
  end
  return self
end

--- Replace what is behind the innermost header; bytes behind its end go.
function methods:set_payload(text)
  if type(text) ~= "string" then
    core.misuse(("payload: a %s is not a string"):format(type(text)))
  end
  local whole = outermost(self)
  local grow = self[PAYLOAD] + #text - whole[STOP]
  if whole[STOP] + grow > whole[CEILING] then
    move(whole, whole[START] - whole[FLOOR], grow)
  end
  bytes.fill(self[POINTER], self[PAYLOAD], text)
  local stop, each = self[PAYLOAD] + #text, self
  self[INNER], self[slot.INSIDE] = false, false
  repeat
    each[STOP], each[LIMIT], each[slot.STALE], each[slot.EDITS] = stop, stop, true, true
    each = each[OUTER]
  until not each
end

--- Remove the headers in front of a layer, or the first one. Copies nothing.
-- @param name  optional: the layer that will be the first, or "inner" for the packet inside
-- @return packet
function methods:pull(name)
  local list = packet.sorted(self)
  local target
  if name == "inner" then
    target = self.inner
    if not target then
      core.misuse "pull: there is no packet inside"
    end
    for at = START, slot.QUOTED do
      self[at] = target[at]
    end
    self[slot.LOOSE] = true
    return self
  end
  for i, each in ipairs(list) do
    if not target and (name == nil and i == 2 or each[1].name == name) then
      target = each
    end
  end
  if not target then
    core.misuse(("pull: the packet has no layer %s"):format(name or "behind the first"))
  end
  for _, at in pairs(layer.at) do
    local protocol, o = at(self)
    if protocol and o < target[2] then
      self[slot.LAYERS] = self[slot.LAYERS] - protocol.mark
    end
  end
  for i = #(self[MORE] or {}), 1, -1 do
    if self[MORE][i][2] < target[2] then
      table.remove(self[MORE], i)
    end
  end
  self[MORE] = self[MORE] and self[MORE][1] and self[MORE]
  self[START], self[slot.KIND] = target[2], target[1]
  self[slot.STALE], self[slot.EDITS] = true, true
  return self
end

return methods
