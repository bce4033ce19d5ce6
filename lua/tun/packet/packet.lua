-- packet.lua: a packet: bytes in an arena, and where its layers are.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local header = require "tun.packet.header"
local slot = require "tun.packet.slot"

local POINTER, ARENA, START, STOP, LIMIT = slot.POINTER, slot.ARENA, slot.START, slot.STOP, slot.LIMIT
local PAYLOAD, ERROR, MORE, INNER, KIND = slot.PAYLOAD, slot.ERROR, slot.MORE, slot.INNER, slot.KIND
local STALE, EDITS, NET, TRANSPORT = slot.STALE, slot.EDITS, slot.NET, slot.TRANSPORT

local packet = { methods = {} }

-- -- Reading --------------------------------------------------------------

--- Read the bytes from first to stop as a kind of packet: "eth", "ip", ...
function packet.read(self, first, stop, kind)
  self[START], self[STOP], self[LIMIT], self[PAYLOAD] = first, stop, stop, first
  self[ERROR], self[MORE], self[INNER], self[KIND] = false, false, false, kind
  self[STALE], self[EDITS], self[NET], self[TRANSPORT] = false, false, 0, 0
  self[15], self[17], self[19], self[21], self[23], self[25], self[27] =
    false, false, false, false, false, false, false
  kind.parse(self, self[POINTER], first, stop)
  return self
end

local meta = {}

--- A packet without bytes in an arena; read() gives it some.
function packet.new(arena, pointer)
  return setmetatable({ pointer or bytes.pointer(arena), arena, 0, 0, 0, 0, false, false, false,
    false, false, false, 0, 0, false, 0, false, 0, false, 0, false, 0, false, 0, false, 0, false, 0 },
    meta)
end

-- Packets of scripts lie in shared arenas, one behind the other, each with headroom: an
-- arena lives as long as one of its packets.
local ROOM, HEADROOM = 16384, 128
local shared, pointer, used = nil, nil, ROOM

--- Memory for n bytes with headroom in front: arena, pointer, offset.
function packet.room(n)
  local need = n + HEADROOM
  if need > ROOM / 4 then
    local arena = core.arena(need)
    return arena, bytes.pointer(arena), HEADROOM
  elseif used + need > ROOM then
    shared = core.arena(ROOM)
    pointer, used = bytes.pointer(shared), 0
  end
  local at = used + HEADROOM
  used = used + need
  return shared, pointer, at
end

--- Read a string as a packet.
-- @param text  the bytes
-- @param kind  optional: what they begin with, "eth" (the default), "ip" or another layer
-- @return packet
function packet.parse(text, kind)
  local protocol = header.protocols[kind or "eth"]
  if type(text) ~= "string" then
    core.misuse(("packet: a %s is not a string"):format(type(text)))
  elseif not protocol then
    core.misuse(('packet: no layer "%s"'):format(tostring(kind)))
  end
  local arena, p, at = packet.room(#text)
  bytes.fill(p, at, text)
  return packet.read(packet.new(arena, p), at, at + #text, protocol)
end

-- -- What a script sees ---------------------------------------------------

local accessors, methods = header.accessors, packet.methods

function accessors.error(self)
  return self[ERROR] or nil
end

--- The bytes behind the innermost header, as a string.
function accessors.payload(self)
  return bytes.string(self[POINTER], self[PAYLOAD], self[LIMIT] - self[PAYLOAD])
end

--- The IP layer, of whichever version.
function accessors.ip(self)
  return self.ip4 or self.ip6
end

function methods.bytes(self)
  return bytes.string(self[POINTER], self[START], self[STOP] - self[START])
end

function methods.copy(self)
  return packet.read(packet.parse("", self[KIND].name), 0, 0, self[KIND])
end

--- The layers in wire order, as views.
function methods.layers(self)
  local list = {}
  for at = slot.FIRST, slot.LAST - 1, 2 do
    if self[at] then
      list[#list + 1] = header.view(self, self[at], self[at + 1])
    end
  end
  for _, layer in ipairs(self[MORE] or {}) do
    list[#list + 1] = header.view(self, layer[1], layer[2])
  end
  table.sort(list, function(a, b)
    return a[2] < b[2]
  end)
  return list
end

local function unknown(key)
  local names = {}
  for name in pairs(accessors) do
    names[#names + 1] = name
  end
  table.sort(names)
  core.misuse(("a packet has no layer %s; there are: %s"):format(tostring(key),
    table.concat(names, ", ")))
end

meta.__index = bytes.compile("packet", [[
return function(self, key)
  local get = accessors[key]
  if get then
    return get(self)
  end
  local method = methods[key]
  if method then
    return method
  end
  unknown(key)
end]], { accessors = accessors, methods = methods, unknown = unknown })

return packet
