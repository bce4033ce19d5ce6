-- walk.lua: usual packets are read by C where there is no FFI; see csrc/walk.c. A header is
-- usual when its declaration has only what the patterns below find, and when it is right.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local layer = require "tun.packet.layer"
local slot = require "tun.packet.slot"
local source = require "tun.packet.source"

local walk = {}

-- Of what the declaration has: the field, and a number beside it.
local PATTERNS = {
  { "valid", "^([%a_]+) == (%d+)$" },
  { "size", "^([%a_]+) %* (%d+)$" },
  { "extent", "^([%a_]+) ?%+? ?(%d*)$" },
  { "unless", "^([%a_]+) > 0$" },
  { "next", "^([%a_]+)$" },
}

local LARGEST = 16 -- bits of a number

-- Parsers by id; what follows by the id of a protocol and the number that says it.
local parsers, steps = {}, {}
local go = core.walker(steps)

-- The numbers of all patterns, and whether they tell all.
local function parts(protocol, list)
  local row, plain = protocol.row, true
  local texts = { valid = row.valid and row.valid[1], size = row.size, extent = row.extent,
                  unless = row.unless, next = row.next and row.next[2] }
  for _, pattern in ipairs(PATTERNS) do
    local text = texts[pattern[1]]
    local name, number = (text or ""):match(pattern[2])
    local field = protocol.fields[name or false]
    local known = field and field.at and not field.swapped and field.width <= LARGEST
      and field.at + math.ceil((field.skip + field.width) / 8) <= protocol.size
    plain = plain and (known or not text)
    list[#list + 1] = known and field.at or 0
    list[#list + 1] = known and field.skip or 0
    list[#list + 1] = known and field.width or 0
    list[#list + 1] = tonumber(number) or 0
  end
  return plain and not (row.next and row.next.size) and not row.quotes
    and type(row.inner) ~= "string"
end

local QUICK = source.fill [[
return function(packet, p, o, stop, layers)
  local left
  left, o, stop, layers = go(p, packet, o, stop, layers, step)
  if left > 0 then
    parsers[left](packet, p, o, stop, layers)
  else
    packet[$LIMIT], packet[$PAYLOAD], packet[$LAYERS] = stop, o, layers
  end
end]]

--- A parser that does in C what it can, and leaves the rest to the given one.
function walk.quick(protocol, parse)
  local level, id = protocol.level, #parsers + 1
  local list = { id, 0, protocol.size, protocol.mark or 0, level and layer.mask(level) or 0,
                 level and slot.FIRST + level or 0 }
  local plain = parts(protocol, list) and level
  list[2] = plain and 1 or 0
  parsers[id], protocol.id, protocol.step = parse, id, core.step(list)
  return plain and bytes.compile(protocol.name, QUICK,
    { go = go, step = protocol.step, parsers = parsers }) or parse
end

--- Learn what follows each of the protocols. What is a packet inside is left to Lua.
function walk.join(protocols)
  for _, upper in ipairs(protocols) do
    local row = upper.row
    local inner = type(row.inner) == "table" and layer.space(row.inner[1]).protocols or {}
    for number, lower in pairs(row.next and layer.space(row.next[1]).protocols or {}) do
      steps[upper.id * 2 ^ LARGEST + number] = not inner[number] and lower.step or nil
    end
  end
end

return walk
