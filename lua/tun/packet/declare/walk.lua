-- walk.lua: usual packets are read by C where there is no compiler; see csrc/batch/walk.c. A
-- header is usual when its declaration has only what the patterns below find, and when it is
-- right.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local layer = require "tun.packet.declare.layer"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local walk = {}

-- Of what the declaration has: the field, and a number beside it.
local PATTERNS = {
  { "valid", "^([%a_][%w_]*) == (%d+)$" },
  { "size", "^([%a_][%w_]*) %* (%d+)$" },
  { "extent", "^([%a_][%w_]*) ?%+? ?(%d*)$" },
  { "unless", "^([%a_][%w_]*) > 0$" },
  { "next", "^([%a_][%w_]*)$" },
  { "second", "^([%a_][%w_]*)$" },
}

local LARGEST = 16 -- bits of a number in a header

-- Parsers by id.
local protocols = {}
local parsers = setmetatable({}, { __index = function(self, id)
  self[id] = protocols[id].slow
  return self[id]
end })
local step, lead, go = core.walker()

local OPERATORS = { ["and"] = true, ["or"] = true, ["not"] = true }

-- The field that a condition is about, and by bits the numbers below 32 with which it does
-- not hold; nothing when it is about more.
local function unmet(protocol, condition)
  local name, bits = nil, 0
  for word in condition:gmatch "[%a_][%w_]*" do
    name = name or protocol.fields[word] and word
    if word ~= name and not OPERATORS[word] then
      return nil
    end
  end
  if not name then
    return nil
  end
  local load_text = loadstring or load -- luacheck: ignore
  local holds = assert(load_text(("local %s = ... return %s"):format(name, condition)))
  for number = 0, 31 do
    bits = bits + (holds(number) and 0 or 2 ^ number)
  end
  return name, bits
end

-- Append a part: of which field, and the number beside it. False when C cannot take it.
local function append(list, field, size, number)
  local known = field and field.at and not field.little and field.width <= LARGEST
    and field.skip + field.width <= LARGEST
    and field.at + math.ceil((field.skip + field.width) / 8) <= size
  list[#list + 1] = known and field.at or 0
  list[#list + 1] = known and field.skip or 0
  list[#list + 1] = known and field.width or 0
  list[#list + 1] = tonumber(number) or 0
  return known
end

-- Append all parts; whether they tell all of the declaration.
local function parts(protocol, list)
  local row, plain = protocol.row, true
  local texts = { valid = row.valid and row.valid[1], size = protocol.size_text,
                  extent = row.extent,
                  unless = row.unless, next = row.next and row.next[2],
                  second = row.next and row.next[3] }
  local function add(text, name, number)
    local known = append(list, protocol.fields[name or false], protocol.size, number)
    plain = plain and (known or not text)
  end
  for _, pattern in ipairs(PATTERNS) do
    -- What is not known by the first number is left to Lua, but where C can see the second.
    local text = texts[pattern[1]]
    add(pattern[1] ~= "second" and text, (text or ""):match(pattern[2]))
  end
  local quotes = type(row.quotes) == "string"
  if quotes then
    add(row.quotes, unmet(protocol, row.quotes))
  else
    add(row.quotes)
  end
  if row.extent and (protocol.stream or protocol.level == layer.LEVELS.application) then
    return false
  end
  return plain and not (row.next and row.next.size) and (quotes or type(row.inner) ~= "string")
end

--- Let C know a protocol.
function walk.add(protocol)
  local level = protocol.level
  local list = { 0, protocol.size, protocol.mark or 0, level and layer.mask(level) or 0,
                 level and slot.FIRST + level or 0 }
  local plain = parts(protocol, list) and level and protocol.size > 0
  list[1] = plain and 1 or 0
  protocol.id = step(list)
  protocols[protocol.id], protocol.is_plain = protocol, plain or false
end

-- With an FFI that is not compiled, p is no arena.
local QUICK = source.fill([[
return function(packet, p, o, stop, layers)
  local left
  left, o, stop, layers = go($arena, packet, o, stop, layers, id)
  if left > 0 then
    parsers[left](packet, p, o, stop, layers)
  else
    packet[$LIMIT], packet[$PAYLOAD], packet[$LAYERS] = stop, o, layers
  end
end]], { arena = bytes.jitted and ("packet[%d]"):format(slot.ARENA) or "p" })

--- A parser that does in C what it can, and leaves the rest to the one in Lua.
function walk.quick(protocol)
  return protocol.is_plain and bytes.compile(protocol.name .. "/walk", QUICK,
    { go = go, id = protocol.id, parsers = parsers }) or protocol.slow
end

-- Learn what follows a protocol. What is a packet inside, or not loaded yet, is left to Lua.
local function learn(upper, space, inside)
  local function add(numbers, id_of)
    for number, lower in entries(numbers) do
      if number < 2 ^ LARGEST then
        lead(upper.id, number, id_of and lower.id or 0)
      end
    end
  end
  add(space.protocols, true)
  add(space.waiting)
  if inside then
    add(inside.protocols)
    add(inside.waiting)
  end
end

--- Learn what a protocol, which others lead to, has changed.
function walk.join(protocol)
  local follows = protocol.follows
  for _, upper in ipairs(protocols) do
    local next, inner = upper.row.next, upper.row.inner
    local inside = type(inner) == "table" and inner[1]
    if upper.is_plain and next
      and (upper == protocol or follows[next[1]] or inside and follows[inside]) then
      learn(upper, layer.space(next[1]), inside and layer.space(inside))
    end
  end
end

return walk
