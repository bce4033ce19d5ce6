-- options.lua: areas of options (kind, length, value), read and built by one pair of
-- functions. A format says what its lengths count and which kinds have none; its rows are
-- { kind, name, form }. In Lua an option is { name, value }: { "mss", 1460 }, { "nop" };
-- of a kind without a name { 253, "bytes" }. What does not have the form of its kind is
-- { name, raw = bytes }; what cannot be walked, such as a length of 0, { "rest", bytes }.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local form = require "tun.packet.value.form"
local slot = require "tun.packet.memory.slot"

local options = {}

-- -- Areas ----------------------------------------------------------------

--- Describe a format of options.
-- @param format  rows { kind, name, form }, and beside them
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
  option[2] = (row and row[3] or form.bytes).read(raw)
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
  local as = kind[3] or form.bytes
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
  local none = options.filling(format, 0)
  return {
    names = { "options" },
    write = function(fields, protocol)
      local list = fields.options
      return list and options.write(format, protocol.name, list) or none
    end,
  }
end

--- The area of a protocol's declaration: a list of values of one form by a name, and
-- the field that counts them.
function options.list_area(name, form_of_list, count)
  return {
    names = { name },
    write = function(fields, protocol)
      local list = fields[name] or {}
      if type(list) == "string" then
        return options.whole(protocol.name, name, list, 8)
      end
      local text = type(list) == "table" and form_of_list.write(list)
      if not text then
        core.misuse(("%s.%s: not %s"):format(protocol.name, name, form_of_list.what))
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

--- The methods by which a view's options are read and replaced.
-- @param length  optional function(view): the length of the header
-- @return options(), which gives a list; set_options(list), which takes one that fits in
--   the room of those that are there (fills it, where there is no padding), for fix() to
--   complete
function options.methods(format, length)
  local methods = {}

  function methods.options(view)
    return options.read(format, options.text(view, length and length(view)))
  end

  function methods.set_options(view, list)
    local protocol, room = getmetatable(view).protocol, #options.text(view, length and length(view))
    local text = options.write(format, protocol.name, list)
    if #text > room or #text < room and not format.single then
      core.misuse(("%s: options of %d bytes, where there is room for %d"):format(protocol.name,
        #text, room))
    end
    bytes.fill(view[1], view[2] + protocol.size, text .. ("\0"):rep(room - #text))
    view[3][slot.STALE], view[3][slot.EDITS] = true, true
    return view
  end

  return methods
end

return options
