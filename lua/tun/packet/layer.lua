-- layer.lua: the layers of a packet: what finds them when a packet is read, and the views
-- by which a script sees them.
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local slot = require "tun.packet.slot"
local source = require "tun.packet.source"

local layer = {}

--- Where a layer stands. One protocol of a level is in a packet; what has no level, or
-- finds it taken, stands in a list, which costs more.
layer.LEVELS = { meta = 0, info = 1, link = 2, service = 3, tag = 4, net = 5, transport = 6 }

-- Spaces of numbers by which a protocol is told from another: { [number] = protocol }.
-- dispatch(packet, p, o, stop, number) parses what the number says, hold(packet, number)
-- notes it as the kind of the packet inside.
local spaces = {}

--- A space by name; names maps protocols to their numbers in it.
function layer.space(name)
  spaces[name] = spaces[name] or { name = name, protocols = {}, numbers = {}, names = {} }
  return spaces[name]
end

-- -- Faults ---------------------------------------------------------------

--- What a reader of bytes found wrong is data: the layer, where, and in words.
function layer.fault(packet, protocol, at, message)
  packet[slot.ERROR] = { layer = protocol.name, offset = at - packet[slot.START], message = message }
  packet[slot.LOOSE] = true
end

local fault = layer.fault

-- Where reading ends, also by a fault: what limits the packet, and the payload.
local function ends(packet, o, stop)
  packet[slot.LIMIT], packet[slot.PAYLOAD] = stop, o
end

local function wrong(packet, protocol, o, stop, words)
  ends(packet, o, stop)
  fault(packet, protocol, o, words)
end

local function short(packet, protocol, o, need, stop, said)
  ends(packet, o, stop)
  fault(packet, protocol, o, said and ("a header of %d bytes, in %d"):format(said, stop - o)
    or ("truncated: %d bytes needed, %d there"):format(need, stop - o))
end

local function broken(packet, protocol, o, value, there)
  fault(packet, protocol, o, there and ("length of %d bytes, but only %d are there"):format(value, there)
    or ("length of %d bytes is less than the header"):format(value))
end

-- How many layers without a level a packet may have: chains of them end.
local MOST = 64

local function again(packet, protocol, o, stop)
  local more = packet[slot.MORE] or {}
  packet[slot.MORE], packet[slot.LOOSE] = more, true
  if #more == MOST then
    wrong(packet, protocol, o, stop, ("more than %d headers"):format(MOST))
    return true
  end
  more[#more + 1] = { protocol, o }
end

-- -- Parsers --------------------------------------------------------------

local PARSE = [[
return function(packet, p, o, stop)
  if stop - o < $least then
    return short(packet, protocol, o, $least, stop)
  end
  $loads
  $valid
  $size
  $enter
  $extent
  $inner
  $finish
end]]

local VALID = [[
  if not ($valid) then
    return wrong(packet, protocol, o, stop, "$words")
  end]]

local LEVEL = [[
  if packet[$level] then
    if again(packet, protocol, o, stop) then return end
  else
    packet[$level] = protocol
    packet[$offset] = o
  end]]

local SIZE = [[
  local size = $size
  if size < $least or size > stop - o then
    return short(packet, protocol, o, size < $least and $least or size, stop, size)
  end]]

local EXTENT = [[
  local extent = $extent
  if extent < $header then
    ends(packet, o + $header, stop)
    return broken(packet, protocol, o, extent)
  elseif extent > stop - o then
    broken(packet, protocol, o, extent, stop - o)
  else
    stop = o + extent
  end]]

-- Some headers end early when more is known of what follows.
local EARLY = [[
  if next.protocols[$value] then
    next.dispatch(packet, p, o + $early, stop, $value)
    return
  end]]

-- What notes the packet inside, as source; most protocols have none.
local function inside(row, expression, given)
  if not row.inner then
    return ""
  end
  local text = "packet[$INSIDE] = kinds[inner] packet[$LOOSE] = true"
  given.kinds, given.inner = layer.kinds, row.inner
  if type(row.inner) == "table" then
    given.inner = layer.space(row.inner[1])
    text = ("inner.hold(packet, %s)"):format(expression(row.inner[2]))
  end
  text = source.fill(text .. (row.quotes and " packet[$QUOTED] = true" or ""))
  return type(row.quotes) == "string"
    and ("if %s then %s end"):format(expression(row.quotes), text) or text
end

local ENDS = "packet[$LIMIT] = stop packet[$PAYLOAD] = o + $header"

local function following(row, expression, header, given)
  local ends_here = source.fill(ENDS, { header = header })
  if not row.next then
    return ends_here
  end
  given.next = layer.space(row.next[1])
  local value = expression(row.next[2])
  local early = row.next.size
    and source.fill(EARLY, { early = row.next.size, value = value }) or ""
  local stop = row.unless
    and ("if %s then %s return end"):format(expression(row.unless), ends_here) or ""
  return early .. source.fill("$stop next.dispatch(packet, p, o + $header, stop, $value)",
    { stop = stop, header = header, value = value })
end

--- What reads a header of the protocol at an offset, and all that follows it.
function layer.parser(protocol, row)
  local header = row.size and "size" or protocol.size
  local loads, expression = source.together(protocol, {
    row.valid and row.valid[1] or "", row.size or "", row.extent or "", row.unless or "",
    row.next and row.next[2] or "", type(row.inner) == "table" and row.inner[2] or "",
    type(row.quotes) == "string" and row.quotes or "" })
  local function part(text, given)
    given = given and expression(given)
    return given and source.fill(text, { size = given, extent = given,
      valid = given, words = row.valid and row.valid[2], least = protocol.size,
      header = header }) or ""
  end
  local level = protocol.level and slot.FIRST + 2 * protocol.level
  local given = { short = short, broken = broken, again = again, protocol = protocol, wrong = wrong,
                  ends = ends }
  return bytes.compile(protocol.name, source.fill(PARSE, {
    least = protocol.size, header = header, loads = loads,
    valid = part(VALID, row.valid and row.valid[1]),
    size = part(SIZE, row.size),
    enter = level and source.fill(LEVEL, { level = level, offset = level + 1 })
      or "if again(packet, protocol, o, stop) then return end",
    extent = part(EXTENT, row.extent),
    inner = inside(row, expression, given),
    finish = following(row, expression, header, given),
  }), given)
end

-- -- Spaces ---------------------------------------------------------------

-- A chain of comparisons, which a JIT compiler follows better than a table of functions.
local function chain(where, head, each, otherwise)
  local lines, given = { head }, {}
  for i, number in ipairs(where.numbers) do
    given["protocol" .. i], given["parse" .. i] = where.protocols[number], where.protocols[number].parse
    lines[#lines + 1] = (i == 1 and "if" or "elseif")
      .. (" number == %d then "):format(number) .. source.fill(each, { i = i })
  end
  lines[#lines + 1] = ("else %s end end"):format(otherwise)
  return bytes.compile(where.name, table.concat(lines, "\n"), given)
end

local DISPATCH = "return function(packet, p, o, stop, number)"
local HOLD = "return function(packet, number)"

--- Let a protocol be found by a number. The functions of a space are made anew.
function layer.join(protocol, name, number)
  local where = layer.space(name)
  if not where.protocols[number] then
    where.numbers[#where.numbers + 1] = number
  end
  where.protocols[number] = protocol
  where.names[protocol.name] = where.names[protocol.name] or number
  where.dispatch = chain(where, DISPATCH, "parse$i(packet, p, o, stop)",
    source.fill "packet[$LIMIT] = stop packet[$PAYLOAD] = o")
  where.hold = chain(where, HOLD, "packet[$INSIDE] = protocol$i packet[$LOOSE] = true", "")
end

-- -- Views ----------------------------------------------------------------

local READ = [[
return function(view, key)
  local get = getters[key]
  local value
  if get then
    value = get(view[1], view[2])
  else
    value = other(view, key)
  end
  return value
end]]

local WRITE = [[
return function(view, key, value)
  local set = setters[key]
  if set then
    set(view[3], view[1], view[2], value)
  else
    unknown(key)
  end
end]]

local LAYER = [[
return function(packet)
  if packet[$level] == protocol then
    $found
    return found
  elseif packet[$MORE] then
    return find(packet, protocol)
  end
end]]

-- A JIT compiler makes a view disappear, so that it is best made anew; elsewhere it is kept.
local FRESH = "local found = setmetatable({ packet[$POINTER], packet[$offset], packet }, view)"
local KEPT = [[
    local found = packet[$VIEWS] and packet[$VIEWS][view] or keep(packet, view)
    found[1], found[2] = packet[$POINTER], packet[$offset] ]]

local function keep(packet, view)
  local found = setmetatable({ 0, 0, packet }, view)
  packet[slot.VIEWS] = packet[slot.VIEWS] or {}
  packet[slot.VIEWS][view] = found
  return found
end

--- What every view can do; other files add to it.
layer.methods = {}

--- The name of the view's layer.
function layer.methods.name(view)
  return getmetatable(view).protocol.name
end

--- A view of a protocol at an offset of a packet.
function layer.view(packet, protocol, o)
  return setmetatable({ packet[slot.POINTER], o, packet }, protocol.view)
end

local function find(packet, protocol)
  for _, each in ipairs(packet[slot.MORE] or {}) do
    if each[1] == protocol then
      return layer.view(packet, protocol, each[2])
    end
  end
end

--- A function that raises for a name that a protocol does not have.
-- @param more  optional: a list of names beside its fields
function layer.unknown(protocol, more)
  return function(key)
    local list = {}
    for i, each in ipairs(protocol.fields) do
      list[i] = each.name
    end
    for _, name in ipairs(more or {}) do
      list[#list + 1] = name
    end
    core.misuse(("%s has no field %s; there are: %s"):format(protocol.name, tostring(key),
      table.concat(list, ", ")))
  end
end

--- Make what a protocol's views are: fields, then its own methods, then those of all.
function layer.views(protocol, methods)
  protocol.unknown = layer.unknown(protocol)
  local function other(_, key)
    local method = methods[key] or layer.methods[key]
    if method == nil then
      protocol.unknown(key)
    end
    return method
  end
  protocol.view = {
    protocol = protocol,
    __index = bytes.compile(protocol.name, READ, { getters = protocol.get, other = other }),
    __newindex = bytes.compile(protocol.name, WRITE,
      { setters = protocol.set, unknown = protocol.unknown }),
    __tostring = function(view)
      return layer.methods.line(view)
    end,
  }
end

-- What is found by port has no slot: its place is behind the header with the ports.
local TRANSPORT = slot.FIRST + 2 * layer.LEVELS.transport

--- The protocol that the transport's ports say, and its offset.
function layer.by_port(packet)
  local below = packet[TRANSPORT]
  local where = below and below.row.ports and spaces[below.name]
  if not where or packet[slot.LIMIT] <= packet[slot.PAYLOAD] then
    return nil
  end
  local p, o = packet[slot.POINTER], packet[TRANSPORT + 1]
  local protocol = where.protocols[below.get.dport(p, o)] or where.protocols[below.get.sport(p, o)]
  local at = packet[slot.PAYLOAD]
  if protocol and at + protocol.size <= packet[slot.LIMIT]
    and (not protocol.valid or protocol.valid(p, at, packet[slot.LIMIT])) then
    return protocol, at
  end
end

--- How a script finds the layer in a packet: nil when it is absent.
function layer.accessor(protocol)
  if protocol.by_port then
    return function(packet)
      local found, o = layer.by_port(packet)
      return found == protocol and layer.view(packet, protocol, o) or find(packet, protocol)
    end
  elseif not protocol.level then
    return function(packet)
      return find(packet, protocol)
    end
  end
  local level = slot.FIRST + 2 * protocol.level
  local places = { level = level, offset = level + 1 }
  places.found = source.fill(bytes.jitted and FRESH or KEPT, places)
  return bytes.compile(protocol.name, source.fill(LAYER, places),
    { keep = keep, protocol = protocol, view = protocol.view, find = find, setmetatable = setmetatable })
end

return layer
