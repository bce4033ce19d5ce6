-- writer.lua: what writes a protocol's header from a table of fields.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local layer = require "tun.packet.declare.layer"
local room = require "tun.packet.memory.room"
local source = require "tun.packet.declare.source"

local writer = {}

local STEP = [[
  if key$i ~= nil then
    local put = puts[key$i]
    if not put then unknown(key$i) end
    if put(p, o, value$i) then
      kept = kept or {}
      kept[key$i] = true
    end
    $more
  end]]

-- Steps for the entries that core.entries() gives, without a loop, so that a trace goes
-- through.
local function steps(i, n, names)
  names[i] = ("key%d, value%d"):format(i, i)
  local more = i < n and steps(i + 1, n, names)
    or ("kept = put_all(p, o, fields, kept, key%d)"):format(i)
  return source.fill(STEP, { i = i, more = more })
end

-- put_all(p, o, fields, kept) writes fields into a header: `kept`, or a set of the computed
-- ones among them besides. Each protocol has its own, so that a trace of one is of no other.
local function all_putter(protocol, puts, unknown)
  local names = {}
  local text = steps(1, 8, names)
  return bytes.compile(protocol.name .. "/fields", source.fill([[
local function put_all(p, o, fields, kept, after)
  local $names = entries(fields, after)
  $steps
  return kept
end
return put_all]], { names = table.concat(names, ", "), steps = text }),
    { entries = core.entries, puts = puts, unknown = unknown })
end

-- The same where fields may be absent: they are put when all that decide on their place are
-- there.
local function placer(protocol, put_all)
  return function(p, o, fields)
    local now, later = {}, {}
    for name, value in entries(fields) do
      local each = protocol.fields[name] or {}
      if each.place then
        later[name] = value
        now[each.switch] = protocol.fields[each.switch] and 1 or nil
      else
        now[name] = value
      end
    end
    local kept = put_all(p, o, now, false)
    kept = put_all(p, o, later, kept)
    return kept
  end
end

-- put(p, o, value) by name, of fields and of what the tail is built from.
local function nothing() end

local function putters(protocol)
  local puts = protocol.puts
  for _, name in ipairs(protocol.tail and protocol.tail.names or {}) do
    puts[name] = nothing
  end
  return puts
end

-- -- Headers ------------------------------------------------------------------

-- A header of defaults: pointer, offset, and the arena, which is to be kept.
local function image(protocol, puts)
  local arena, p, o = room.take(protocol.size)
  for _, each in ipairs(protocol.fields) do
    if each.default ~= nil and not each.place and not each.over then
      puts[each.name](p, o, each.default)
    end
  end
  return p, o, arena
end

local WRITE = [[
return function(fields)
  $area
  local arena, p, o = take($most)
  copy(p, o, image, $at, $least)
  $counts
  local kept = fields and put(p, o, fields, false) or false
  local size = $size
  $tail
  return size, kept, arena, p, o
end]]

local AREA = {
  area = "local tail, counts = area(fields or NONE, protocol) local n = #tail",
  counts = "if counts then put(p, o, counts, false) end",
  tail = "if n > 0 then fill(p, o + size, tail) size = size + n end",
}

--- Make protocol.write(fields), which writes a header: its size, false or a set of the
-- computed fields that were given, arena, pointer and offset.
-- @return protocol.write
function writer.compile(protocol)
  local area, puts = protocol.tail, putters(protocol)
  local put = all_putter(protocol, puts, layer.unknown(protocol, area and area.names))
  local p, o, arena = image(protocol, puts)
  protocol.image = arena
  protocol.write = bytes.compile(protocol.name .. "/build", source.fill(WRITE, {
    area = area and AREA.area or "", most = protocol.most .. (area and " + n" or ""), at = o,
    least = protocol.size, counts = area and AREA.counts or "", tail = area and AREA.tail or "",
    size = protocol.extra and "extra(p, o)" or protocol.size,
  }), {
    take = room.take, copy = bytes.copy, fill = bytes.fill, area = area and area.write, image = p,
    put = protocol.extra and placer(protocol, put) or put, extra = protocol.extra,
    protocol = protocol, NONE = {},
  })
  return protocol.write
end

return writer
