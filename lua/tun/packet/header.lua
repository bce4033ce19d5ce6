-- header.lua: a protocol is a list of fields in wire order. header() compiles the list
-- once into straight-line functions: getters and setters, a parser, a writer, and what
-- computes lengths and checksums. Source is generated so that a JIT compiler sees constant
-- offsets and no loops; names in expressions are fields, replaced by loads.
local bytes = require "tun.packet.bytes"
local codec = require "tun.packet.codec"
local core = require "tun.core"
local slot = require "tun.packet.slot"

local header = {}

--- All protocols by name, and in the order in which they were made.
header.protocols, header.list = {}, {}

--- Where a layer stands. One protocol of a level is in a packet; what has no level, or
-- finds it taken, stands in a list, which costs more.
local LEVELS = { meta = 0, info = 1, link = 2, service = 3, tag = 4, net = 5, transport = 6 }

-- Spaces of numbers by which a protocol is told from another: { [number] = protocol }.
-- dispatch(packet, p, o, stop, number) parses what the number says.
local spaces = {}

local function space(name)
  spaces[name] = spaces[name] or { name = name, protocols = {}, numbers = {} }
  return spaces[name]
end
header.space = space

local function substitute(source, values)
  return (source:gsub("%$(%w+)", function(name)
    return tostring(assert(values[name], name))
  end))
end

-- -- Fields ---------------------------------------------------------------

-- Offsets of the rows of a protocol; widths must fill whole bytes.
local function layout(protocol, rows)
  local bits = 0
  for _, row in ipairs(rows) do
    local field = { name = row[1], width = row[2], codec = codec[row.codec], default = row.default,
                    enum = row.enum, computed = row.computed, format = row.format,
                    pseudo = row.pseudo }
    field.at, field.skip = math.floor(bits / 8), bits % 8
    field.covered = protocol.sum and -(bits + field.width) % 16
    protocol.fields[#protocol.fields + 1] = field
    protocol.fields[field.name] = field
    bits = bits + field.width
  end
  assert(bits % 8 == 0, protocol.name .. ": the fields do not fill whole bytes")
  protocol.size = bits / 8
end

local function read(field, at)
  local source = bytes.read(at or "o", field.skip, field.width)
  if field.at > 0 then
    source = bytes.read((at or "o") .. "+" .. field.at, field.skip, field.width)
  end
  return source
end

-- An expression of fields as source: "ihl * 4".
local function expression(protocol, text)
  return (text:gsub("[%a_][%w_]*", function(word)
    local field = protocol.fields[word]
    return field and read(field) or word
  end))
end

local GET = [[return function(p, o) return $value end]]

local function getter(protocol, field)
  local name = protocol.name .. "." .. field.name
  local value = field.width <= 48 and read(field)
  if field.width == 1 then
    value = value .. " ~= 0"
  elseif field.codec then
    value = field.codec.text and "text(" .. value .. ")" or "load(p, o+" .. field.at .. ")"
  end
  local given = field.codec and { text = field.codec.text, load = field.codec.load }
  return bytes.compile(name, substitute(GET, { value = value }), given)
end

-- A number or a name of the field's enum, in range; refuse() explains and raises.
local CHECKED = [[
  local value = given
  if $convert then value = convert(given) end
  if not value or value < 0 or value > $max or value % 1 ~= 0 then refuse(given) end]]

-- Changes of what checksums cover are kept as a sum modulo 65535 (RFC 1624): 2^16 is 1
-- there, so a field counts as its value times the bits below it in its 16-bit word.
local SET = [[
return function(packet, p, o, given)
$check
  $change
  $write
end]]

local CHANGE = [[
  local change = (value - $value) * $scale
  packet[$EDITS] = true
  packet[$sum] = packet[$sum] + change]]

local function refusal(protocol, field)
  local name = protocol.name .. "." .. field.name
  local what = field.codec and field.codec.what
    or field.width == 1 and "true or false"
    or ("a number from 0 to %.0f"):format(2 ^ field.width - 1)
  return function(value)
    local words = {}
    for key in pairs(field.enum or {}) do
      words[#words + 1] = type(key) == "string" and key or nil
    end
    table.sort(words)
    core.misuse(("%s: %s is not %s%s"):format(name, tostring(value), what,
      words[1] and ", or one of: " .. table.concat(words, ", ") or ""))
  end
end

-- What a given value is converted by when it is not the number itself.
local function conversion(field)
  if field.width == 1 then
    return "type(given) ~= 'number'", function(value)
      return value == true and 1 or value == false and 0 or nil
    end
  elseif field.codec then
    return "type(given) ~= 'number'", field.codec.number
  elseif field.enum then
    return "type(given) ~= 'number'", function(value)
      return field.enum[value]
    end
  end
  return "type(given) ~= 'number'", function() end
end

local function checked(field)
  local condition = conversion(field)
  return substitute(CHECKED, { convert = condition, max = ("%.0f"):format(2 ^ field.width - 1) })
end

local function store(field, value)
  return bytes.write(field.at > 0 and "o+" .. field.at or "o", field.skip, field.width, value)
end

-- The sums that a field counts in: its own header's and, for a pseudo header, the
-- transport's. A field that is computed, or that no sum is kept of, makes the packet stale.
local function change(protocol, field)
  local source = ""
  if field.computed or not (protocol.sum or field.pseudo) then
    return substitute("packet[$STALE] = true", slot)
  end
  local values = setmetatable({ value = read(field), scale = 2 ^ field.covered }, { __index = slot })
  for _, name in ipairs { protocol.sum or false, field.pseudo or false } do
    values.sum = name and slot[name]
    source = source .. (name and substitute("do " .. CHANGE .. " end ", values) or "")
  end
  return source
end

local function setter(protocol, field)
  local given = { refuse = refusal(protocol, field), type = type }
  local name = protocol.name .. "." .. field.name
  if field.width > 48 then
    given.store, given.fill, given.sum = field.codec.store, bytes.fill, bytes.sum
    return bytes.compile(name, substitute([[
return function(packet, p, o, given)
  local raw = store(given)
  if not raw then refuse(given) end
  local old = sum(p, o+$at, $size, 0)
  fill(p, o+$at, raw)
  packet[$EDITS] = true
  packet[$sum] = packet[$sum] + sum(p, o+$at, $size, 0) - old
end]], setmetatable({ at = field.at, size = field.width / 8, sum = slot[field.pseudo or "NET"] },
      { __index = slot })), given)
  end
  local _, convert = conversion(field)
  given.convert = convert
  return bytes.compile(name, substitute(SET, {
    check = checked(field), change = change(protocol, field), write = store(field, "value"),
  }), given)
end

-- -- Parsing --------------------------------------------------------------

local PARSE = [[
return function(packet, p, o, stop)
  if stop - o < $least then
    return short(packet, protocol, o, $least, stop)
  end
  $size
  $enter
  $extent
  packet[$LIMIT] = stop
  packet[$PAYLOAD] = o + $header
  $finish
end]]

local LEVEL = [[
  if packet[$level] then
    again(packet, protocol, o)
  else
    packet[$level] = protocol
    packet[$level + 1] = o
  end]]

local SIZE = [[
  local size = $size
  if size < $least or size > stop - o then
    return short(packet, protocol, o, size < $least and $least or size, stop, size)
  end]]

local EXTENT = [[
  local extent = $extent
  if extent < $header then
    return broken(packet, protocol, o, "length", extent)
  elseif extent > stop - o then
    broken(packet, protocol, o, "length", extent, stop - o)
  else
    stop = o + extent
  end]]

--- What a reader of bytes found wrong is data: the layer, where, and in words.
local function fault(packet, protocol, at, message)
  packet[slot.ERROR] = { layer = protocol.name, offset = at - packet[slot.START], message = message }
end
header.fault = fault

local function short(packet, protocol, o, need, stop, said)
  fault(packet, protocol, o, said and ("a header of %d bytes, in %d"):format(said, stop - o)
    or ("truncated: %d bytes needed, %d there"):format(need, stop - o))
end

local function broken(packet, protocol, o, field, value, there)
  fault(packet, protocol, o, there and ("%s of %d bytes, but only %d are there"):format(field, value, there)
    or ("%s of %d bytes is less than the header"):format(field, value))
end

-- How many layers without a level a packet may have: chains of them end.
local MOST = 64

local function again(packet, protocol, o)
  local more = packet[slot.MORE] or {}
  packet[slot.MORE] = more
  more[#more + 1] = { protocol, o }
end

local function parser(protocol, row)
  local level = LEVELS[row.level]
  local values = setmetatable({ least = protocol.size, header = row.size and "size" or protocol.size },
    { __index = slot })
  values.level = level and slot.FIRST + 2 * level or slot.MORE
  values.size = row.size and substitute(SIZE, { size = expression(protocol, row.size),
                                                least = protocol.size }) or ""
  values.extent = row.extent and substitute(EXTENT, { extent = expression(protocol, row.extent),
                                                      header = values.header }) or ""
  values.finish = ""
  values.enter = level and substitute(LEVEL, values) or "again(packet, protocol, o)"
  local given = { short = short, broken = broken, again = again, protocol = protocol }
  if row.next then
    values.finish = substitute("$stop return next.dispatch(packet, p, o + $header, stop, $value)", {
      stop = row.unless and "if " .. expression(protocol, row.unless) .. " then return end" or "",
      header = values.header, value = expression(protocol, row.next[2]) })
    given.next = space(row.next[1])
  end
  return bytes.compile(protocol.name, substitute(PARSE, values), given)
end

-- Every space has one function, made anew when a protocol joins: a chain of comparisons,
-- which a JIT compiler follows better than a table of functions.
local function redispatch(where)
  local lines, given = { "return function(packet, p, o, stop, number)" }, {}
  for i, number in ipairs(where.numbers) do
    given["parse" .. i] = where.protocols[number].parse
    lines[#lines + 1] = ("%s number == %d then return parse%d(packet, p, o, stop)")
      :format(i == 1 and "if" or "elseif", number, i)
  end
  lines[#lines + 1] = (where.numbers[1] and "end " or "") .. "end"
  where.dispatch = bytes.compile(where.name, table.concat(lines, "\n"), given)
end

local function join(protocol, name, number)
  local where = space(name)
  if not where.protocols[number] then
    where.numbers[#where.numbers + 1] = number
  end
  where.protocols[number] = protocol
  redispatch(where)
end

-- -- Views ----------------------------------------------------------------

local READ = [[
return function(view, key)
  local get = getters[key]
  if get then
    return get(view[1], view[2])
  end
  return other(view, key)
end]]

local WRITE = [[
return function(view, key, value)
  local set = setters[key]
  if set then
    return set(view[3], view[1], view[2], value)
  end
  unknown(key)
end]]

local GET_LAYER = [[
return function(packet)
  if packet[$level] == protocol then
    return setmetatable({ packet[$POINTER], packet[$level + 1], packet }, view)
  elseif packet[$MORE] then
    return find(packet, protocol)
  end
end]]

--- A view of a protocol at an offset of a packet.
function header.view(packet, protocol, o)
  return setmetatable({ packet[slot.POINTER], o, packet }, protocol.view)
end

local function find(packet, protocol)
  for _, layer in ipairs(packet[slot.MORE] or {}) do
    if layer[1] == protocol then
      return header.view(packet, protocol, layer[2])
    end
  end
end

local function names(protocol)
  local list = {}
  for _, field in ipairs(protocol.fields) do
    list[#list + 1] = field.name
  end
  return table.concat(list, ", ")
end

local function unknown(protocol)
  return function(key)
    core.misuse(("%s has no field %s; there are: %s"):format(protocol.name, tostring(key),
      names(protocol)))
  end
end

local function views(protocol, methods)
  local unknown_key = unknown(protocol)
  local function other(_, key)
    local method = methods[key] or header.methods[key]
    if method == nil then
      unknown_key(key)
    end
    return method
  end
  protocol.unknown = unknown_key
  protocol.view = {
    protocol = protocol,
    __index = bytes.compile(protocol.name, READ, { getters = protocol.get, other = other }),
    __newindex = bytes.compile(protocol.name, WRITE, { setters = protocol.set, unknown = unknown_key }),
    __tostring = function(view)
      return header.methods.line(view)
    end,
  }
end

-- How a script finds the layer in a packet.
local function accessor(protocol, level)
  if not level then
    return function(packet)
      return find(packet, protocol)
    end
  end
  return bytes.compile(protocol.name, substitute(GET_LAYER,
    setmetatable({ level = slot.FIRST + 2 * level }, { __index = slot })),
    { protocol = protocol, view = protocol.view, find = find, setmetatable = setmetatable })
end

--- What every view can do; other files add to it.
header.methods = {}

--- How layers are found in a packet, by name.
header.accessors = {}

-- -- The declaration ------------------------------------------------------

--- Declare a protocol.
-- @param name  of its layer in a packet
-- @param rows  the fields in wire order, each { name, bits, codec =, default =, enum =,
--   computed =, pseudo =, format = }; and beside them
--   level = where it stands in a packet (see LEVELS),
--   size = expression of the header's length in bytes, when it varies,
--   extent = expression of the length of header and payload,
--   next = { space, expression }, unless = expression: what follows,
--   follows = { space = number }: what it follows itself,
--   sum = "NET" or "TRANSPORT": the checksum that covers it,
--   line = function(view): its part of a packet's line,
--   methods = what its views can do beside its fields
-- @return the protocol: call it with a table of fields to build a header
function header.declare(name, rows)
  local protocol = setmetatable({ name = name, fields = {}, get = {}, set = {}, sum = rows.sum,
    follows = rows.follows or {}, line = rows.line, row = rows }, header.protocol)
  layout(protocol, rows)
  for _, field in ipairs(protocol.fields) do
    protocol.get[field.name] = getter(protocol, field)
    protocol.set[field.name] = setter(protocol, field)
    if field.codec and field.codec.text then
      protocol.get[field.name .. "_n"] = bytes.compile(name, substitute(GET, { value = read(field) }))
      protocol.set[field.name .. "_n"] = protocol.set[field.name]
    end
  end
  views(protocol, rows.methods or {})
  protocol.level = LEVELS[rows.level]
  protocol.parse = parser(protocol, rows)
  header.protocols[name] = protocol
  header.list[#header.list + 1] = protocol
  header.accessors[name] = accessor(protocol, protocol.level)
  for where, number in pairs(protocol.follows) do
    for _, each in ipairs(type(number) == "table" and number or { number }) do
      join(protocol, where, each)
    end
  end
  return protocol
end

--- The metatable of protocols.
header.protocol = { __index = {} }

return header
