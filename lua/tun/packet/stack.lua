-- stack.lua: ip4{...} / udp{...} / "payload". A protocol that is called writes its header
-- and gives a stack of one; `/` puts stacks and bytes behind it. build.lua makes a stack the
-- packet that it describes, in place, at its first use. No tail calls: see field.lua.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local finish = require "tun.packet.finish"
local header = require "tun.packet.header"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local piece = require "tun.packet.piece"
local room = require "tun.packet.room"
local slot = require "tun.packet.slot"
local writer = require "tun.packet.writer"

local stack = { meta = {} }

local meta = stack.meta
local NONE = {}
local take, put, new, fill = room.take, writer.write, packet.new, bytes.fill
local setmetatable = setmetatable

local FRONT, PROTOCOL, LEAD, ARENA = piece.FRONT, piece.PROTOCOL, piece.LEAD, piece.ARENA
local POINTER, AT, TEXT, SIZE = piece.POINTER, piece.AT, piece.TEXT, piece.SIZE
local KEPT, DEPTH, TOTAL, GIVEN = piece.KEPT, piece.DEPTH, piece.TOTAL, piece.GIVEN

-- A stack is { piece }, the last one; when it is longer than one, in a table that has room
-- for what a packet keeps.

-- A header that is written.
local function header_of(protocol, fields)
  local area = protocol.row.area
  local tail, counts
  if area then
    tail, counts = area.write(fields, protocol)
  end
  local tail_size = tail and #tail or 0
  local arena, p, o = take(protocol.most + tail_size)
  local kept = put(protocol, p, o, fields, counts)
  local size = protocol.extra and protocol.extra(p, o) or protocol.size
  if tail_size > 0 then
    fill(p, o + size, tail)
  end
  size = size + tail_size
  return { false, protocol, protocol, arena, p, o, false, size, kept, 0, size, kept }
end

function header.protocol.__call(protocol, fields)
  if fields ~= nil and type(fields) ~= "table" then
    core.misuse(("%s: a table of fields expected, not a %s"):format(protocol.name, type(fields)))
  end
  local made = { (header_of(protocol, fields or NONE)) }
  setmetatable(made, meta)
  return made
end

-- Bytes, or a packet that is already one, as a piece.
local function given(value)
  local kind, lead, text = false, false, value
  if packet.is(value) then
    kind, lead, text = value[slot.KIND], packet.first(value), value:bytes()
  elseif type(value) ~= "string" then
    core.misuse(("a header, a packet or bytes expected behind /, not a %s"):format(type(value)))
  end
  return { false, kind, lead, false, false, 0, text, #text, false, 0, #text, false }
end

local function top(value)
  if getmetatable(value) == meta then
    return value[1]
  end
  local found = given(value)
  return found
end

-- -- Order --------------------------------------------------------------------

local function next_given(last)
  for name in pairs(last[KEPT] or NONE) do
    if last[PROTOCOL].fields[name].computed == "next" then
      return true
    end
  end
end

local function refuse(upper, lower)
  core.misuse(("%s cannot stand in front of %s"):format(upper.name, lower.name))
end

-- How a protocol stands behind another: 0, 1 in a tunnel, false not at all. Kept, since
-- that does not change.
local function standing(upper, lower)
  local how = upper.standing[lower]
  if how == nil then
    how = finish.leads(upper, lower) and (finish.holds(upper, lower) and 1 or 0)
    upper.standing[lower] = how
  end
  return how
end

--- A copy of a piece behind another one.
function stack.behind(front, last)
  local upper, lower, depth = front[PROTOCOL], last[LEAD], front[DEPTH]
  if front[TEXT] then
    core.misuse "nothing can be put behind bytes"
  elseif lower then
    local how = standing(upper, lower)
    if how then
      depth = depth + how
    elseif not next_given(front) then
      refuse(upper, lower)
    end
  end
  return { front, last[PROTOCOL], lower, last[ARENA], last[POINTER], last[AT], last[TEXT],
           last[SIZE], last[KEPT], depth, front[TOTAL] + last[SIZE], front[GIVEN] or last[KEPT] }
end

local behind = stack.behind

local function chain(front, last)
  if last[FRONT] then
    front = chain(front, last[FRONT])
  end
  local found = behind(front, last)
  return found
end

-- The headers of a packet as pieces, so that others can be put behind them. What is
-- computed is computed anew.
local function apart(self, front)
  local list, inner, stop = packet.sorted(self), self.inner, self[slot.PAYLOAD]
  if inner then
    local protocol, o = layer.by_port(self)
    list[#list + 1], stop = protocol and { protocol, o }, inner[slot.START]
  end
  for i, each in ipairs(list) do
    local size = (list[i + 1] and list[i + 1][2] or stop) - each[2]
    local this = { false, each[1], each[1], self[slot.ARENA], self[slot.POINTER], each[2], false,
                   size, false, 0, size, false }
    front = front and behind(front, this) or this
  end
  if inner then
    return apart(inner, front)
  end
  return self.payload == "" and front or behind(front, given(self.payload))
end

function meta.__div(a, b)
  local made = new(false, false, 0, 0)
  local front = packet.is(a) and apart(a:copy()) or top(a)
  if type(b) == "string" and not front[TEXT] then
    made[1] = { front, false, false, false, false, 0, b, #b, false, front[DEPTH],
                front[TOTAL] + #b, front[GIVEN] }
  else
    made[1] = chain(front, top(b))
  end
  setmetatable(made, meta)
  return made
end
packet.meta.__div = meta.__div

return stack
