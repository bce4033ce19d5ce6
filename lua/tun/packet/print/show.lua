-- show.lua: packets for people to read: all fields by layer, and the bytes with the
-- layers marked.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local header = require "tun.packet.declare.header"
local line = require "tun.packet.print.line"
local slot = require "tun.packet.memory.slot"
local span = require "tun.packet.print.span"
local word = require "tun.packet.value.word"

local POINTER, START, STOP, LIMIT = slot.POINTER, slot.START, slot.STOP, slot.LIMIT

local show = {}

-- -- All fields -----------------------------------------------------------

local printable

local function escape(text)
  return (text:gsub('[%c"\\\127-\255]', function(byte)
    return ("\\x%02x"):format(byte:byte())
  end))
end

-- "mss 1460", "TS {value 1, echo 2}": what areas have.
local function words(value)
  local list = {}
  for _, each in ipairs(value) do
    list[#list + 1] = printable(each)
  end
  for _, pair in ipairs(word.pairs(value)) do
    list[#list + 1] = pair[1] .. " " .. printable(pair[2])
  end
  return list
end

function printable(value)
  if type(value) == "table" then
    return "{" .. table.concat(words(value), ", ") .. "}"
  end
  return type(value) == "number" and ("%.14g"):format(value) or escape(tostring(value))
end

local function field_words(field, view, value)
  if field.words and type(value) == "string" then
    local number = (field.format or "%.0f"):format(word.number(view, field.name))
    return ("%s (%s)"):format(number, value)
  end
  return type(value) == "number" and (field.format or "%.14g"):format(value) or printable(value)
end

local function tail_lines(view, lines)
  local tail = getmetatable(view).protocol.tail
  for _, name in ipairs(tail and tail.names or {}) do
    local value = view[name]
    if name == "body" or value == nil or value == "" then
      value = {}
    elseif type(value) ~= "table" or value[1] == nil and next(value) ~= nil then
      value = { value }
    end
    for i, each in ipairs(value) do
      local text = type(each) == "table" and table.concat(words(each), " ") or printable(each)
      lines[#lines + 1] = ("  %-12s %s"):format(i == 1 and name or "", text)
    end
  end
end

--- Iterate over the fields of a layer that are there, in wire order, and over what stands
-- behind them, such as options.
--   for name, value in p.tcp:fields() do ... end
function show.fields(view)
  local protocol, names, i = getmetatable(view).protocol, {}, 0
  for _, field in ipairs(protocol.fields) do
    names[#names + 1] = word.meant(field.row, view) and field.name or nil
  end
  for _, name in ipairs(protocol.tail and protocol.tail.names or {}) do
    names[#names + 1] = name
  end
  return function()
    local value
    repeat
      i = i + 1
      value = names[i] and view[names[i]]
    until value ~= nil or not names[i]
    return names[i], value
  end
end

-- The fields of a view, one per line.
local function view_lines(view, lines)
  local fields = getmetatable(view).protocol.fields
  for name, value in show.fields(view) do
    if fields[name] then
      lines[#lines + 1] = ("  %-12s %s"):format(name, field_words(fields[name], view, value))
    end
  end
  tail_lines(view, lines)
  return lines
end

local function hex(text)
  return (text:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- Describe all fields of a packet, by layer.
-- @return string of lines
function show.packet(self)
  local lines = {}
  local list, behind = span.all(self)
  for _, each in ipairs(list) do
    lines[#lines + 1] = each[1].name
    view_lines(header.view(each[4], each[1], each[2]), lines)
  end
  local n = self[STOP] - behind
  if n > 0 then
    local start = hex(bytes.string(self[POINTER], behind, math.min(n, 16)))
    lines[#lines + 1] = ("payload\n  %-12s %s%s"):format(n .. " bytes", start,
      n > 16 and "..." or "")
  end
  lines[#lines + 1] = line.fault(self)
  return table.concat(lines, "\n")
end

--- Describe all fields of the layer.
-- @return string of lines
function show.view(view)
  return table.concat(view_lines(view, { getmetatable(view).protocol.name }), "\n")
end

-- -- Bytes ----------------------------------------------------------------

local function dump_row(mark, at, text)
  local pairs_list = {}
  for i = 1, #text do
    pairs_list[i] = ("%02x"):format(text:byte(i)) .. (i == 8 and " " or "")
  end
  return ("%-11s %04x  %-49s %s"):format(mark, at, table.concat(pairs_list, " "),
    (text:gsub("[^\32-\126]", ".")))
end

local function dump(self, lines, mark, first, stop)
  for at = first, stop - 1, 16 do
    local text = bytes.string(self[POINTER], at, math.min(16, stop - at))
    lines[#lines + 1] = dump_row(at == first and mark or "", at - self[START], text)
  end
end

--- Dump the bytes of a packet; every layer begins a line, with its name.
-- @return string of lines
function show.hexdump(self)
  local lines = {}
  local list, behind = span.all(self)
  for _, each in ipairs(list) do
    if each[2] >= self[START] then
      dump(self, lines, each[1].name, each[2], math.min(each[3], self[STOP]))
    end
  end
  local limit = math.max(behind, math.min(self[LIMIT], self[STOP]))
  dump(self, lines, "payload", behind, limit)
  dump(self, lines, "trailer", limit, self[STOP])
  return table.concat(lines, "\n")
end

-- -- Protocols ------------------------------------------------------------

-- What a field is when it is not given: computed, a number, a name.
local function initial(field)
  local value = field.default
  if field.computed then
    return "computed"
  elseif value == nil and field.wide then
    return printable(field.none or "")
  elseif value == nil and field.text then
    return printable(field.text(0))
  elseif field.width == 1 and not field.words then
    return tostring((value or 0) ~= 0)
  end
  value = value or 0
  return type(value) == "number" and (field.format or "%.14g"):format(value) or printable(value)
end

-- The names that a field takes, by their numbers.
local function names_of(field)
  local list = {}
  for name, number in entries(field.words and field.enum or {}) do
    list[#list + 1] = { name, number }
  end
  table.sort(list, function(a, b)
    return a[2] < b[2]
  end)
  for i, each in ipairs(list) do
    list[i] = ("%s %s"):format(each[1], (field.format or "%.0f"):format(each[2]))
  end
  return list[1] and ": " .. table.concat(list, ", ") or ""
end

--- What a protocol's header has: fields, their widths in bits, what they are at first.
function show.protocol(protocol)
  local lines = { protocol.name }
  for _, field in ipairs(protocol.fields) do
    lines[#lines + 1] = ("  %-12s %4d  %s%s"):format(field.name, field.width, initial(field),
      names_of(field))
  end
  for i, name in ipairs(protocol.tail and protocol.tail.names or {}) do
    local part = protocol.tail.parts and protocol.tail.parts[i]
    lines[#lines + 1] = ("  %-12s    *  %s"):format(name, part and part[2].what or "")
  end
  return table.concat(lines, "\n")
end

return show
