-- options.lua: lists of options, each a kind, a length and a value: of TCP, of DHCP, chunks of
-- SCTP, ... read, built and changed by one form. In Lua an option is { name, value }:
-- { "mss", 1460 }, { "nop" }; of a kind without a name { 253, "bytes" }; numbers that stand in
-- its head besides are keys: { "data", {...}, flags = 3 }. What does not have the form of its
-- kind is { name, raw = bytes }; what cannot be walked, such as a length of 0, { "rest", bytes }.
local core = require "tun.core"
local entries = require "tun.entries"
local form = require "tun.packet.value.form"
local word = require "tun.packet.value.word"

local options = {}

local HEAD = { { "kind", 8 }, { "length", 8 } }

-- -- Heads ------------------------------------------------------------------

-- The fields of a head as { name, first bit, bits }, and its bytes.
local function layout(format)
  local list, bits = {}, 0
  for i, row in ipairs(format.head or HEAD) do
    list[i] = { row[1], bits, row[2] }
    bits = bits + row[2]
  end
  return list, bits / 8
end

-- The numbers of the head at a place; nil when it is not whole.
local function read_head(format, text, at)
  if at + format.size - 1 > #text then
    return nil
  end
  local head = {}
  for _, field in ipairs(format.fields) do
    local value = 0
    local first, bits = field[2], field[3]
    local last = first + bits - 1
    for i = math.floor(first / 8), math.floor(last / 8) do
      value = value * 256 + text:byte(at + i)
    end
    head[field[1]] = math.floor(value / 2 ^ (7 - last % 8)) % 2 ^ bits
  end
  return head
end

local function write_head(format, head)
  local list, value, bits = {}, 0, 0
  for _, field in ipairs(format.fields) do
    value, bits = value * 2 ^ field[3] + head[field[1]], bits + field[3]
    while bits >= 8 do
      local rest = value % 2 ^ (bits - 8)
      list[#list + 1] = string.char((value - rest) / 2 ^ (bits - 8))
      value, bits = rest, bits - 8
    end
  end
  return table.concat(list)
end

-- -- Reading ------------------------------------------------------------------

-- How many bytes an option of that head takes, padding aside: nil when it cannot be told.
local function extent(format, head, text, at)
  local n = head.length * format.unit + (format.length == "value" and format.size or 0)
    + (format.more or 0)
  return n >= format.size and at + n - 1 <= #text and n or nil
end

local function option_of(format, row, head, raw)
  local option = { row and row[2] or head.kind, kind = head.kind }
  for _, name in ipairs(format.others) do
    option[name] = head[name] ~= 0 and head[name] or nil
  end
  option[2] = (row and row[3] or form.bytes).read(raw)
  if option[2] == nil then
    option.raw = raw
  elseif option[2] == false then
    option[2] = nil
  end
  return option
end

-- The option at a place, how many bytes it has, and whether it is the last; nil when there is
-- none.
local function next_option(format, text, at)
  local kind = format.single and text:byte(at)
  local single = kind and format.single[kind]
  if single then
    return { single, kind = kind }, 1, kind == format.last
  end
  local head = read_head(format, text, at)
  local n = head and extent(format, head, text, at)
  if not n then
    return nil
  end
  local raw = text:sub(at + format.size, at + n - 1)
  local option = option_of(format, format.by_kind[head.kind], head, raw)
  local padding = text:sub(at + n, at + n - 1 + -n % (format.pad or 1))
  if padding:find "[^%z]" or #padding < -n % (format.pad or 1) then
    option.padding = padding
  end
  return option, n + #padding, head.kind == format.last
end

--- Read options: always ends, and what it gives has all the bytes.
-- @return list of options
function options.read(format, text)
  local list, at, last = {}, 1, false
  while at <= #text and not last do
    local option, n
    option, n, last = next_option(format, text, at)
    if not option then
      break
    end
    list[#list + 1], at = option, at + n
  end
  local rest = text:sub(at)
  if rest ~= options.filling(format, at - 1) then
    list[#list + 1] = { "rest", rest }
  end
  return list
end

--- What fills options of n bytes up.
function options.filling(format, n)
  local missing = -(n + (format.before or 0)) % (format.multiple or 1)
  return format.fill and format.fill(missing) or ("\0"):rep(missing)
end

-- -- Writing ------------------------------------------------------------------

-- The number, the name and the form of an option.
local function known(format, where, option)
  local name = option[1]
  local row = format.by_name[name] or format.by_kind[name]
  local top = 2 ^ format.kind_bits
  if not row and not (type(name) == "number" and name >= 0 and name < top and name % 1 == 0) then
    core.misuse(("%s: no option %s; there are: %s"):format(where, tostring(name),
      table.concat(word.list(format.by_name), ", ")))
  end
  return row or { name, name }
end

local function numbers(format, where, option, kind, length)
  local head = { kind = kind, length = length }
  for _, field in ipairs(format.fields) do
    local name = field[1]
    local value = head[name] or option[name] or 0
    if type(value) ~= "number" or value < 0 or value >= 2 ^ field[3] or value % 1 ~= 0 then
      core.misuse(("%s: option %s: %s of %s does not fit in %d bits"):format(where,
        tostring(option[1]), name, type(value) == "number" and ("%.14g"):format(value)
          or tostring(value), field[3]))
    end
    head[name] = value
  end
  return head
end

-- One option, checked; `where` names the protocol.
local function write_option(format, where, option)
  if type(option) ~= "table" then
    core.misuse(('%s: an option is a table such as { "name", value }, not %s'):format(where,
      tostring(option)))
  end
  local name, value = option[1], option[2]
  if name == "rest" and type(value) == "string" then
    return value
  elseif format.single and (format.singles[name] or format.single[name]) then
    return string.char(format.singles[name] or name)
  end
  local row = known(format, where, option)
  local as = row[3] or form.bytes
  local raw = option.raw
  if raw == nil then
    if value == nil and as ~= form.none then
      value = as.none
    end
    raw = as.write(value, where)
  end
  if type(raw) ~= "string" then
    core.misuse(("%s: option %s: %s is not %s"):format(where, tostring(name), tostring(value),
      as.what))
  end
  raw = raw .. ("\0"):rep(-(#raw + format.size) % format.unit)
  local length = (#raw + (format.length == "value" and 0 or format.size) - (format.more or 0))
    / format.unit
  local text = write_head(format, numbers(format, where, option, row[1], length)) .. raw
  return text .. (option.padding or ("\0"):rep(-#text % (format.pad or 1)))
end

--- Build options from a list; a string is taken as it is.
function options.write(format, where, list)
  where = where or "options"
  if type(list) == "string" then
    return options.whole(where, "options", list, format.multiple or 1, format.before)
  elseif type(list) ~= "table" then
    core.misuse(("%s: a list of options expected, not %s"):format(where, tostring(list)))
  end
  local parts = {}
  for i, option in ipairs(list) do
    parts[i] = write_option(format, where, option)
  end
  for key in entries(list) do
    if type(key) ~= "number" or not parts[key] then
      core.misuse(("%s: options are a list, { { %q, value } }, not a table with a key %s"):format(
        where, tostring(key), tostring(key)))
    end
  end
  local text = table.concat(parts)
  return text .. options.filling(format, #text)
end

--- Refuse bytes, and those before them, that do not fill whole units.
-- @return text
function options.whole(where, name, text, unit, before)
  if type(text) ~= "string" then
    core.misuse(("%s.%s: a string expected, not %s"):format(where, name, tostring(text)))
  elseif (#text + (before or 0)) % unit ~= 0 then
    core.misuse(("%s.%s: %d bytes do not fill units of %d"):format(where, name, #text, unit))
  end
  return text
end

--- The form of a list of options, for a row of a header or of a record, or for an option that
-- has options itself.
-- @param format  rows { kind, name, form }, and beside them
--   head = rows { name, bits } in wire order, of kind, length and what stands there besides;
--     8 bits of each of these two when not given,
--   length = "option" when lengths count the head too, else "value",
--   more = bytes that an option has beyond what its length counts,
--   unit = bytes that a length counts by, 1 unless given,
--   pad = bytes that each option is filled up to a multiple of, which its length does not count,
--   single = { [kind] = name } of the kinds of one byte, last = the one that ends them,
--   multiple = bytes that all are filled up to a multiple of, counting the bytes `before`
--     them, fill = function(n) that gives the n bytes to fill with, or zeros
-- @return the form
function options.kinds(format)
  format.fields, format.size = layout(format)
  format.unit, format.length = format.unit or 1, format.length or "value"
  format.by_kind, format.by_name, format.singles, format.others = {}, {}, {}, {}
  for _, field in ipairs(format.fields) do
    if field[1] == "kind" then
      format.kind_bits = field[3]
    elseif field[1] ~= "length" then
      format.others[#format.others + 1] = field[1]
    end
  end
  for kind, name in entries(format.single or {}) do
    format.singles[name], format.by_name[name] = kind, { kind, name }
  end
  for _, row in ipairs(format) do
    format.by_kind[row[1]], format.by_name[row[2]] = row, row
  end
  format.what, format.none, format.empty = "a list of options", {}, options.filling(format, 0)
  function format.read(text)
    return options.read(format, text)
  end
  function format.write(list, where)
    return options.write(format, where and where:gsub("%.options$", ""), list)
  end
  return format
end

return options
