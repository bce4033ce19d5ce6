-- options.lua: areas of options (kind, length, value), read and built by one pair of
-- functions. A format says what its lengths count and which kinds have none; its rows are
-- { kind, name, codec }. In Lua an option is { name, value }: { "mss", 1460 }, { "nop" };
-- of a kind without a name { 253, "bytes" }. What does not have the form of its kind is
-- { name, raw = bytes }; what cannot be walked, such as a length of 0, { "rest", bytes }.
local bytes = require "tun.packet.bytes"
local codec = require "tun.packet.codec"
local core = require "tun.core"
local slot = require "tun.packet.slot"

local options = {}

-- -- Values: codecs with read(bytes) and write(value), nil when it does not fit --------

--- A number of n bytes.
function options.number(n)
  return {
    size = n,
    what = ("a number from 0 to %.0f"):format(256 ^ n - 1),
    read = function(text)
      local value = 0
      for i = 1, #text do
        value = value * 256 + text:byte(i)
      end
      return #text == n and value or nil
    end,
    write = function(value)
      if type(value) ~= "number" or value < 0 or value >= 256 ^ n or value % 1 ~= 0 then
        return nil
      end
      local list = {}
      for i = n, 1, -1 do
        list[i] = string.char(value % 256)
        value = math.floor(value / 256)
      end
      return table.concat(list)
    end,
  }
end

--- A number that has names: read as its name, when it has one.
function options.enum(n, names)
  local number, name_of = options.number(n), {}
  for name, value in pairs(names) do
    name_of[value] = name
  end
  return {
    size = n,
    what = "a number or a name",
    read = function(text)
      local value = number.read(text)
      return name_of[value] or value
    end,
    write = function(value)
      return number.write(names[value] or value)
    end,
  }
end

-- Texts of addresses, by core's conversion; n tells the family.
local function address(n)
  return {
    size = n,
    what = n == 4 and codec.ip4.what or codec.ip6.what,
    read = function(text)
      return #text == n and core.ntop(text) or nil
    end,
    write = function(value)
      local raw = type(value) == "string" and core.pton(value)
      return raw and #raw == n and raw or nil
    end,
  }
end

options.address4, options.address6 = address(4), address(16)

--- A link-layer address.
options.mac = {
  size = 6,
  what = codec.mac.what,
  read = function(text)
    return #text == 6 and ("%02x:%02x:%02x:%02x:%02x:%02x"):format(text:byte(1, 6)) or nil
  end,
  write = function(value)
    local number = codec.mac.number(value)
    return number and options.number(6).write(number) or nil
  end,
}

--- Any bytes.
options.bytes = {
  what = "a string",
  read = function(text)
    return text
  end,
  write = function(value)
    return type(value) == "string" and value or nil
  end,
}

--- No value at all: false for what is read.
options.none = {
  what = "nothing",
  read = function(text)
    if #text == 0 then
      return false
    end
  end,
  write = function(value)
    return not value and "" or nil
  end,
}

--- A list of values of one size, to the end of the option.
function options.list(item)
  return {
    what = "a list of: " .. item.what,
    read = function(text)
      local list = {}
      for at = 1, #text, item.size do
        list[#list + 1] = item.read(text:sub(at, at + item.size - 1))
      end
      return #list * item.size == #text and list or nil
    end,
    write = function(values)
      local list = {}
      for i, value in ipairs(type(values) == "table" and values or { values }) do
        list[i] = item.write(value) or nil
        if not list[i] then
          return nil
        end
      end
      return table.concat(list)
    end,
  }
end

options.addresses4, options.addresses6 =
  options.list(options.address4), options.list(options.address6)

-- Parts of a record: widths in bits, which fill whole bytes together, or codecs.
local function take(text, bit, width)
  local first, last = math.floor(bit / 8), math.floor((bit + width - 1) / 8)
  local value = 0
  for i = first, last do
    value = value * 256 + text:byte(i + 1)
  end
  return math.floor(math.floor(value / 2 ^ (8 * (last + 1) - bit - width)) % 2 ^ width)
end

local function read_record(fields, text)
  local record, bit = {}, 0
  for _, field in ipairs(fields) do
    local name, kind = field[1], field[2]
    local numeric = type(kind) == "number"
    local width = numeric and kind or 8 * (kind.size or math.max(0, #text - bit / 8))
    if bit + width > 8 * #text then
      return nil
    end
    local value
    if numeric then
      value = take(text, bit, width)
      value = width > 1 and value or value == 1
    else
      value = kind.read(text:sub(bit / 8 + 1, (bit + width) / 8))
    end
    if value == nil then
      return nil
    elseif value ~= 0 or not name:find "^reserved" then
      record[name] = value
    end
    bit = bit + width
  end
  return bit == 8 * #text and record or nil
end

local function write_record(fields, record)
  local list, pending, bits = {}, 0, 0
  for _, field in ipairs(fields) do
    local value, kind = record[field[1]], field[2]
    value = value == nil and (field.default or 0) or value
    if type(kind) == "number" then
      value = value == true and 1 or value == false and 0 or value
      if type(value) ~= "number" or value < 0 or value >= 2 ^ kind or value % 1 ~= 0 then
        return nil
      end
      pending, bits = pending * 2 ^ kind + value, bits + kind
      if bits % 8 == 0 then
        list[#list + 1] = options.number(bits / 8).write(pending)
        pending, bits = 0, 0
      end
    else
      local raw = kind.write(value)
      if not raw then
        return nil
      end
      list[#list + 1] = raw
    end
  end
  return table.concat(list)
end

--- Whether a value is a table that has no other keys than these.
function options.has_only(value, keys)
  for key in pairs(type(value) == "table" and value or {}) do
    if not keys[key] then
      return false
    end
  end
  return type(value) == "table"
end

--- A record of { name, bits or codec, default = }.
function options.record(fields)
  local names, keys = {}, {}
  for i, field in ipairs(fields) do
    names[i], keys[field[1]] = field[1], true
  end
  return {
    what = "a table of " .. table.concat(names, ", "),
    read = function(text)
      return read_record(fields, text)
    end,
    write = function(record)
      return options.has_only(record, keys) and write_record(fields, record) or nil
    end,
  }
end

-- -- Areas ----------------------------------------------------------------

--- Describe a format of options.
-- @param format  rows { kind, name, codec }, and beside them
--   length = "option" when lengths count kind and length too, else "value",
--   unit = bytes that a length counts by,
--   single = { [kind] = name } of the kinds of one byte, last = the one that ends them,
--   multiple = bytes that the area is filled up to a multiple of, counting the bytes
--     `before` it, fill = function(n) that gives the n bytes to fill with, or zeros
-- @return the format, for read(), write() and area()
function options.kinds(format)
  format.by_kind, format.by_name = {}, {}
  for kind, name in pairs(format.single or {}) do
    format.by_name[name] = { kind, name, single = true }
  end
  for _, row in ipairs(format) do
    format.by_kind[row[1]], format.by_name[row[2]] = row, row
  end
  return format
end

-- How many bytes the option at a place takes: nil when it cannot be told.
local function extent(format, text, at)
  local length = text:byte(at + 1)
  local n = length and length * format.unit + (format.length == "value" and 2 or 0)
  return n and n >= 2 and at + n - 1 <= #text and n or nil
end

local function option_of(row, kind, raw)
  local option = { row and row[2] or kind, kind = kind }
  option[2] = (row and row[3] or options.bytes).read(raw)
  if option[2] == nil then
    option.raw = raw
  elseif option[2] == false then
    option[2] = nil
  end
  return option
end

--- Read an area: always ends, and what it gives has all the bytes.
-- @return list of options
function options.read(format, text)
  local list, at = {}, 1
  while at <= #text do
    local kind = text:byte(at)
    local single, n = format.single and format.single[kind], 1
    if single then
      list[#list + 1] = { single, kind = kind }
    else
      n = extent(format, text, at)
      if not n then
        break
      end
      list[#list + 1] = option_of(format.by_kind[kind], kind, text:sub(at + 2, at + n - 1))
    end
    at = at + n
    if kind == format.last then
      break
    end
  end
  local rest = text:sub(at)
  if rest ~= options.filling(format, at - 1) then
    list[#list + 1] = { "rest", rest }
  end
  return list
end

--- What fills an area of n bytes up.
function options.filling(format, n)
  local missing = -(n + (format.before or 0)) % (format.multiple or 1)
  return format.fill and format.fill(missing) or ("\0"):rep(missing)
end

local function known(format)
  local names = {}
  for name in pairs(format.by_name) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- One option, checked; `where` names the protocol.
local function write_option(format, where, option)
  if type(option) ~= "table" then
    core.misuse(('%s: an option is a table such as { "name", value }, not %s'):format(where,
      tostring(option)))
  end
  local name, value = option[1], option[2]
  local row = format.by_name[name]
  if name == "rest" and type(value) == "string" then
    return value
  elseif row and row.single or format.single and format.single[name] then
    return string.char(row and row[1] or name)
  elseif not row and not (type(name) == "number" and name >= 0 and name < 256) then
    core.misuse(("%s: no option %s; there are: %s"):format(where, tostring(name), known(format)))
  end
  local kind = row or format.by_kind[name] or { name, name }
  local as = kind[3] or options.bytes
  local raw = option.raw or as.write(value)
  if not raw then
    core.misuse(("%s: option %s: %s is not %s"):format(where, tostring(name), tostring(value),
      as.what))
  end
  raw = raw .. ("\0"):rep(-(#raw + 2) % format.unit)
  local length = (#raw + (format.length == "value" and 0 or 2)) / format.unit
  if length > 255 then
    core.misuse(("%s: option %s: %d bytes are too many"):format(where, tostring(name), #raw))
  end
  return string.char(kind[1], length) .. raw
end

--- Build an area from a list of options; a string is taken as it is.
function options.write(format, where, list)
  if type(list) == "string" then
    return options.whole(where, "options", list, format.multiple or 1, format.before)
  elseif type(list) ~= "table" then
    core.misuse(("%s: a list of options expected, not %s"):format(where, tostring(list)))
  end
  local parts = {}
  for i, option in ipairs(list) do
    parts[i] = write_option(format, where, option)
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

--- The area of a protocol's declaration: fields.options as bytes.
function options.area(format)
  return {
    names = { "options" },
    write = function(fields, protocol)
      return options.write(format, protocol.name, fields.options or {})
    end,
  }
end

--- The area of a protocol's declaration: a list of values of one codec by a name, and
-- the field that counts them.
function options.list_area(name, codec_of_list, count)
  return {
    names = { name },
    write = function(fields, protocol)
      local list = fields[name] or {}
      if type(list) == "string" then
        return options.whole(protocol.name, name, list, 8)
      end
      local text = type(list) == "table" and codec_of_list.write(list)
      if not text then
        core.misuse(("%s.%s: not %s"):format(protocol.name, name, codec_of_list.what))
      end
      return text, { [count] = #list }
    end,
  }
end

--- The bytes behind the fixed fields of a view, as a string.
-- @param length  of the header, fixed fields included; without it, to the end
function options.text(view, length)
  local o, packet = view[2], view[3]
  local size = getmetatable(view).protocol.size
  local last = math.min(length and o + length or packet[slot.LIMIT], packet[slot.LIMIT])
  return bytes.string(view[1], o + size, math.max(0, last - o - size))
end

--- A method that gives the list of options of a view.
-- @param length  optional function(view): the length of the header
function options.reader(format, length)
  return function(view)
    return options.read(format, options.text(view, length and length(view)))
  end
end

return options
