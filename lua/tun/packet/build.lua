-- build.lua: make a stack of headers and bytes the packet that it describes; put headers in
-- front of a packet.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local fix = require "tun.packet.fix"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local piece = require "tun.packet.piece"
local room = require "tun.packet.room"
local slot = require "tun.packet.slot"
local stack = require "tun.packet.stack"

local build = {}

local POINTER, START, KIND, FLOOR = slot.POINTER, slot.START, slot.KIND, slot.FLOOR
local PAYLOAD, INNER, INSIDE, OUTER = slot.PAYLOAD, slot.INNER, slot.INSIDE, slot.OUTER
local FRONT, PROTOCOL, LEAD, TEXT = piece.FRONT, piece.PROTOCOL, piece.LEAD, piece.TEXT
local SIZE, KEPT, GIVEN = piece.SIZE, piece.KEPT, piece.GIVEN
local DEPTH, TOTAL = piece.DEPTH, piece.TOTAL
local FROM, AT = piece.POINTER, piece.AT
local HEADROOM = room.HEADROOM

-- Functions are constants to a JIT compiler, what tables of them hold is not.
local copy, fill, blank, enter, take = bytes.copy, bytes.fill, packet.blank, packet.enter, room.take
local compute, setmetatable, rest = fix.compute, setmetatable, core.rest
local meta = packet.meta

-- -- Stack to packet ----------------------------------------------------------

-- How many bytes a header loses that ends early when more is known of what follows.
local function cut(this, lower)
  local row = not this[TEXT] and this[PROTOCOL].row.next
  if row and row.size and lower and lower[LEAD] and lower[LEAD].follows[row[1]] then
    return this[SIZE] - row.size
  end
  return 0
end

-- Whether a piece is found by the ports of the header in front of it.
local function by_port(this)
  local protocol = this[PROTOCOL]
  return this[FRONT] and protocol and protocol.by_port and this[FRONT][PROTOCOL].row.ports
end

-- Ports that were not given say what follows.
local function set_port(self, protocol, at, lower)
  local port = lower.follows[protocol.name]
  local get, set, p = protocol.get, protocol.set, self[POINTER]
  local sport = layer.space(protocol.name).protocols[get.sport(p, at)]
  if get.dport(p, at) == 0 and sport ~= lower then
    set.dport(self, p, at, type(port) == "table" and port[1] or port)
  end
end

-- Lay a piece down; where the payload begins if nothing follows.
local function place(self, this, at, size, lower, kept)
  local p, protocol = self[POINTER], this[PROTOCOL]
  if this[TEXT] then
    fill(p, at, this[TEXT])
    return protocol and packet.read(self, at, at + size, protocol)[PAYLOAD] or at
  end
  copy(p, at, this[FROM], this[AT], size)
  if this[KEPT] then
    kept[at] = this[KEPT]
  end
  if by_port(this) then
    return at
  end
  enter(self, protocol, at)
  if protocol.row.ports and lower and by_port(lower) then
    set_port(self, protocol, at, lower[PROTOCOL])
  end
  return at + size
end

-- The packet that holds another one.
local function hold(self, inner, this)
  local now = this[DEPTH] > 0 and packet.new(inner[slot.ARENA], inner[POINTER], 0, 0) or self
  packet.blank(now, inner[slot.ARENA], inner[POINTER], inner[slot.STOP])
  now[INNER], inner[OUTER], now[slot.LOOSE] = inner, now, true
  now[slot.QUOTED] = this[PROTOCOL].row.quotes and true or false
  now[INSIDE] = not by_port(this) and inner[slot.KIND]
  return now
end

local function step(self, now, this, lower, at, kept, known)
  if lower and lower[DEPTH] > this[DEPTH] then
    compute(now, kept)
    now, known = hold(self, now, this), false
  end
  local size = this[SIZE] - cut(this, lower)
  at = at - size
  local payload = place(now, this, at, size, lower, kept)
  if not known or by_port(this) then
    now[PAYLOAD] = payload
  end
  now[START], now[KIND] = at, this[PROTOCOL]
  return now, at
end

-- Lay pieces down from the last to the first, in front of an offset and of what is there:
-- `now` is the packet that holds it, `lower` the piece. The outermost packet is self. The
-- first steps are no loop, so that a trace goes through them.
local STEP = [[
  now, at = step(self, now, this, lower, at, kept, lower ~= nil)
  lower, this = this, this[1] ]]
local lay = bytes.compile("build", ([[
return function(self, now, this, lower, at, kept)
  %s
  while this do
    %s
  end
  compute(now, kept)
end]]):format(("if this then " .. STEP .. " end\n"):rep(6), STEP),
  { step = step, compute = compute })

local NONE = {}

-- A stack of one has the table of a stack only.
local function widen(self)
  setmetatable(self, nil)
  local empty = packet.new(false, false, 0, 0)
  for i = 1, slot.COUNT do
    self[i] = empty[i]
  end
  setmetatable(self, meta)
end

--- Make the stack the packet that it describes.
local function realise(self)
  rest() -- what was before and what comes now are too much for one trace
  local last = self[1]
  local need = HEADROOM + last[TOTAL]
  local arena, p, o = take(need)
  if last[FRONT] then
    setmetatable(self, meta)
  else
    widen(self)
  end
  local now = last[DEPTH] > 0 and packet.new(arena, p, 0, 0) or self
  blank(now, arena, p, o + need)
  lay(self, now, last, nil, o + need, last[GIVEN] and {} or NONE)
  self[FLOOR] = o
  return self
end

build.realise = realise

-- -- Headers in front ---------------------------------------------------------

-- What is there already is left as it is, save that a transport learns its addresses.
local ALL = setmetatable({}, { __index = function()
  return true
end })

local function keep(self)
  local kept, net = {}, false
  for _, each in ipairs(packet.sorted(self)) do
    net = net or each[1].pseudo
    kept[each[2]] = (net or not each[1].adjust) and ALL or nil
  end
  return kept
end

-- A packet that takes over what another one is.
local function clone(self)
  local twin = {}
  for at = 1, slot.COUNT do
    twin[at] = self[at]
  end
  twin[slot.VIEWS], twin[slot.SLOT], twin[slot.BATCH] = false, false, false
  twin[slot.LAYERS] = twin[slot.LAYERS] - packet.apart(self)
  if twin[INNER] then
    twin[INNER][OUTER] = twin
  end
  return setmetatable(twin, packet.meta)
end

--- Put a header, or several, in front, in the packet's headroom. A packet behind a tunnel's
-- header is then packet.inner.
-- @param headers  of a protocol, or several with / between them
-- @return packet
function packet.methods:push(headers)
  if not build.is(headers) then
    core.misuse(("push: headers expected, not a %s"):format(type(headers)))
  end
  local front = headers[1]
  local this = { false, false, packet.first(self), false, false, 0, "", 0, false }
  local lower = stack.behind(front, this)
  packet.reserve(self, front[TOTAL])
  local kept, floor, ceiling = keep(self), self[slot.FLOOR], self[slot.CEILING]
  local now, at = self, self[START]
  if lower[DEPTH] > 0 then
    now = clone(self)
    self[slot.LAYERS], self[slot.MORE], self[slot.ERROR] = packet.apart(self), false, false
  end
  lay(self, now, front, lower, at, kept)
  self[slot.FLOOR], self[slot.CEILING] = floor, ceiling
  self[slot.STALE], self[slot.EDITS] = true, true
  packet.settle(self, front[TOTAL])
  return self
end

-- -- The first use --------------------------------------------------------------

function stack.meta.__index(self, key)
  local value = realise(self)[key]
  return value
end

function stack.meta.__newindex(self, key, value)
  build.realise(self)[key] = value
end

function stack.meta.__tostring(self)
  return tostring(build.realise(self))
end

--- Whether a value is a stack that is not yet a packet.
function build.is(value)
  return getmetatable(value) == stack.meta
end

return build
