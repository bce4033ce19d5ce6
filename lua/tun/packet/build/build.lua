-- build.lua: make a stack of headers and bytes the packet that it describes; put headers in
-- front of a packet.
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.check"
local core = require "tun.core"
local fix = require "tun.packet.change.fix"
local packet = require "tun.packet.object"
local piece = require "tun.packet.build.piece"
local plan = require "tun.packet.build.plan"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local stack = require "tun.packet.build.stack"

local build = {}

local START, KIND, FLOOR = slot.START, slot.KIND, slot.FLOOR
local POINTER, AT, TEXT, PIECE = stack.POINTER, stack.AT, stack.TEXT, stack.PIECE
local PAYLOAD, INNER, INSIDE, OUTER = slot.PAYLOAD, slot.INNER, slot.INSIDE, slot.OUTER
local FRONT, PROTOCOL, SIZE, KEPT = piece.FRONT, piece.PROTOCOL, piece.SIZE, piece.KEPT
local DEPTH, TOTAL, GIVEN = piece.DEPTH, piece.TOTAL, piece.GIVEN
local BYTES, PLAN = piece.BYTES, piece.PLAN
local BUILT = room.BUILT

-- Functions are constants to a JIT compiler, what tables of them hold is not.
local copy, fill, take = bytes.copy, bytes.fill, room.take
local blank = packet.blank
local compute, setmetatable, rest = fix.compute, setmetatable, core.rest
local meta = packet.meta

-- -- Stack to packet ----------------------------------------------------------

-- Note what a piece is; where the payload begins if nothing follows.
local function place(self, this, at, lower, kept)
  local protocol = this[PROTOCOL]
  if this[BYTES] then
    return protocol and packet.read(self, at, self[slot.STOP], protocol)[PAYLOAD] or at
  elseif this[KEPT] then
    kept[at] = this[KEPT]
  end
  protocol.enter(self, at)
  if lower and plan.has_port(protocol, lower[PROTOCOL]) then
    plan.set_port(self, protocol, at, lower[PROTOCOL])
  end
  return at + this[SIZE]
end

-- The packet that holds another one.
local function hold(self, inner, this)
  local now = this[DEPTH] > 0 and packet.new(false, false, 0, 0) or self
  blank(now, inner[slot.ARENA], inner[POINTER], inner[slot.STOP])
  now[INNER], inner[OUTER], now[slot.LOOSE] = inner, now, true
  now[slot.QUOTED] = this[PROTOCOL].row.quotes and true or false
  now[INSIDE] = inner[KIND]
  return now
end

local function step(self, now, this, lower, at, kept, known)
  if lower and lower[DEPTH] > this[DEPTH] then
    compute(now, kept)
    now, known = hold(self, now, this), false
  end
  at = at - this[SIZE]
  local payload = place(now, this, at, lower, kept)
  if not known then
    now[PAYLOAD] = payload
  end
  now[START], now[KIND] = at, this[PROTOCOL]
  return now, at
end

-- Make a packet of pieces whose bytes are there, from the last to the first, in front of an
-- offset and of what is a packet already: `now` is that packet, `lower` its piece. The
-- outermost packet is self. The first steps are no loop, so that a trace goes through them.
local STEP = [[
  now, at = step(self, now, this, lower, at, kept, lower ~= nil)
  lower, this = this, this[1] ]]
local lay = bytes.compile("packet/lay", ([[
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

-- Make a stack the packet that it describes, whatever it is.
local function general(self)
  rest() -- what was before and what comes now are too much for one trace
  local last, text = self[PIECE], self[TEXT]
  local from, start, n = self[POINTER], self[AT], last[TOTAL]
  local need = BUILT + n + #text
  local arena, p, o = take(need)
  copy(p, o + BUILT, from, start, n)
  fill(p, o + BUILT + n, text)
  if last[FRONT] then
    setmetatable(self, meta)
  else
    widen(self)
  end
  local now = last[DEPTH] > 0 and packet.new(false, false, 0, 0) or self
  blank(now, arena, p, o + need)
  now[slot.LAYERS] = 0
  lay(self, now, last, nil, o + BUILT + n, last[GIVEN] and {} or NONE)
  self[FLOOR] = o
end

local function planned(this)
  this[PLAN] = plan.fits(this) and plan.compile(this) or general
  return this[PLAN]
end

--- Make the stack the packet that it describes.
local function realise(self)
  local this = self[PIECE]
  local go = this[PLAN] or planned(this)
  go(self)
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
  twin[slot.VIEWS], twin[slot.SLOT] = false, false
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
function build.push(self, headers)
  if not build.is(headers) then
    core.misuse(("push: headers expected, not a %s"):format(type(headers)))
  end
  local last = stack.behind(headers[PIECE], stack.bytes_of(false, packet.first(self)))
  local front = last[FRONT]
  packet.reserve(self, front[TOTAL])
  local kept, floor, ceiling = keep(self), self[slot.FLOOR], self[slot.CEILING]
  local now, at = self, self[START]
  copy(self[POINTER], at - front[TOTAL], headers[POINTER], headers[AT], front[TOTAL])
  if last[DEPTH] > 0 then
    now = clone(self)
    self[slot.LAYERS], self[slot.MORE], self[slot.ERROR] = packet.apart(self), false, false
  end
  lay(self, now, front, last, at, kept)
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

--- A packet that a caller gave, or headers that become one now.
-- @param what  the argument
-- @return the packet
function packet.given(what, value)
  if build.is(value) then
    realise(value)
  elseif not packet.is(value) then
    packet.refuse_gone(value)
    check.refuse(what, value, "a packet")
  end
  return value
end

--- Whether a value is a stack that is not yet a packet.
function build.is(value)
  return getmetatable(value) == stack.meta
end

return build
