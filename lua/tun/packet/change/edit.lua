-- edit.lua: change the extent of a packet: payload, headers in front, copies.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"

local edit = {}

local POINTER, ARENA = slot.POINTER, slot.ARENA
local START, STOP, LIMIT = slot.START, slot.STOP, slot.LIMIT
local PAYLOAD, MORE, INNER, OUTER = slot.PAYLOAD, slot.MORE, slot.INNER, slot.OUTER
local FLOOR, CEILING = slot.FLOOR, slot.CEILING
local SLOT, BASE, BATCH, PLACE = slot.SLOT, slot.BASE, slot.BATCH, slot.PLACE
local INFO, META = slot.FIRST + layer.LEVELS.info, slot.FIRST + layer.LEVELS.meta

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

-- Take what is known of a packet beside its bytes along, to an offset of other memory.
local function take_along(self, from, p, o)
  bytes.copy(p, o, from, self[SLOT][BASE], core.slot_meta)
  self[INFO], self[META], self[SLOT] = o, o + core.slot_pi, { o, false, 0 }
end

-- Move a packet to memory that take(n) gives, with so many bytes in front and behind.
local function move(self, front, behind, take)
  local n, known = self[STOP] - self[START], self[SLOT] and core.slot_meta or 0
  local arena, p, o = take(known + front + n + behind)
  local at = o + known + front
  bytes.copy(p, at, self[POINTER], self[START], n)
  local from = self[POINTER]
  shift(self, arena, p, at - self[START])
  self[FLOOR], self[CEILING] = o + known, at + n + behind
  if known > 0 then
    take_along(self, from, p, o)
  end
end

-- Let the views of a packet that moved find it, and those of packets inside.
local function leave(self, from, ...)
  layer.moved(self, from, ...)
  if self[INNER] then
    leave(self[INNER], from, ...)
  end
end

-- Move a packet that has not so much room where it lies.
-- @param at, more  optional: what is behind that offset will be so many bytes further
local function grow(self, front, behind, at, more)
  if self[SLOT] and self[SLOT][BATCH] then
    core.misuse "the packet's slot has no room for more: a batch takes headroom and size"
  end
  local from, start = self[ARENA], self[START]
  move(self, front, behind, room.own)
  leave(self, from, self[START] - start, at, more)
end

--- Where in its batch a packet is: what is dropped, moved or swapped may have changed the
-- place that it was seen at.
-- @return batch, place | nil: it is in no batch, or in it no more
function packet.place(self)
  local where = self[SLOT]
  local batch = where and where[BATCH]
  if not batch then
    return nil
  elseif batch:slot(where[PLACE]) ~= where[BASE] then
    local i = 1
    while batch:slot(i) ~= where[BASE] do
      if batch:slot(i) == false then
        return nil
      end
      i = i + 1
    end
    where[PLACE] = i
  end
  return batch, where[PLACE]
end

--- After the extent of a packet has changed: what is known of it counts from its start, and
-- the batch that it is in, if it is, has to know where it lies.
-- @param by  how many bytes came in front; negative when they went
function packet.settle(self, by)
  local where = self[SLOT]
  local info = where and by ~= 0 and self.virtio_net
  if info then
    info.csum_start = math.max(info.csum_start + by, 0)
  end
  local batch, i = packet.place(self)
  if batch then
    batch:resize(i, self[START], self[STOP] - self[START])
  end
end

--- Make room for n bytes in front of a packet that is not inside of another.
function packet.reserve(self, n)
  if self[OUTER] then
    core.misuse "push: the packet is inside of another one; copy it first"
  elseif self[START] - n < self[FLOOR] then
    grow(self, room.HEADROOM + n, self[CEILING] - self[STOP])
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
function edit.copy(self)
  local copy = twin(self, false)
  move(copy, room.HEADROOM, 0, room.own) -- it may be kept long, others that lie beside not
  return copy
end

-- The outermost packet, whose memory all share.
local function outermost(self)
  while self[OUTER] do
    self = self[OUTER]
  end
  return self
end

edit.outermost = outermost

--- Iterate over a packet and those that it is inside of.
function edit.outwards(self)
  return function(_, each)
    if not each then
      return self
    end
    return each[OUTER] or nil
  end
end

--- Make room for so many bytes more behind an outermost packet.
-- @param at  optional: the offset that they are wanted at. Outside of a batch the packet then
--   moves, so that views of what is behind follow.
function edit.make_room(whole, more, at)
  local is_free = not (whole[SLOT] and whole[SLOT][BATCH])
  if whole[STOP] + more > whole[CEILING] or at and is_free then
    grow(whole, whole[START] - whole[FLOOR], math.max(more, 0), at, more)
  end
end

--- Let the batch know that an outermost packet's end has changed.
function edit.settle(whole)
  packet.settle(whole, 0)
end

--- Replace what is behind the innermost header; bytes behind its end go.
function edit.set_payload(self, text)
  if type(text) ~= "string" then
    core.misuse(("payload: a %s is not a string"):format(type(text)))
  end
  local whole = outermost(self)
  local more = self[PAYLOAD] + #text - whole[STOP]
  edit.make_room(whole, more)
  bytes.fill(self[POINTER], self[PAYLOAD], text)
  local stop, each = self[PAYLOAD] + #text, self
  packet.forget_inner(self)
  self[slot.INSIDE] = false
  repeat
    each[STOP], each[LIMIT], each[slot.STALE], each[slot.EDITS] = stop, stop, true, true
    each = each[OUTER]
  until not each
  packet.settle(whole, 0)
end

-- Let the packet inside take the place of the one around it. False when there is none.
local function pull_inner(self)
  local target = self.inner
  if not target then
    return false
  end
  local apart, info, meta = packet.apart(self), self[INFO], self[META]
  for at = START, slot.QUOTED do
    self[at] = target[at]
  end
  if apart > 0 then
    self[slot.LAYERS], self[INFO], self[META] = self[slot.LAYERS] + apart, info, meta
  end
  self[slot.LOOSE] = true
  if self[INNER] then
    self[INNER][OUTER] = self
  end
  packet.retire(target)
  return true
end

-- Forget the layers in front of an offset, but for what is in front of all bytes.
local function forget(self, start)
  for level = 0, #layer.at do
    local protocol, o = layer.at[level](self)
    if protocol and o < start and o >= self[START] then
      self[slot.LAYERS] = self[slot.LAYERS] - protocol.mark
    end
  end
  for i = #(self[MORE] or {}), 1, -1 do
    if self[MORE][i][2] < start then
      table.remove(self[MORE], i)
    end
  end
  self[MORE] = self[MORE] and self[MORE][1] and self[MORE] or false
end

-- The layer that a name means, as { protocol, offset }; the second one without a name; nil when
-- it is not there.
local function found(self, name)
  for i, each in ipairs(packet.sorted(self)) do
    if each[1].name == name or name == nil and i > 1 and each[2] > self[START] then
      return each
    end
  end
end

local function pull_to(self, target)
  forget(self, target[2])
  self[START], self[slot.KIND] = target[2], target[1]
  self[slot.STALE], self[slot.EDITS] = true, true
  return true
end

--- Remove the headers in front of a layer, or the first one. Copies nothing.
-- @param name  optional: the layer that will be the first, or "inner" for the packet inside
-- @return the packet | nil, message: it has no such layer, and is as it was
function edit.pull(self, name)
  local start = self[START]
  if name ~= nil and name ~= "inner" and not layer.is_protocol(name) then
    core.misuse(("pull: %s is the name of no layer"):format(tostring(name)))
  end
  local target = name ~= "inner" and found(self, name)
  if not (target and pull_to(self, target) or name == "inner" and pull_inner(self)) then
    return nil, name == "inner" and "there is no packet inside"
      or ("the packet has no layer %s"):format(name or "behind the first")
  end
  packet.settle(self, start - self[START])
  return self
end

--- Take the packet out of the batch that it is in.
function edit.drop(self)
  local where = self[SLOT]
  if not where or not where[BATCH] then
    core.misuse "drop: the packet is in no batch"
  end
  local batch, i = packet.place(self)
  if batch then
    batch:drop(i)
  end
end

--- Put the packet at the end of another batch, or of its own: the same bytes where the
-- memory is shared, else a copy.
-- @return true | nil, message, errno: all slots there are in use
function edit.move(self, to)
  local where = self[SLOT]
  if not where or not where[BATCH] then
    core.misuse "move: the packet is in no batch; use batch:add(packet)"
  end
  local batch, i = packet.place(self)
  if not batch then
    core.misuse "move: the packet is in its batch no more"
  end
  return batch:move(i, to)
end

return edit
