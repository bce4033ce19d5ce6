-- form.lua: forms of values in options and records: numbers, addresses, lists, ... A form has
-- read(bytes) and write(value), which give nil when what is given has not this form; what,
-- in words; and size, in bytes, when all its values have one.
local codec = require "tun.packet.value.codec"
local core = require "tun.core"

local form = {}

--- A number of n bytes.
function form.number(n)
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
function form.enum(n, names)
  local number, name_of = form.number(n), {}
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

form.address4, form.address6 = address(4), address(16)

--- A link-layer address.
form.mac = {
  size = 6,
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

--- A list of values of one size, to the end of the option.
function form.list(item)
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
        list[#list + 1] = form.number(bits / 8).write(pending)
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
function form.has_only(value, keys)
  for key in pairs(type(value) == "table" and value or {}) do
    if not keys[key] then
      return false
    end
  end
  return type(value) == "table"
end

--- A record of { name, bits or codec, default = }.
function form.record(fields)
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
      return form.has_only(record, keys) and write_record(fields, record) or nil
    end,
  }
end

return form
