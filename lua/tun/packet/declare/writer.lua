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

local LARGEST = 65535 -- bytes of a header

-- The bytes of a header whose fields at fixed places are written.
local function size_of(protocol, p, o)
  local size = protocol.extra(p, o, o + protocol.most)
  if type(size) ~= "number" or not (size >= protocol.size and size <= LARGEST)
    or size % 1 ~= 0 then
    core.misuse(("%s: its size is %s bytes, not a whole number from %d to %d")
      :format(protocol.name, tostring(size), protocol.size, LARGEST))
  end
  return size
end

-- Fields at fixed places, and those whose places they tell.
local function apart(protocol, fields)
  local now, later = {}, {}
  for name, value in entries(fields) do
    local each = protocol.fields[name] or protocol.fields[tostring(name):match "^(.*)_n$"] or {}
    if each.place then
      later[name] = value
      local switch = protocol.fields[each.switch] and fields[each.switch] == nil and each.switch
      now[switch or false] = switch and 1 or nil
    else
      now[name] = value
    end
  end
  return now, later
end

-- Put fields into a header of which some may be absent, in memory as large as the others say:
-- what protocol.write() gives.
local function placer(protocol, put_all, puts)
  return function(fields, kept, behind, arena, p, o)
    local now, later = apart(protocol, fields)
    kept = put_all(p, o, now, kept)
    local size = size_of(protocol, p, o)
    if size > protocol.most then
      local from, first = p, o
      arena, p, o = room.take(size + behind)
      bytes.copy(p, o, from, first, protocol.size)
    end
    for name, value in entries(later) do
      if puts[name](p, o, value, o + size) then
        kept = kept or {}
        kept[name] = true
      end
    end
    return size, kept, arena, p, o
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
  local size, kept = $least, false
  $put
  $tail
  return size, kept, arena, p, o
end]]

local AREA = {
  area = "local tail, counts = area(fields or NONE, protocol) local n = #tail",
  counts = "if counts then put(p, o, counts, false) end",
  tail = "if n > 0 then fill(p, o + size, tail) size = size + n end",
}

local PUT = "if fields then kept = put(p, o, fields, false) end"
local PLACE = "size, kept, arena, p, o = place(fields or NONE, false, $behind, arena, p, o)"

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
    put = protocol.extra and source.fill(PLACE, { behind = area and "n" or 0 }) or PUT,
  }), {
    take = room.take, copy = bytes.copy, fill = bytes.fill, area = area and area.write, image = p,
    put = put, place = protocol.extra and placer(protocol, put, puts), protocol = protocol,
    NONE = {},
  })
  return protocol.write
end

return writer
