-- object.lua: what a packet is: bytes in an arena, and where its layers are.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local getmetatable, setmetatable = getmetatable, setmetatable
local POINTER, ARENA = slot.POINTER, slot.ARENA
local START, STOP, LIMIT = slot.START, slot.STOP, slot.LIMIT
local PAYLOAD, ERROR, MORE, INNER = slot.PAYLOAD, slot.ERROR, slot.MORE, slot.INNER
local INSIDE, OUTER, FLOOR, CEILING = slot.INSIDE, slot.OUTER, slot.FLOOR, slot.CEILING
local LOOSE = slot.LOOSE

--- The metatable of packets is filled by packet.lua.
local packet = { meta = {} }
local meta = packet.meta

-- -- Reading --------------------------------------------------------------

--- Read the bytes from first to stop as a kind of packet: "eth", "ip", ...; layers are the
-- marks of those that are elsewhere, 0 for none.
packet.read = bytes.compile("packet/read", source.fill [[
return function(self, first, stop, kind, layers)
  self[$START], self[$STOP] = first, stop
  if self[$KIND] ~= kind then
    self[$KIND] = kind
  end
  if self[$EDITS] then
    self[$STALE], self[$EDITS], self[$NET], self[$TRANSPORT], self[$PSEUDO] = false, false, 0, 0, 0
  end
  if self[$LOOSE] then
    self[$ERROR], self[$MORE], self[$INNER], self[$INSIDE], self[$QUOTED], self[$LOOSE] =
      false, false, false, false, false, false
  end
  kind.parse(self, self[$POINTER], first, stop, layers or 0)
  return self
end]])

--- Give a packet without layers the end of its bytes.
function packet.blank(self, arena, pointer, stop)
  self[POINTER], self[ARENA], self[START], self[STOP], self[LIMIT], self[PAYLOAD] =
    pointer, arena, stop, stop, stop, stop
  self[FLOOR], self[CEILING] = stop, stop
end

--- A packet without bytes in an arena, with room between two offsets; read() gives it some.
function packet.new(arena, pointer, floor, ceiling)
  local self = { pointer, arena, 0, 0, 0, 0, false, false, false, false, false, false, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false, false, false, floor, ceiling, false, false,
    false }
  setmetatable(self, meta)
  return self
end

--- Read a string as a packet.
-- @param text  the bytes
-- @param kind  optional: what they begin with, "ip" (the default, of either version), "eth" or
--   another layer; "tun_pi", "virtio_net" or "tun_pi/virtio_net" with an IP packet behind, and
--   each with "/eth" with a frame
-- @return packet
function packet.parse(text, kind)
  local known = layer.kinds[kind == nil and "ip" or kind]
  if type(text) ~= "string" then
    core.misuse(("packet: a %s is not a string"):format(type(text)))
  elseif not known then
    core.misuse(type(kind) == "string" and ('packet: no layer "%s"'):format(kind)
      or ("packet: a %s is not the name of a layer"):format(type(kind)))
  end
  local need = room.HEADROOM + #text
  local arena, p, o = room.take(need)
  local self = packet.new(arena, p, o, o + need)
  bytes.fill(p, o + room.HEADROOM, text)
  packet.read(self, o + room.HEADROOM, o + need, known)
  local fault = kind == nil and self.error
  if fault and fault.layer == "version" and #text > 0 then
    fault.message = fault.message .. '; a frame is read with packet.parse(bytes, "eth")'
  end
  return self
end

-- -- Packets that are good no more -------------------------------------------

-- What a packet becomes when its memory is given to another: whoever kept it is told.
local gone = {}

--- Raise why a value can be used no more, if it is a packet that is gone.
function packet.refuse_gone(value)
  if getmetatable(value) == gone then
    core.misuse(value[slot.SLOT][slot.GONE])
  end
end

for _, event in ipairs { "__newindex", "__tostring", "__len", "__call" } do
  gone[event] = packet.refuse_gone
end

local function nothing() end

-- What left its batch can be dropped once more.
function gone.__index(self, key)
  return key == "drop" and nothing or packet.refuse_gone(self)
end

function gone.__div(a, b)
  packet.refuse_gone(a)
  packet.refuse_gone(b)
end

-- Let a packet, its layers, and what is inside of it refuse to be used.
local function refuse(self, where)
  repeat
    self[ARENA], self[slot.SLOT] = false, where
    setmetatable(self, gone)
    self = self[INNER]
  until not self
end

--- Let a packet that has a slot refuse to be used, since its memory is given to another.
function packet.expire(self)
  refuse(self, self[slot.SLOT])
end

local REPLACED = "the packet inside was good until it was replaced: take packet.inner again"
local PULLED = "the packet inside took the place of the outer one: use that"

--- Let the packet inside refuse to be used, since other bytes come in its place.
function packet.forget_inner(self)
  if self[INNER] then
    refuse(self[INNER], { [slot.GONE] = REPLACED })
    self[INNER] = false
  end
end

--- Let a packet refuse to be used of which the outer one is now what it was.
function packet.retire(self)
  self[INNER] = false -- which is the outer one's
  refuse(self, { [slot.GONE] = PULLED })
end

--- Let the packet be one again.
function packet.revive(self, arena)
  self[ARENA] = arena
  setmetatable(self, meta)
end

function packet.is(value)
  return getmetatable(value) == meta
end

-- -- Layers ---------------------------------------------------------------

--- The protocols of the layers that have slots, and their offsets, in wire order.
function packet.sorted(self)
  local list = {}
  for level = 0, #layer.at do
    local protocol, o = layer.at[level](self)
    if protocol then
      list[#list + 1] = { protocol, o }
    end
  end
  for _, each in ipairs(self[MORE] or {}) do
    list[#list + 1] = each
  end
  table.sort(list, function(a, b) -- a header of no bytes stands in front of what is there
    return a[2] < b[2] or a[2] == b[2] and a[1].size < b[1].size
  end)
  return list
end

--- The protocol that a packet begins with; false when nothing could be read.
function packet.first(self)
  for _, each in ipairs(packet.sorted(self)) do
    if each[2] >= self[START] then
      return each[1]
    end
  end
  return false
end

--- The marks of the layers that are not in front of the packet, but beside its bytes.
function packet.apart(self)
  local sum = 0
  for level = layer.LEVELS.meta, layer.LEVELS.info do
    local protocol = self[slot.SLOT] and layer.at[level](self)
    sum = sum + (protocol and protocol.mark or 0)
  end
  return sum
end

-- -- What a script sees ---------------------------------------------------

local accessors = header.accessors

--- Where and why reading stopped at what is malformed: nil, or { layer =, offset =, message = }.
function accessors.error(self)
  return self[ERROR] and self[ERROR].error or nil
end

--- The same of what is right, but not all there: it is a fragment, or was cut where it was
-- captured or quoted.
function accessors.cut(self)
  return self[ERROR] and self[ERROR].cut or nil
end

--- Where a packet of a batch that received from UDP came from, and where such a batch sends
-- it: "10.0.0.1:5000".
function accessors.peer(self)
  return self[slot.SLOT] and core.peer(self[ARENA], self[slot.SLOT][slot.BASE])
end

--- The bytes behind the innermost header, as a string.
function accessors.payload(self)
  return bytes.string(self[POINTER], self[PAYLOAD], self[LIMIT] - self[PAYLOAD])
end

--- The IP layer, of whichever version.
function accessors.ip(self)
  return self.ip4 or self.ip6
end

-- How many packets may be inside of one another.
local DEEPEST = 16

local function depth(self)
  local n = 0
  while self[OUTER] do
    self, n = self[OUTER], n + 1
  end
  return n
end

--- The packet inside of a tunnel, or the one that an ICMP error quotes.
function accessors.inner(self)
  if self[INNER] then
    return self[INNER]
  end
  local kind, o = self[INSIDE], self[PAYLOAD]
  if not kind or o >= self[LIMIT] or depth(self) == DEEPEST then
    return nil
  end
  local inner = packet.new(self[ARENA], self[POINTER], o, self[LIMIT])
  inner[OUTER] = self
  packet.read(inner, o, self[LIMIT], kind)
  self[INNER], self[LOOSE] = inner, true
  return inner
end

--- The bytes of the packet, as a string.
function packet.bytes(self)
  return bytes.string(self[POINTER], self[START], self[STOP] - self[START])
end

--- How many bytes the packet has.
function packet.size(self)
  return self[STOP] - self[START]
end

--- The layers in wire order, as views.
function packet.layers(self)
  local list = {}
  for i, each in ipairs(packet.sorted(self)) do
    list[i] = layer.view(self, each[1], each[2])
  end
  return list
end

return packet
