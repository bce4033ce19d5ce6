-- writer.lua: what writes a protocol's header from a table of fields.
local bytes = require "tun.packet.bytes"
local field = require "tun.packet.field"
local layer = require "tun.packet.layer"
local room = require "tun.packet.room"
local source = require "tun.packet.source"

local writer = {}

-- put(p, o, given) of a field; true when the field is one that is computed otherwise.
local function putter(protocol, each)
  local check, write, given = field.store(protocol, each)
  return bytes.compile(protocol.name .. "." .. each.name, source.fill([[
return function(p, o, given)
$check
  $write
  return $computed
end]], { check = check, write = write, computed = each.computed and "true" or "false" }), given)
end

-- The first names are seen to without a loop, so that a trace goes through.
local STEP = [[
  if key ~= nil then
    local put = puts[key]
    if not put then unknown(key) end
    if put(p, o, value) then
      kept = kept or {}
      kept[key] = true
    end
    key, value = next(fields, key)
  end]]

--- Write a header: false, or a set of the computed fields that were given.
-- put_all(p, o, fields, puts, unknown)
local put_all = bytes.compile("writer", ([[
return function(p, o, fields, puts, unknown)
  local kept = false
  local key, value = next(fields)
  %s
  while key ~= nil do
    %s
  end
  return kept
end]]):format((STEP .. "\n"):rep(6), STEP), { next = next })

-- Fields that may be absent are put when all that decide on their place are there.
local function placed(p, o, fields, protocol)
  local now, later = {}, {}
  for name, value in pairs(fields) do
    local each = protocol.fields[name] or {}
    if each.place then
      later[name] = value
      now[each.switch] = protocol.fields[each.switch] and 1 or nil
    else
      now[name] = value
    end
  end
  local kept = put_all(p, o, now, protocol.put, protocol.refuse)
  local more = put_all(p, o, later, protocol.put, protocol.refuse)
  return more or kept
end

-- -- The functions of a protocol -------------------------------------------

-- A header of defaults: pointer, offset, and the arena, which is to be kept.
local function image(protocol)
  local arena, p, o = room.take(protocol.size)
  for _, each in ipairs(protocol.fields) do
    if each.default ~= nil and not each.place and not each.over then
      protocol.put[each.name](p, o, each.default)
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
  local kept = $put(p, o, fields, $arguments)
  local size = $size
  $tail
  return size, kept, arena, p, o
end]]

local AREA = {
  area = "local tail, counts = area(fields, protocol) local n = #tail",
  counts = "if counts then put_all(p, o, counts, puts, unknown) end",
  tail = "if n > 0 then fill(p, o + size, tail) size = size + n end",
}

-- write(fields): size, false or a set of the computed fields that were given, arena, pointer
-- and offset of a header.
local function write(protocol)
  local area, extra = protocol.row.area, protocol.extra
  local p, o, arena = image(protocol)
  protocol.image = arena
  return bytes.compile(protocol.name, source.fill(WRITE, {
    area = area and AREA.area or "", most = protocol.most .. (area and " + n" or ""), at = o,
    least = protocol.size, counts = area and AREA.counts or "", tail = area and AREA.tail or "",
    put = extra and "placed" or "put_all",
    arguments = extra and "protocol" or "puts, unknown",
    size = extra and "extra(p, o)" or protocol.size,
  }), {
    take = room.take, copy = bytes.copy, fill = bytes.fill, area = area and area.write, image = p,
    put_all = put_all, placed = placed, puts = protocol.put, unknown = protocol.refuse,
    extra = extra, protocol = protocol,
  })
end

local function nothing() end

--- Make protocol.write, and protocol.put, by which fields and what the area is built from are
-- known.
function writer.compile(protocol)
  for _, each in ipairs(protocol.fields) do
    protocol.put[each.name] = putter(protocol, each)
    if protocol.get[each.name .. "_n"] then
      protocol.put[each.name .. "_n"] = protocol.put[each.name]
    end
  end
  for _, name in ipairs(protocol.row.area and protocol.row.area.names or {}) do
    protocol.put[name] = nothing
  end
  protocol.refuse = layer.unknown(protocol, protocol.row.area and protocol.row.area.names)
  protocol.write = write(protocol)
end

return writer
