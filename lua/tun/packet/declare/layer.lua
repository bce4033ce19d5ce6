-- layer.lua: the layers of a packet: where they stand, by which numbers one is told from
-- another, and the views by which a script sees them.
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.check"
local core = require "tun.core"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local layer = {}

--- Where a layer stands. One protocol of a level is in a packet; what has no level, or
-- finds it taken, stands in a list, which costs more.
layer.LEVELS = { meta = 0, info = 1, link = 2, service = 3, tag = 4, net = 5, transport = 6,
                 application = 7 }

--- How many layers without a level a packet may have: chains of them end.
layer.MOST = 64

-- A protocol's mark is a number in the bits of its level. The marks of a packet's layers
-- are one word, which generated code adds up while it reads: no table is stored, nothing
-- has to be cleared, and a JIT compiler knows the word where it followed the reading.

-- The lowest mark of each level.
local LOW = { [0] = 1, 4, 16, 256, 1024, 4096, 131072, 8388608, 2147483648 }

--- Protocols by mark, false by 0.
layer.marked = { [0] = false }

local marked, counts = layer.marked, {} -- by level how many there are

--- Give a protocol of a level its mark; one that replaces another has that one's. Where a
-- level has no number left, it stands in the list.
function layer.mark(protocol, replaced)
  local level = protocol.level
  local count = (counts[level or false] or 0) + 1
  if replaced and replaced.level == level then
    protocol.mark = replaced.mark
  elseif level and count * LOW[level] < LOW[level + 1] then
    counts[level], protocol.mark = count, count * LOW[level]
  end
  if protocol.mark then
    marked[protocol.mark] = protocol
  else
    protocol.level = nil
  end
end

--- The bits of a level.
function layer.mask(level)
  return LOW[level + 1] - LOW[level]
end

--- Source of the mark at a level, 0 for none.
function layer.part(word, level)
  return bytes.part(word, layer.mask(level), LOW[level])
end

--- By level: a function from a packet to the protocol there, or false, and its offset.
layer.at = {}
for level = 0, #LOW - 1 do
  layer.at[level] = bytes.compile("level/" .. level, source.fill([[
return function(packet)
  return marked[$part], packet[$offset]
end]], { part = layer.part(source.fill "packet[$LAYERS]", level), offset = slot.FIRST + level }),
    { marked = marked })
end

-- What makes place for a protocol in front: what is there at its level goes to the list.
local function crowd(packet, protocol, o)
  local level = protocol.level
  local taken, at = protocol, o
  if level then
    taken, at = layer.at[level](packet)
    packet[slot.LAYERS] = packet[slot.LAYERS] - taken.mark
  end
  packet[slot.MORE], packet[slot.LOOSE] = packet[slot.MORE] or {}, true
  table.insert(packet[slot.MORE], 1, { taken, at })
  packet[slot.MORE].apart = nil
end

local ENTER = [[
return function(packet, o)
  if $part ~= 0 then crowd(packet, protocol, o) end
  packet[$LAYERS], packet[$offset] = packet[$LAYERS] + $mark, o
end]]

local ENTER_LIST = "return function(packet, o) crowd(packet, protocol, o) end"

--- A function that enters a layer, enter(packet, o), in front of those that are there.
function layer.entry(protocol)
  local level = protocol.level
  return bytes.compile(protocol.name .. "/enter", level and source.fill(ENTER, {
    part = layer.part(source.fill "packet[$LAYERS]", level), mark = protocol.mark,
    offset = slot.FIRST + level }) or ENTER_LIST, { crowd = crowd, protocol = protocol })
end

-- Spaces of numbers by which a protocol is told from another: { [number] = protocol }.
-- dispatch(packet, p, o, stop, layers, number) parses what the number says, hold(packet, number)
-- notes it as the kind of the packet inside.
local spaces = {}

-- A table of what is made of a space's number when it is wanted first.
local function lazily(make)
  return setmetatable({}, { __index = function(self, number)
    local value = make(number)
    if value then
      self[number] = value
    end
    return value
  end })
end

--- A space by name: names maps protocols to their numbers in it; waiting, numbers to what
-- loads their protocols; known, where there is one, has 1 for all these numbers.
function layer.space(name)
  local space = spaces[name]
  if not space then
    space = { name = name, numbers = {}, names = {}, waiting = {}, known = false }
    space.protocols = lazily(function(number)
      return space.waiting[number] and space.waiting[number]()
    end)
    space.parsers = lazily(function(number)
      return space.protocols[number] and space.protocols[number].parse
    end)
    spaces[name] = space
  end
  return space
end

--- Whether something is found by numbers of that name.
function layer.is_space(name)
  return spaces[name] ~= nil
end

--- All spaces by name.
function layer.spaces()
  return spaces
end

-- -- Fragments ------------------------------------------------------------

local net = layer.LEVELS.net
local LOW_NET, MASK_NET = LOW[net], LOW[net + 1] - LOW[net]

--- Whether the packet is a fragment of a datagram: what is inside of it, or behind it, is
-- not all that its lengths and checksums cover.
-- @param layers  the marks of the layers that were found
function layer.fragment(packet, layers)
  local p = packet[slot.POINTER]
  local mark = layers % (LOW_NET + MASK_NET)
  local below = marked[mark - mark % LOW_NET]
  if below and below.whole and not below.whole(p, packet[slot.FIRST + net]) then
    return true
  end
  for _, each in ipairs(packet[slot.MORE] or {}) do
    if each[1].whole and not each[1].whole(p, each[2]) then
      return true
    end
  end
  return false
end

-- -- Faults ---------------------------------------------------------------

--- Whether a packet is merely a part, so that its end says nothing of who made it: a
-- fragment, what is cut already, what is quoted by an error, or what is inside of these.
-- @param layers  as of layer.fragment()
function layer.partial(packet, layers)
  local faults, outer = packet[slot.ERROR], packet[slot.OUTER]
  return faults and faults.cut ~= nil or layer.fragment(packet, layers)
    or outer and (outer[slot.QUOTED] or layer.partial(outer, outer[slot.LAYERS])) or false
end

--- What a reader of bytes found is data: the layer, where, and in words. What is found
-- first is told, since what follows may follow from it.
-- @param word  "error" for what is malformed, the default; "cut" for what is merely not
--   all there
function layer.fault(packet, protocol, at, message, word)
  local faults = packet[slot.ERROR] or {}
  word = word or "error"
  faults[word] = faults[word]
    or { layer = protocol.name, offset = at - packet[slot.START], message = message }
  packet[slot.ERROR], packet[slot.LOOSE] = faults, true
end

-- -- Views ----------------------------------------------------------------

-- A view is { pointer, offset, packet, arena }. It follows a packet that moves: what the
-- packet left is a key of its moves, and says where it went. A packet that moves goes to an
-- arena of its own, which so tells where it was. One that is gone has none, see object.lua.

local moves = setmetatable({}, { __mode = "k" })
local KEYS = { __mode = "k" }

--- Record that a packet left an arena, and lies in its present one `by` bytes further.
-- @param behind, more  optional: what was behind that offset of the old one lies `more` bytes
--   further still
function layer.moved(packet, from, by, behind, more)
  moves[packet] = moves[packet] or setmetatable({}, KEYS)
  moves[packet][from] = { packet[slot.ARENA], by, behind or math.huge, more }
end

local function follow(view)
  local packet, arena, o = view[3], view[4], view[2]
  if not packet[slot.ARENA] then
    core.misuse(packet[slot.SLOT][slot.GONE])
  end
  while arena ~= packet[slot.ARENA] do
    local move = moves[packet][arena]
    arena, o = move[1], o + move[2] + (o >= move[3] and move[4] or 0)
  end
  view[1], view[2], view[4] = packet[slot.POINTER], o, arena
end

local READ = source.fill [[
return function(view, key)
  if view[4] ~= view[3][$ARENA] then follow(view) end
  local p, o, value = view[1], view[2], nil
  %s
  return value
end]]

local WRITE = source.fill [[
return function(view, key, value)
  if view[4] ~= view[3][$ARENA] then follow(view) end
  local p, o, packet = view[1], view[2], view[3]
  %s
end]]

local LAYER = [[
return function(packet)
  if $part == $mark then
    $found
    return found
  elseif packet[$MORE] and not packet[$MORE].apart then
    return find(packet, protocol)
  end
end]]

-- A JIT compiler makes a view disappear, so that it is best made anew; elsewhere it is kept.
local FRESH = [[
    local found = { packet[$POINTER], packet[$offset], packet, packet[$ARENA] }
    setmetatable(found, view)]]
local KEPT = [[
    local found = packet[$VIEWS] and packet[$VIEWS][view] or keep(packet, view)
    found[1], found[2], found[4] = packet[$POINTER], packet[$offset], packet[$ARENA] ]]

local function keep(packet, view)
  local found = setmetatable({ 0, 0, packet, false }, view)
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
  return setmetatable({ packet[slot.POINTER], o, packet, packet[slot.ARENA] }, protocol.view)
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

local function chosen(name, text, sets, otherwise, given)
  local choice = source.choice(sets, otherwise, given)
  given.follow = follow
  return bytes.compile(name, (text:gsub("%%s", function() return choice end)), given)
end

--- Make what a protocol's views are: fields, then what stands behind them, then the
-- protocol's own methods, then those of all.
function layer.views(protocol)
  local methods, tail = protocol.row.methods or {}, protocol.tail
  local unknown = layer.unknown(protocol, tail and tail.names)
  local meta = { protocol = protocol }
  local own = check.methods({}, meta)
  local function other(view, key)
    if tail and tail.get[key] then
      return tail.get[key](view)
    end
    if own[key] == nil then
      local method = methods[key] or layer.methods[key] or unknown(key)
      rawset(own, key, source.method(protocol.name .. ":" .. key, method, meta))
    end
    return own[key]
  end
  local function set(view, key, value)
    local act = tail and tail.set[key] or unknown(key)
    act(view, value)
  end
  function meta.__tostring(view)
    if view[4] ~= view[3][slot.ARENA] then
      follow(view)
    end
    return layer.methods.line(view)
  end
  function meta.__index(self, key)
    meta.__index = chosen(protocol.name .. "/read", READ, {
      { protocol.readers, "value = act(p, o)" },
      { protocol.placed, "value = act(p, o, view[3])" },
    }, "value = other(view, key)", { other = other })
    return meta.__index(self, key)
  end
  function meta.__newindex(self, key, value)
    meta.__newindex = chosen(protocol.name .. "/write", WRITE, {
      { protocol.writers, "act(packet, p, o, value)" },
    }, "other(view, key, value)",
      { other = set, bytes_sum = bytes.sum,
        set = function(view, name, given)
          protocol.set[name](view[3], view[1], view[2], given)
        end })
    meta.__newindex(self, key, value)
  end
  return meta
end

-- What the functions of layers with a level have as constants, by name. Without a JIT
-- compiler one function with these rows is quicker than a function for each.
local rows = {}

local ROW = [[
  local row = rows[key]
  if row then
    if $part == row[1] then
      local found = self[$VIEWS] and self[$VIEWS][row[5] ] or keep(self, row[5])
      found[1], found[2], found[4] = self[$POINTER], self[row[4] ], self[$ARENA]
      return found
    end
    return self[$MORE] and not self[$MORE].apart and find(self, row[6]) or nil
  end]]

--- Source that returns the layer `key` of the packet `self`, where there are such rows.
-- @param given  gets what it needs
function layer.found(given)
  if bytes.compiled then
    return ""
  end
  given.rows, given.keep, given.find = rows, keep, find
  local part = bytes.part(source.fill "self[$LAYERS]", "row[2]", "row[3]")
  return source.fill(ROW, { part = part })
end

--- How a script finds the layer in a packet: nil when it is absent.
function layer.accessor(protocol)
  rows[protocol.name] = nil
  if not protocol.level then
    return function(packet)
      return find(packet, protocol)
    end
  end
  local level = protocol.level
  local places = { part = layer.part(source.fill "packet[$LAYERS]", level),
                   mark = protocol.mark, offset = slot.FIRST + level }
  places.found = source.fill(bytes.compiled and FRESH or KEPT, places)
  rows[protocol.name] = { protocol.mark, layer.mask(level), LOW[level], places.offset,
                          protocol.view, protocol }
  return bytes.compile(protocol.name .. "/layer", source.fill(LAYER, places),
    { keep = keep, protocol = protocol, view = protocol.view, find = find,
      setmetatable = setmetatable })
end

return layer
