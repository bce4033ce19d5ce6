-- header.lua: a protocol is a list of fields in wire order, and what holds for them: see
-- README.md in the folder above. declare() checks it; what it is compiled to is compiled when
-- it is wanted first.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.packet.declare.check"
local core = require "tun.core"
local dissect = require "tun.packet.declare.dissect"
local field = require "tun.packet.declare.field"
local finish = require "tun.packet.declare.finish"
local layer = require "tun.packet.declare.layer"
local parser = require "tun.packet.declare.parser"
local source = require "tun.packet.declare.source"
local tail = require "tun.packet.declare.tail"
local walk = require "tun.packet.declare.walk"
local word = require "tun.packet.value.word"

--- All protocols by name, and in the order in which they were made; the kinds of packets
-- beside the protocols; how layers are found in a packet, by name.
local header = { protocols = {}, list = {}, kinds = {}, accessors = {}, space = layer.space,
                 view = layer.view, methods = layer.methods, fault = layer.fault }

--- What the metatables of protocols have.
header.protocol = { __tostring = function(self)
  return "protocol " .. self.name
end }

local watchers = {}

--- Call a function whenever a protocol was declared.
function header.watch(watcher)
  watchers[#watchers + 1] = watcher
end

-- -- What is compiled when it is wanted --------------------------------------

-- A test of fields as a function of a header's place.
local function test(protocol, name, text)
  return type(text) == "function" and text or text and bytes.compile(protocol.name .. "/" .. name,
    ("return function(p, o, stop) return %s end"):format(source.expression(protocol, text)))
end

local made = {
  get = field.getters,
  set = field.setters,
  readers = field.readers,
  placed = field.placed,
  writers = bytes.compiled and field.writers or function(protocol)
    return protocol.set
  end,
  puts = field.putters,
  view = layer.views,
  enter = layer.entry,
  slow = parser.compile,
  parse = function(protocol)
    return bytes.compiled and protocol.slow or walk.quick(protocol)
  end,
  finish = finish.everything,
  pseudo = finish.pseudo,
  adjust = finish.adjust,
  shift = finish.shift,
  extra = function(protocol)
    return protocol.most > protocol.size and test(protocol, "size", protocol.row.size)
  end,
}
for _, key in ipairs { "extent", "whole", "partial", "final", "origin" } do
  made[key] = function(protocol)
    return test(protocol, key, protocol.row[key])
  end
end

-- Each protocol has its own, so that what a call does can be generated for it.
local function metatable()
  local meta = header.protocol
  return {
    __call = meta.__call,
    __tostring = function(self)
      return meta.__tostring(self)
    end,
    __index = function(self, key)
      local make = made[key]
      if make then
        self[key] = make(self) or false
        return self[key]
      end
    end,
  }
end

-- -- What is loaded when it is met -------------------------------------------

local files = {} -- of protocols that are not loaded yet, by their names
local loading = {} -- the files that are loaded right now

local function loaded(name)
  local file = files[name]
  if file and not loading[file] then
    loading[file], files[name] = true, nil
    local ok, why = pcall(require, "tun.packet.protocol." .. file)
    loading[file] = nil
    if not ok then
      files[name] = file
      error(why, 0)
    end
    return rawget(header.protocols, name)
  end
end

-- The same where a packet leads to it: what cannot be loaded now, since there is no descriptor
-- or no memory left, is payload until it can.
local function met(name)
  local ok, protocol = pcall(loaded, name)
  return ok and protocol or nil
end

setmetatable(header.protocols, { __index = function(_, name)
  return loaded(name)
end })

--- Let a protocol be loaded when it is met.
-- @param file  in the folder protocol, which declares it
-- @param follows  as in its declaration
function header.expect(name, file, follows)
  files[name] = file
  for where, numbers in entries(follows) do
    for _, number in ipairs(type(numbers) == "table" and numbers or { numbers }) do
      parser.expect(where, number, name, met)
    end
  end
end

--- Whether there is a protocol of that name that was not needed yet.
function header.is_expected(name)
  return files[name] ~= nil
end

--- Whether there is a protocol of a name.
function layer.is_protocol(name)
  local there = type(name) == "string" and (files[name] or rawget(header.protocols, name))
  return there and true or false
end

layer.kinds = setmetatable({}, { __index = function(_, name)
  return header.kinds[name] or header.protocols[name]
end })

-- -- Declaring ---------------------------------------------------------------

-- Protocols that are found by numbers.
local function follow(protocol)
  for where, number in entries(protocol.follows) do
    for _, each in ipairs(type(number) == "table" and number or { number }) do
      parser.join(protocol, where, each)
    end
  end
end

-- The level of a protocol; what is found by port is an application, unless it says else.
local function level_of(rows)
  local level = layer.LEVELS[rows.level]
  for where in entries(not level and rows.follows or {}) do
    local below = header.protocols[where] -- is loaded: it has to be worth that
    level = level or below and below.row.ports and layer.LEVELS.application
  end
  return level
end

-- Whether a header is of a stream, of whose messages a packet has any part.
local function is_stream(rows)
  local follows = rows.follows or {}
  for where in entries(follows) do
    local below = rawget(header.protocols, where)
    if below and below.stream then
      return true
    end
  end
  return follows.tcp ~= nil and follows.udp == nil
end

-- How much room the fields take at most, those that may be absent included.
local function grown(protocol)
  local most = protocol.size
  for _, each in ipairs(protocol.fields) do
    most = most + (each.place and math.floor(each.width / 8) or 0)
  end
  return most
end

-- Spaces that a declaration names first.
local function spaces(name, rows)
  local inner = type(rows.inner) == "table" and rows.inner or false
  for _, row in ipairs { rows.next or false, inner } do
    if row then
      layer.space(row[1])
    end
  end
  layer.space(name)
end

-- Our own protocols are what the rest of the library counts on.
local function ours_stay(name)
  local there = type(name) == "string" and (files[name] or rawget(header.protocols, name))
  if there and (files[name] or there.own) then
    core.misuse(('header "%s": it is there already, of the library; take another name')
      :format(name))
  end
end

--- Declare a protocol: see README.md in the folder above.
-- @param name  of its layer in a packet
-- @param rows  the fields in wire order, and what holds for them
-- @return the protocol: call it with a table of fields to build a header
function header.declare(name, rows)
  if not next(loading) then
    ours_stay(name)
    check.declaration(name, rows)
  end
  spaces(name, rows)
  files[name] = nil
  local protocol = setmetatable({ name = name, row = rows, level = level_of(rows),
    own = next(loading) ~= nil, sum = rows.sum, follows = rows.follows or {},
    line = rows.line, stream = is_stream(rows), fields = {}, pieces = {} }, metatable())
  field.layout(protocol, rows)
  tail.of(protocol, rows)
  protocol.most = grown(protocol)
  layer.mark(protocol, rawget(header.protocols, name))
  header.protocols[name] = protocol
  header.list[#header.list + 1] = protocol
  walk.add(protocol)
  dissect.add(protocol)
  follow(protocol)
  header.accessors[name] = layer.accessor(protocol)
  walk.join(protocol)
  for _, watcher in ipairs(watchers) do
    watcher()
  end
  return protocol
end

-- The kind "ip": the version is in the first four bits of every IP packet.
local version = layer.space "version"
version.parse = bytes.compile("version/parse", ([[
return function(packet, p, o, stop, layers)
  if stop - o < 1 then
    return wrong(packet, where, o, stop, layers, "no bytes")
  end
  local number = %s
  if not where.protocols[number] then
    return wrong(packet, where, o, stop, layers, "neither IPv4 nor IPv6 by the first four bits")
  end
  where.dispatch(packet, p, o, stop, layers, number)
end]]):format(bytes.read("o", 0, 4)), { wrong = parser.wrong, where = version })

--- Let another number lead to a protocol, from now on: bind{ udp = 5353, to = "dns" }.
-- @param rule  space = number or list of numbers, for one or more spaces; to = name
function header.bind(rule)
  local name = type(rule) == "table" and rule.to
  local protocol = type(name) == "string" and header.protocols[name]
  if not protocol then
    core.misuse(("bind: no protocol %s to lead to"):format(tostring(name)))
  end
  local found = {}
  for where, numbers in entries(rule) do
    if where ~= "to" then
      if not layer.is_space(where) then
        core.misuse(("bind: nothing is found by %s; there are: %s"):format(tostring(where),
          table.concat(word.list(layer.spaces()), ", ")))
      end
      for _, number in ipairs(type(numbers) == "table" and numbers or { numbers }) do
        if type(number) ~= "number" or number % 1 ~= 0 or number < 0 then
          core.misuse(("bind: %s is no number of %s"):format(tostring(number), where))
        end
        found[#found + 1] = { where, number }
      end
    end
  end
  if not found[1] then
    core.misuse 'bind: what leads to it? bind{ udp = 5353, to = "dns" }'
  end
  for _, each in ipairs(found) do
    local old = protocol.follows[each[1]]
    local list = type(old) == "table" and old or { old }
    list[#list + 1] = each[2]
    protocol.follows[each[1]] = list
    parser.join(protocol, each[1], each[2])
  end
  walk.join(protocol)
end

return header
