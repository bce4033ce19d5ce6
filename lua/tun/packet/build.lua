-- build.lua: ip4{...} / udp{...} / "payload". A protocol that is called writes its header
-- and gives a stack of one; `/` puts stacks and bytes behind it. At the first use the stack
-- becomes the packet, in place.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local finish = require "tun.packet.finish"
local fix = require "tun.packet.fix"
local header = require "tun.packet.header"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local room = require "tun.packet.room"
local slot = require "tun.packet.slot"

local build = {}

local POINTER, START = slot.POINTER, slot.START
local PAYLOAD, INNER, INSIDE, OUTER = slot.PAYLOAD, slot.INNER, slot.INSIDE, slot.OUTER

-- A stack is { piece }, the last one. A piece leads to the one in front of it; a header
-- knows its protocol, bytes that are given have none; depth counts the tunnels in front.
local meta = {}

-- -- Pieces -----------------------------------------------------------------

local NONE = {}

-- Where a header's bytes lie, how many, and which computed fields were given.
local function write(protocol, fields)
  local area = protocol.row.area
  local tail, counts
  if area then
    tail, counts = area.write(fields, protocol)
  end
  local tail_size = tail and #tail or 0
  local arena, p, o = room.take(protocol.most + tail_size)
  local kept = protocol.write(p, o, fields, counts)
  local size = protocol.extra and protocol.extra(p, o) or protocol.size
  if tail_size > 0 then
    bytes.fill(p, o + size, tail)
  end
  return { front = false, protocol = protocol, arena = arena, pointer = p, at = o,
           size = size + tail_size, kept = kept, depth = 0, total = size + tail_size }
end

function header.protocol.__call(protocol, fields)
  if fields ~= nil and type(fields) ~= "table" then
    core.misuse(("%s: a table of fields expected, not a %s"):format(protocol.name, type(fields)))
  end
  return setmetatable({ write(protocol, fields or NONE) }, meta)
end

-- Bytes, or a packet that is already one, as a piece.
local function given(value)
  local kind, lead, text = false, nil, value
  if packet.is(value) then
    kind, lead, text = value[slot.KIND], packet.first(value), value:bytes()
  elseif type(value) ~= "string" then
    core.misuse(("a header, a packet or bytes expected behind /, not a %s"):format(type(value)))
  end
  return { front = false, protocol = kind, lead = lead, text = text, size = #text, depth = 0,
           total = #text }
end

local function top(value)
  return getmetatable(value) == meta and value[1] or given(value)
end

local function next_given(piece)
  for name in pairs(piece.kept or NONE) do
    if piece.protocol.fields[name].computed == "next" then
      return true
    end
  end
end

local function refuse(upper, lower)
  core.misuse(("%s cannot stand in front of %s"):format(upper.name, lower.name))
end

-- A copy of a piece behind another one.
local function behind(front, piece)
  local upper, lower, depth = front.protocol, piece.lead or not piece.text and piece.protocol, front.depth
  if front.text then
    core.misuse "nothing can be put behind bytes or a packet: build it of headers, or set its payload"
  elseif lower and not finish.leads(upper, lower) and not next_given(front) then
    refuse(upper, lower)
  elseif lower and finish.holds(upper, lower) then
    depth = depth + 1
  end
  return { front = front, protocol = piece.protocol, arena = piece.arena, pointer = piece.pointer,
           at = piece.at, size = piece.size, kept = piece.kept, text = piece.text,
           lead = piece.lead, depth = depth, total = front.total + piece.size }
end

local function chain(front, piece)
  if piece.front then
    front = chain(front, piece.front)
  end
  return behind(front, piece)
end

function meta.__div(a, b)
  return setmetatable({ chain(top(a), top(b)) }, meta)
end
packet.meta.__div = meta.__div

-- -- Stack to packet ----------------------------------------------------------

-- How many bytes a header loses that ends early when more is known of what follows.
local function cut(piece, lower)
  local row = not piece.text and piece.protocol.row.next
  if row and row.size and lower and lower.protocol and lower.protocol.follows[row[1]] then
    return piece.size - row.size
  end
  return 0
end

-- Whether a piece is found by the ports of the header in front of it.
local function by_port(piece)
  return piece.front and piece.protocol and piece.protocol.by_port and piece.front.protocol.row.ports
end

-- Ports that were not given say what follows.
local function set_port(self, piece, at, lower)
  local port = lower.protocol.follows[piece.protocol.name]
  local get, set, p = piece.protocol.get, piece.protocol.set, self[POINTER]
  local sport = layer.space(piece.protocol.name).protocols[get.sport(p, at)]
  if get.dport(p, at) == 0 and sport ~= lower.protocol then
    set.dport(self, p, at, type(port) == "table" and port[1] or port)
  end
end

-- Lay a piece down; where the payload begins if nothing follows.
local function place(self, piece, at, size, lower, kept)
  local p, protocol = self[POINTER], piece.protocol
  if piece.text then
    bytes.fill(p, at, piece.text)
    return protocol and packet.read(self, at, at + size, protocol)[PAYLOAD] or at
  end
  bytes.copy(p, at, piece.pointer, piece.at, size)
  kept[at] = piece.kept or nil
  if by_port(piece) then
    return at
  end
  packet.enter(self, protocol, at)
  if protocol.row.ports and lower and lower.protocol and lower.protocol.by_port then
    set_port(self, piece, at, lower)
  end
  return at + size
end

-- The packet that holds another one.
local function hold(self, piece, inner)
  self[INNER], inner[OUTER] = inner, self
  self[slot.QUOTED] = piece.protocol.row.quotes and true or false
  self[INSIDE] = not by_port(piece) and inner[slot.KIND]
end

-- Lay pieces down from the last to the first, in front of an offset and of what is there:
-- `now` is the packet that holds it, `lower` the piece. The outermost packet is self.
local function lay(self, now, piece, lower, at, kept)
  local known, stop = lower ~= nil, now[slot.STOP]
  while piece do
    if lower and lower.depth > piece.depth then
      fix.compute(now, kept)
      local inner = now
      now = packet.blank(piece.depth > 0 and {} or self, inner[slot.ARENA], inner[POINTER], stop)
      hold(now, piece, inner)
      known = false
    end
    local size = piece.size - cut(piece, lower)
    at = at - size
    local payload = place(now, piece, at, size, lower, kept)
    if not known or by_port(piece) then
      now[PAYLOAD], known = payload, true
    end
    now[START], now[slot.KIND] = at, piece.protocol
    piece, lower = piece.front, piece
  end
  fix.compute(now, kept)
  return self
end

--- Make the stack the packet that it describes.
function build.realise(self)
  local piece = self[1]
  local need = room.HEADROOM + piece.total
  local arena, p, o = room.take(need)
  local now = packet.blank(piece.depth > 0 and {} or self, arena, p, o + need)
  lay(self, now, piece, nil, o + need, {})
  self[slot.FLOOR] = o
  return self
end

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
  local copy = {}
  for at = 1, slot.CEILING do
    copy[at] = self[at]
  end
  if copy[INNER] then
    copy[INNER][OUTER] = copy
  end
  return setmetatable(copy, packet.meta)
end

--- Put a header, or several, in front, in the packet's headroom. A packet behind a tunnel's
-- header is then packet.inner.
-- @param headers  of a protocol, or several with / between them
-- @return packet
function packet.methods:push(headers)
  if not build.is(headers) then
    core.misuse(("push: headers expected, not a %s"):format(type(headers)))
  end
  local front, lead = headers[1], packet.first(self)
  local lower = behind(front, { lead = lead, text = not lead and "", size = 0, total = 0 })
  packet.reserve(self, front.total)
  local kept, floor, ceiling = keep(self), self[slot.FLOOR], self[slot.CEILING]
  local now, at = lower.depth > 0 and clone(self) or self, self[START]
  lay(self, now, front, lower, at, kept)
  self[slot.FLOOR], self[slot.CEILING], self[slot.STALE] = floor, ceiling, true
  return self
end

function meta.__index(self, key)
  return build.realise(self)[key]
end

function meta.__newindex(self, key, value)
  build.realise(self)[key] = value
end

function meta.__tostring(self)
  return tostring(build.realise(self))
end

--- Whether a value is a stack that is not yet a packet.
function build.is(value)
  return getmetatable(value) == meta
end

return build
