-- form.lua: forms of values in options, in records and behind the fields of a header: numbers,
-- addresses, lists, ... A form has read(bytes) and write(value), which give nil when what is
-- given has not this form; what, in words; and none, what is written when nothing is given.
-- Where its values tell how long they are it has take(text, at), the value and the place
-- behind it, or nil; and size, in bytes, where all have one.
local entries = require "tun.entries"
local codec = require "tun.packet.value.codec"
local core = require "tun.core"
local word = require "tun.packet.value.word"

local form = {}

-- take() of a form of one size.
local function sized(of)
  local size = of.size
  of.none = of.none or 0
  function of.take(text, at)
    if at + size - 1 <= #text then
      return of.read(text:sub(at, at + size - 1)), at + size
    end
  end
  return of
end

--- A number of n bytes; of more than 6, as the text "0x...".
function form.number(n)
  if n > 6 then
    local hex = codec.hex(8 * n)
    return sized { size = n, what = hex.what, write = hex.store, read = function(text)
      return #text == n and "0x" .. text:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
      end) or nil
    end }
  end
  return sized {
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
function form.enum(n, names)
  local number, name_of = form.number(n), word.reversed(names)
  return sized {
    size = n,
    what = ("a number of %d bytes, or one of: %s"):format(n, table.concat(word.list(names), ", ")),
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
  return sized {
    size = n,
    none = n == 4 and "0.0.0.0" or "::",
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

form.address4, form.address6 = address(4), address(16)

--- A link-layer address.
form.mac = sized {
  size = 6,
  none = "00:00:00:00:00:00",
  what = codec.mac.what,
  read = function(text)
    return #text == 6 and ("%02x:%02x:%02x:%02x:%02x:%02x"):format(text:byte(1, 6)) or nil
  end,
  write = function(value)
    local number = codec.mac.number(value)
    return number and form.number(6).write(number) or nil
  end,
}

--- Any bytes.
form.bytes = {
  what = "a string",
  none = "",
  read = function(text)
    return text
  end,
  write = function(value)
    return type(value) == "string" and value or nil
  end,
}

--- No value at all: false for what is read.
form.none = {
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

--- So many bytes.
function form.fixed(n)
  return sized { size = n, what = ("a string of %d bytes"):format(n), none = ("\0"):rep(n),
    read = function(text)
      return #text == n and text or nil
    end, write = function(value)
      return type(value) == "string" and #value == n and value or nil
    end }
end

--- Bytes that fill units of n, of which a field may count how many there are.
function form.units(n)
  return {
    what = ("a string that fills units of %d bytes"):format(n),
    none = "",
    absent = "",
    count_of = function(value)
      return type(value) == "string" and #value / n or 0
    end,
    read = function(text)
      return text
    end,
    take = function(text, at, count)
      local behind = count and at + count * n or #text + 1
      if behind <= #text + 1 then
        return text:sub(at, behind - 1), behind
      end
    end,
    write = function(value)
      return type(value) == "string" and #value % n == 0 and value or nil
    end,
  }
end

--- Characters to a zero, or to the end of the text.
form.zero_ended = {
  what = "a string without zeros",
  none = "",
  read = function(text)
    return (text:gsub("%z.*", ""))
  end,
  take = function(text, at)
    local behind = text:find("\0", at, true)
    return text:sub(at, (behind or #text + 1) - 1), (behind or #text) + 1
  end,
  write = function(value)
    return type(value) == "string" and not value:find("\0", 1, true) and value .. "\0" or nil
  end,
}

--- Characters to the end of a line, which is written as CR and LF.
form.line = {
  what = "a string without the ends of lines",
  none = "",
  read = function(text)
    return (text:gsub("\r?\n$", ""))
  end,
  take = function(text, at)
    local first, last = text:find("\r?\n", at)
    if first then
      return text:sub(at, first - 1), last + 1
    end
  end,
  write = function(value)
    return type(value) == "string" and not value:find "[\r\n]" and value .. "\r\n" or nil
  end,
}

--- What has its length in n bytes in front: bytes, or what has another form.
-- @param of  optional form
-- @param more  optional: how much the length counts beside these bytes
function form.counted(n, of, more)
  of, more = of or form.bytes, more or 0
  local number = form.number(n)
  local it = { what = of.what, none = of.none }
  function it.take(text, at)
    local length, first = number.take(text, at)
    local behind = length and first + length - more
    if behind and behind >= first and behind <= #text + 1 then
      local raw = text:sub(first, behind - 1)
      local value = of.read(raw)
      if value == nil then
        value = { raw = raw }
      end
      return value, behind
    end
  end
  function it.read(text)
    local value, behind = it.take(text, 1)
    return behind == #text + 1 and value or nil
  end
  function it.write(value, where)
    local raw = type(value) == "table" and type(value.raw) == "string" and value.raw
      or of.write(value, where)
    local length = raw and number.write(#raw + more)
    return length and length .. raw
  end
  return it
end

-- Values one behind the other to the end of a text: nil when one is not whole.
local function all_of(item, text)
  local list, at = {}, 1
  while at <= #text do
    local value, behind = item.take(text, at)
    if value == nil or not behind or behind <= at or behind > #text + 1 then
      return nil
    end
    list[#list + 1], at = value, behind
  end
  return list
end

-- So many values: a list, and the place behind them; of what is cut, those that are there.
local function some_of(item, text, at, count)
  local list = {}
  for i = 1, count do
    local value, behind = item.take(text, at)
    if value == nil or not behind or behind > #text + 1 then
      return list, nil
    end
    list[i], at = value, behind
  end
  return list, at
end

--- A list of values, to the end of what it is in, or as many as a field counts.
function form.list(item)
  return {
    what = "a list of: " .. item.what,
    none = {},
    item = item,
    count_of = function(value)
      return type(value) == "table" and #value or 0
    end,
    read = function(text, count)
      if count then
        return (some_of(item, text, 1, count))
      end
      return all_of(item, text)
    end,
    take = function(text, at, count)
      if count then
        local list, behind = some_of(item, text, at, count)
        return behind and list, behind
      end
      local list = all_of(item, text:sub(at))
      return list, list and #text + 1
    end,
    write = function(values, where)
      local list = {}
      for i, value in ipairs(type(values) == "table" and values or { values }) do
        list[i] = item.write(value, where) or nil
        if not list[i] then
          return nil
        end
      end
      return table.concat(list)
    end,
  }
end

form.addresses4, form.addresses6 =
  form.list(form.address4), form.list(form.address6)

-- Parts of a record: widths in bits, which fill whole bytes together, or codecs.
local function take(text, bit, width)
  local first, last = math.floor(bit / 8), math.floor((bit + width - 1) / 8)
  local value = 0
  for i = first, last do
    value = value * 256 + text:byte(i + 1)
  end
  return math.floor(math.floor(value / 2 ^ (8 * (last + 1) - bit - width)) % 2 ^ width)
end

-- A number of so many bits, as it reads: one bit is true or false.
local function number_at(text, bit, width)
  local value = take(text, bit, width)
  if width > 1 then
    return value
  end
  return value == 1
end

-- The record at a place, and the place behind it; nil when it is not whole.
local function take_record(fields, text, at)
  local record, bit = {}, 8 * (at - 1)
  for _, field in ipairs(fields) do
    local name, kind = field[1], field[2]
    local value
    if type(kind) == "number" then
      if bit + kind > 8 * #text then
        return nil
      end
      value, bit, kind = number_at(text, bit, kind), bit + kind, {}
    elseif kind.take then
      local behind
      value, behind = kind.take(text, bit / 8 + 1, field.count and record[field.count])
      if value == nil then
        return nil
      end
      bit = 8 * (behind - 1)
    else
      value, bit = kind.read(text:sub(bit / 8 + 1)), 8 * #text
    end
    if value == nil then
      return nil
    elseif value ~= kind.absent and (value ~= 0 or not name:find "^reserved") then
      record[name] = value
    end
  end
  for _, field in ipairs(fields) do
    record[field.count or false] = nil
  end
  return record, bit / 8 + 1
end

local function as_number(value, bits)
  value = value == true and 1 or value == false and 0 or value
  if type(value) == "number" and value >= 0 and value < 2 ^ bits and value % 1 == 0 then
    return value
  end
end

local function write_record(fields, record, where)
  local list, pending, bits, counts = {}, 0, 0, {}
  for _, field in ipairs(fields) do
    if field.count then
      local given = record[field[1]]
      counts[field.count] = given and field[2].count_of(given) or 0
    end
  end
  for _, field in ipairs(fields) do
    local value, kind = counts[field[1]] or record[field[1]], field[2]
    if value == nil then
      value = field.default
    end
    if type(kind) == "number" then
      value = as_number(value or 0, kind)
      if not value then
        return nil
      end
      pending, bits = pending * 2 ^ kind + value, bits + kind
      if bits % 8 == 0 then
        list[#list + 1] = form.number(bits / 8).write(pending)
        pending, bits = 0, 0
      end
    else
      if value == nil then
        value = kind.none
      end
      local raw = kind.write(value, where)
      if not raw then
        return nil
      end
      list[#list + 1] = raw
    end
  end
  return table.concat(list)
end

--- Whether a value is a table that has no other keys than these.
function form.has_only(value, keys)
  for key in entries(type(value) == "table" and value or {}) do
    if not keys[key] then
      return false
    end
  end
  return type(value) == "table"
end

--- A record of { name, bits or form, default =, count = }: count is the name of a number in
-- front, of the values of a list.
function form.record(fields)
  local names, keys, counts, whole, size = {}, {}, {}, true, 0
  for _, field in ipairs(fields) do
    counts[field.count or false] = true
  end
  for _, field in ipairs(fields) do
    keys[field[1]] = true
    if not counts[field[1]] and not field[1]:find "^reserved" then
      names[#names + 1] = field[1]
    end
    whole = whole and (type(field[2]) == "number" or field[2].take ~= nil)
    local bits = type(field[2]) == "number" and field[2] or (field[2].size or 0 / 0) * 8
    size = size + bits
  end
  return {
    what = "a table of " .. table.concat(names, ", "),
    none = {},
    size = size == size and size / 8 or nil,
    read = function(text)
      local record, behind = take_record(fields, text, 1)
      return behind == #text + 1 and record or nil
    end,
    take = whole and function(text, at)
      return take_record(fields, text, at)
    end or nil,
    write = function(record, where)
      return form.has_only(record, keys) and write_record(fields, record, where) or nil
    end,
  }
end

return form
