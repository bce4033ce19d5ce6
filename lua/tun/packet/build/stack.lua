-- stack.lua: ip4{...} / udp{...} / "payload". A protocol that is called writes its header
-- and gives a stack of one; `/` puts stacks and bytes behind it. build.lua makes a stack the
-- packet that it describes, in place, at its first use. No tail calls: see field.lua.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local finish = require "tun.packet.declare.finish"
local header = require "tun.packet.declare.header"
local packet = require "tun.packet.object"
local piece = require "tun.packet.build.piece"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local writer = require "tun.packet.declare.writer"

-- A stack is its headers, one behind the other in memory that nothing changes, the bytes
-- behind them, and a piece. It refers to no other stack, so that a JIT compiler makes the
-- stacks disappear that a longer one is built of.
local stack = { meta = {}, POINTER = slot.POINTER, ARENA = slot.ARENA, AT = 3, TEXT = 4, PIECE = 5 }

local meta = stack.meta
local take, new = room.take, packet.new
local copy, type, setmetatable, getmetatable = bytes.copy, type, setmetatable, getmetatable

local FRONT, PROTOCOL, LEAD, SIZE = piece.FRONT, piece.PROTOCOL, piece.LEAD, piece.SIZE
local KEPT, DEPTH, TOTAL, GIVEN = piece.KEPT, piece.DEPTH, piece.TOTAL, piece.GIVEN
local BYTES, BEHIND = piece.BYTES, piece.BEHIND
local POINTER, ARENA, AT = stack.POINTER, stack.ARENA, stack.AT
local TEXT, PIECE = stack.TEXT, stack.PIECE

-- -- Pieces -------------------------------------------------------------------

local MOST = 1024 -- pieces that are shared, before it starts anew
local count = 0
local WEAK = { __mode = "k" }

-- Keep a piece to be shared.
local function share(pieces, key, this)
  if count == MOST then
    count = 0
    for _, protocol in ipairs(header.list) do
      for size in entries(protocol.pieces) do
        protocol.pieces[size] = nil
      end
    end
  end
  count = count + 1
  this[BEHIND] = setmetatable({}, WEAK)
  pieces[key] = this
end

-- The piece of a header alone, which is shared unless fields are kept.
local function single(protocol, size, kept)
  local this = not kept and protocol.pieces[size]
  if not this then
    this = { false, protocol, protocol, size, kept, 0, size, kept, false, false, false }
    if not kept then
      share(protocol.pieces, size, this)
    end
  end
  return this
end

--- The piece of bytes, of a packet's as a rule.
function stack.bytes_of(protocol, lead)
  return { false, protocol, lead, 0, false, 0, 0, false, true, false, false }
end

-- That of bytes that are no packet.
local RAW = stack.bytes_of(false, false)
RAW[BEHIND] = {}

local function next_given(last)
  for name in entries(last[KEPT]) do
    if last[PROTOCOL].fields[name].computed == "next" then
      return true
    end
  end
end

-- How many tunnels more are in front of a protocol when it stands behind another.
local function deeper(front, lower)
  local upper = front[PROTOCOL]
  if finish.leads(upper, lower) then
    return finish.holds(upper, lower) and 1 or 0
  elseif not (front[KEPT] and next_given(front)) then
    core.misuse(("%s cannot stand in front of %s"):format(upper.name, lower.name))
  end
  return 0
end

-- A header may end early when more is known of what follows.
local function cut(front, lower)
  local row = front[PROTOCOL].row.next
  if not (row and row.size and lower and lower.follows[row[1]]) then
    return front
  end
  local short = { (unpack or table.unpack)(front, 1, BEHIND) } -- luacheck: ignore
  short[SIZE], short[TOTAL], short[BEHIND] = row.size, front[TOTAL] - front[SIZE] + row.size, false
  return short
end

--- A copy of a piece behind another one, which may be cut.
-- @param last  what of it is in front does not count
function stack.behind(front, last)
  local protocol, lower = last[PROTOCOL], last[LEAD]
  if front[BYTES] then
    core.misuse "nothing can be put behind bytes"
  end
  local depth = front[DEPTH] + (lower and deeper(front, lower) or 0)
  front = cut(front, lower)
  return { front, protocol, lower, last[SIZE], last[KEPT], depth, front[TOTAL] + last[SIZE],
           front[GIVEN] or last[KEPT], last[BYTES], false, false }
end

local function chain(front, last)
  if last[FRONT] then
    front = chain(front, last[FRONT])
  end
  return stack.behind(front, last)
end

-- The piece of what stands in front and what stands behind.
local function joined(front, last)
  local known = front[BEHIND]
  local this = known and known[last]
  if not this then
    this = chain(front, last)
    if known and last[BEHIND] then
      share(known, last, this)
    end
  end
  return this
end

-- -- Headers ------------------------------------------------------------------

local MAKE = [[
return function(_, fields)
  if fields ~= nil and type(fields) ~= "table" then
    refuse(fields)
  end
  local size, kept, arena, p, o = write(fields)
  local made = { p, arena, o, "", not kept and pieces[size] or single(protocol, size, kept) }
  setmetatable(made, meta)
  return made
end]]

-- What a protocol does when it is called is generated at the first call.
function header.protocol.__call(protocol, fields)
  local make = bytes.compile(protocol.name .. "/call", MAKE, {
    refuse = function(value)
      core.misuse(("%s: a table of fields expected, not a %s"):format(protocol.name, type(value)))
    end,
    write = writer.compile(protocol), pieces = protocol.pieces, single = single,
    protocol = protocol, setmetatable = setmetatable, meta = meta, type = type })
  getmetatable(protocol).__call = make
  return make(protocol, fields)
end

-- -- One behind the other -----------------------------------------------------

-- The headers of a packet, so that others can be put behind them. What is computed is
-- computed anew.
local function headers_of(self, front)
  local list, inner, stop = packet.sorted(self), self.inner, self[slot.PAYLOAD]
  if inner then
    stop = inner[slot.START]
  end
  for i, each in ipairs(list) do
    local size = (list[i + 1] and list[i + 1][2] or stop) - each[2]
    local this = single(each[1], size, false)
    front = front and stack.behind(front, this) or this
  end
  if inner then
    return headers_of(inner, front)
  end
  return front, self.payload
end

-- A packet in front: a piece, and where a copy of its headers lies.
local function apart(self)
  local front, text = headers_of(self)
  if not front or text ~= "" then
    front = front and joined(front, RAW) or RAW
  end
  local arena, p, o = take(front[TOTAL])
  copy(p, o, self[slot.POINTER], self[slot.START], front[TOTAL])
  return front, arena, p, o
end

-- A packet behind: a piece, and its bytes.
local function whole(value)
  if not packet.is(value) then
    core.misuse(("a header, a packet or bytes expected behind /, not a %s"):format(type(value)))
  end
  return stack.bytes_of(value[slot.KIND], packet.first(value)), value:bytes()
end

-- Headers one behind the other in memory: n bytes and those of a second stack.
local function together(n, p, o, size, p2, o2)
  local arena, q, at = take(n + size)
  copy(q, at, p, o, n)
  copy(q, at + n, p2, o2, size)
  return arena, q, at
end

-- In one function, since a trace has room for a limited number of calls.
function meta.__div(a, b)
  local front, arena, p, o = RAW, false, false, 0
  local last, text, arena2, p2, o2 = RAW, b, false, false, 0
  if getmetatable(a) == meta then
    front, arena, p, o = a[PIECE], a[ARENA], a[POINTER], a[AT]
  elseif packet.is(a) then
    front, arena, p, o = apart(a)
  end
  if getmetatable(b) == meta then
    last, text, arena2, p2, o2 = b[PIECE], b[TEXT], b[ARENA], b[POINTER], b[AT]
  elseif type(b) ~= "string" then
    last, text = whole(b)
  end
  local known = front[BEHIND]
  local this = known and known[last] or joined(front, last)
  local size = last[TOTAL]
  local n = this[TOTAL] - size
  if size > 0 and (arena ~= arena2 or o + n ~= o2) then
    arena, p, o = together(n, p, o, size, p2, o2)
  end
  local made = new(arena, p, 0, 0)
  made[AT], made[TEXT], made[PIECE] = o, text, this
  setmetatable(made, meta)
  return made
end
packet.meta.__div = meta.__div

return stack
