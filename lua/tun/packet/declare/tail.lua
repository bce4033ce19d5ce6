-- tail.lua: what stands behind the fields of a header and has no fixed size: rows with a form
-- instead of a width, and areas. Each is read, built and replaced by its name.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local slot = require "tun.packet.memory.slot"
local options = require "tun.packet.value.options"
local source = require "tun.packet.declare.source"

local tail = {}

-- What a name gives is the value; `view:options()` is the same as `view.options`.
local called = { __call = function(self)
  return self
end }

local function own(value)
  return type(value) == "table" and setmetatable(value, called) or value
end

-- -- Reading ----------------------------------------------------------------

-- Where a view's tail begins, and how many bytes of it are there.
local function extent(view)
  local protocol, o, packet = getmetatable(view).protocol, view[2], view[3]
  local limit = packet[slot.LIMIT]
  local size = protocol.length and protocol.length(view[1], o, limit) or limit - o
  local first = o + protocol.size
  local n = math.min(o + size, limit) - first
  return first, n > 0 and math.floor(n) or 0 -- of no number, too
end

--- The bytes behind the fixed fields of a view, as a string.
function tail.text(view)
  local first, n = extent(view)
  return bytes.string(view[1], first, n)
end

-- How many values the list of a part has, as a field of the header at an offset says.
local function count_of(protocol, part, p, o)
  local field = part.count
  return field and (protocol.get[field .. "_n"] or protocol.get[field])(p, o)
end

-- Where each part begins in a text behind a header, and behind the last: as far as that can be
-- told.
local function places(protocol, text, p, o)
  local list, at = { 1 }, 1
  for i, part in ipairs(protocol.tail.parts) do
    local of, behind = part[2], #text + 1
    if of.take then
      local _
      _, behind = of.take(text, at, count_of(protocol, part, p, o))
    end
    if type(behind) ~= "number" or not (behind >= at and behind <= #text + 1)
      or behind % 1 ~= 0 then
      return list
    end
    list[i + 1], at = behind, behind
  end
  return list
end

local function reader(protocol, i, part)
  return function(view)
    local text = tail.text(view)
    local list = places(protocol, text, view[1], view[2])
    if not list[i] then -- what stands in front is cut
      return nil
    end
    local raw = text:sub(list[i], (list[i + 1] or #text + 1) - 1)
    local value = part[2].read(raw, count_of(protocol, part, view[1], view[2]))
    if value == nil then
      return raw
    end
    return own(value)
  end
end

-- -- Writing ----------------------------------------------------------------

local function write_part(protocol, part, value)
  local of, where = part[2], protocol.name .. "." .. part[1]
  if value == nil then
    value = part.default
  end
  if value == nil then
    return of.empty or of.write(of.none or "", where)
  end
  local text = of.write(value, where)
  if not text and type(value) == "string" and of.item then
    return options.whole(protocol.name, part[1], value, part.unit or 1)
  elseif not text then
    local given = type(value) == "table" and "" or tostring(value) .. " is "
    core.misuse(("%s: %snot %s"):format(where, given, of.what))
  end
  return text
end

-- What a field counts of a value: a table of it and others.
local function counted(part, value, counts)
  local name = part.count or part.counts
  if name and (value == nil or type(value) == type(part[2].none)) then
    counts = counts or {}
    counts[name] = value and part[2].count_of(value) or 0
  end
  return counts
end

local function write(fields, protocol)
  local list, counts = {}, nil
  for i, part in ipairs(protocol.tail.parts) do
    local value = fields[part[1]]
    list[i] = write_part(protocol, part, value)
    counts = counted(part, value, counts)
  end
  return table.concat(list), counts
end

-- The fields that say how long the header is, and what they have to be for so many bytes.
local function sizes(protocol, total)
  local list = {}
  for _, each in ipairs(protocol.fields) do
    local text = each.computed == "size" and protocol.row.size
      or each.computed == "extent" and protocol.whole_extent and protocol.row.extent
    if text then
      local name, factor, rest = source.solve(protocol, text)
      local value = (total - rest) / factor
      if value > 2 ^ each.width - 1 or value % 1 ~= 0 then
        core.misuse(("%s: a header of %d bytes, which %s cannot tell"):format(protocol.name, total,
          name))
      end
      list[name] = value
    end
  end
  return list
end

-- Put a text in the place of a view's tail: the packet grows or shrinks, fix() does the rest.
local function replace(view, text, counts)
  local protocol, packet = getmetatable(view).protocol, view[3]
  local first, n = extent(view)
  local fields = sizes(protocol, protocol.size + #text)
  for name, count in entries(counts or {}) do
    fields[name] = count
  end
  local splice = require "tun.packet.change.splice"
  local moved = splice(packet, first, n, text)
  view[1], view[2], view[4] = packet[slot.POINTER], view[2] + moved, packet[slot.ARENA]
  for name, value in entries(fields) do
    protocol.set[name](packet, view[1], view[2], value)
  end
  packet[slot.STALE], packet[slot.EDITS] = true, true
end

local function setter(protocol, i, part)
  return function(view, value)
    local text = tail.text(view)
    local list = places(protocol, text, view[1], view[2])
    local new = write_part(protocol, part, value)
    replace(view, text:sub(1, (list[i] or #text + 1) - 1) .. new
      .. text:sub(list[i + 1] or #text + 1), counted(part, value))
  end
end

-- -- Of a declaration ---------------------------------------------------------

-- An area has names, write(fields, protocol) -> text, counts, and read, functions of a view
-- by name.
local function of_area(protocol, area)
  local it = { names = area.names, get = {}, set = {}, write = area.write }
  for _, name in ipairs(area.names) do
    it.get[name] = area.read and area.read[name] and function(view)
      return own(area.read[name](view))
    end
    it.set[name] = function(view, value)
      local fields = {}
      for _, each in ipairs(area.names) do
        fields[each] = area.read and each ~= "body" and area.read[each](view) or nil
      end
      fields[name] = value
      replace(view, area.write(fields, protocol))
    end
  end
  return it
end

-- How many bytes the header has, where only its parts tell; all and why when they do not.
local function measure(protocol)
  return function(p, o, stop)
    local text = bytes.string(p, o + protocol.size, math.max(0, stop - o - protocol.size))
    local list = places(protocol, text, p, o)
    local behind = list[#protocol.tail.parts + 1]
    return behind and protocol.size + behind - 1 or stop - o, not behind
  end
end

local function of_parts(protocol, parts)
  local it = { names = {}, parts = parts, get = {}, set = {}, write = write }
  for i, part in ipairs(parts) do
    it.names[i] = part[1]
    it.get[part[1]], it.set[part[1]] = reader(protocol, i, part), setter(protocol, i, part)
  end
  return it
end

--- Give a protocol its tail, where its rows have one: names; get and set, functions of a view
-- by name; write(fields, protocol), which gives bytes, and values of fields that count.
function tail.of(protocol, rows)
  local parts = {}
  for _, row in ipairs(rows) do
    if type(row[2]) == "table" then
      parts[#parts + 1] = row
    elseif parts[1] and not (row.over or row.at) then
      core.misuse(('header "%s": %s stands behind %s, which has no fixed size')
        :format(protocol.name, row[1], parts[#parts][1]))
    end
  end
  if parts[1] then
    protocol.tail = of_parts(protocol, parts)
    if not rows.size and parts[#parts][2].take then
      protocol.measure = measure(protocol)
    end
  elseif rows.area then
    protocol.tail = of_area(protocol, rows.area)
  end
  -- What takes all that is there takes no more than the header says of itself.
  local text = rows.size or protocol.measure and "measure(p, o, stop)"
    or protocol.tail and "stop - o"
  if text == "stop - o" and rows.extent and not rows.size then
    protocol.whole_extent = true
    text = ("((%s) < stop - o and (%s) or stop - o)"):format(rows.extent, rows.extent)
  end
  protocol.size_text = text
  protocol.length = protocol.tail and text and bytes.compile(protocol.name .. "/length",
    ("return function(p, o, stop) return (%s) end"):format(source.expression(protocol, text)),
    { measure = protocol.measure })
end

return tail
