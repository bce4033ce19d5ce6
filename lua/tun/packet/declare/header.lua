-- header.lua: a protocol is a list of fields in wire order. declare() compiles the list
-- once into straight-line functions: getters and setters, a parser, a writer, and what
-- computes lengths and checksums.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local field = require "tun.packet.declare.field"
local finish = require "tun.packet.declare.finish"
local layer = require "tun.packet.declare.layer"
local parser = require "tun.packet.declare.parser"
local source = require "tun.packet.declare.source"
local walk = require "tun.packet.declare.walk"

--- All protocols by name, and in the order in which they were made; the kinds of packets
-- beside the protocols; how layers are found in a packet, by name.
local header = { protocols = {}, list = {}, kinds = {}, accessors = {}, space = layer.space,
                 view = layer.view, methods = layer.methods, fault = layer.fault }

--- What the metatables of protocols have.
header.protocol = { __index = {}, __tostring = function(self)
  return "protocol " .. self.name
end }

local watchers = {}

--- Call a function whenever a protocol was declared.
function header.watch(watcher)
  watchers[#watchers + 1] = watcher
end

-- Each protocol has its own, so that what a call does can be generated for it.
local function metatable()
  local meta = header.protocol
  return { __index = meta.__index, __call = meta.__call, __tostring = function(self)
    return meta.__tostring(self)
  end }
end

layer.kinds = setmetatable({}, { __index = function(_, name)
  return header.kinds[name] or header.protocols[name]
end })

-- Protocols that are found by numbers.
local function follow(protocol)
  for where, number in pairs(protocol.follows) do
    for _, each in ipairs(type(number) == "table" and number or { number }) do
      parser.join(protocol, where, each)
    end
  end
end

-- The level of a protocol; what is found by port is an application, unless it says else.
local function level_of(rows)
  local level = layer.LEVELS[rows.level]
  for where in pairs(rows.follows or {}) do
    local below = header.protocols[where]
    level = level or below and below.row.ports and layer.LEVELS.application
  end
  return level
end

-- A test of fields as a function of a header's place.
local function test(protocol, text)
  return type(text) == "function" and text
    or text and bytes.compile(protocol.name, ("return function(p, o, stop) return %s end")
    :format(source.expression(protocol, text)))
end

-- Fields that may be absent take room behind the fixed ones: how much at most, and what
-- the size is by the fields that switch them.
local function grown(protocol)
  protocol.most = protocol.size
  for _, each in ipairs(protocol.fields) do
    protocol.most = protocol.most + (each.place and math.floor(each.width / 8) or 0)
  end
  if protocol.most > protocol.size then
    protocol.extra = test(protocol, protocol.row.size)
  end
end

local function set(words)
  local names = {}
  for word in words:gmatch "%S+" do
    names[word] = true
  end
  return names
end

-- The keys of a row, and those of a protocol beside its rows.
local ROW = set "codec enum names_of default format computed pseudo order over at when only counted"
local KEYS = set [[level size extent open valid next unless inner quotes follows ports sum
  checksum whole partial final origin area methods line word only name_of names_of counted least]]

local function check(name, what, t, known)
  for key in pairs(t) do
    if type(key) == "string" and not known[key] then
      local names = {}
      for each in pairs(known) do
        names[#names + 1] = each
      end
      table.sort(names)
      core.misuse(('header "%s": no key %s of %s; there are: %s'):format(name, key, what,
        table.concat(names, ", ")))
    end
  end
end

-- The kind "ip": the version is in the first four bits of every IP packet.
local version = layer.space "version"
version.parse = bytes.compile("version", ([[
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

--- Declare a protocol.
-- @param name  of its layer in a packet
-- @param rows  the fields in wire order, each { name, bits } with, as needed,
--   codec = name or table (see codec.lua), enum = { name = number },
--   default = value when building, format = "0x%04x" for show(),
--   computed = "size" | "extent" | "next" | "checksum": what building and fix() put there,
--   pseudo = true: a part of the transport's pseudo header,
--   order = "native": in the machine's order of bytes,
--   over = field: lies over an earlier one, takes no room,
--   at = expression, when = expression: lies there behind the header's start, if at all,
--   only = { field = { numbers } }: printed only where other fields have these numbers,
--   names_of = { [number] = name }: for show(), beside the enum,
--   counted = true: building counts what the area was given;
-- and beside them, expressions being of fields, o (start of the header) and stop:
--   level = where it stands in a packet (see layer.lua),
--   size = expression of the header's length in bytes, when it varies,
--   extent = expression of the length of header and payload,
--   open = expression: when the extent is not told, and goes to the end of the bytes,
--   valid = { expression, words }: what has to hold, or else packet.error has the words,
--   next = { space, expression, size = bytes of the header if the number is known }; a
--     second expression is of the number to go by when the first one is not known,
--   unless = expression: when nothing follows,
--   inner = kind | { space, expression }: a packet begins behind this header,
--   quotes = true | expression: it is quoted by an error, (when) so nothing in it is fixed,
--   follows = { space = number | { numbers } }: what it follows itself; with a protocol
--     that has ports in the place of the space, it is found by them,
--   ports = true: has sport and dport, by which others are found,
--   sum = "NET" | "TRANSPORT": the checksum that covers it,
--   checksum = { over = "header" | "extent", pseudo = true, optional = true },
--   whole = expression: false in a fragment, whose transport checksum cannot be computed,
--   partial = expression: the transport's checksum is left to the device that sends,
--   final, origin = expression or function(p, o, stop): where behind the header's start the
--     final destination or the original source is, which stands for that of the network
--     header in the transport's checksum; 0 for none,
--   area = { names =, write = function(fields, protocol) -> bytes, counts }: what varies
--     behind the fields, how it is built from names beside them,
--   methods = what its views can do beside its fields,
--   word = what a packet's line begins with, before source and destination,
--   line = function(view, packet, n): its part of the line, n being the bytes from its
--     start to the packet's end
-- @return the protocol: call it with a table of fields to build a header
function header.declare(name, rows)
  check(name, "a header", rows, KEYS)
  for i, row in ipairs(rows) do
    check(name, "row " .. i, row, ROW)
  end
  local protocol = setmetatable({ name = name, row = rows, level = level_of(rows),
    sum = rows.sum, follows = rows.follows or {}, line = rows.line,
    fields = {}, get = {}, set = {}, pieces = {} }, metatable())
  field.layout(protocol, rows)
  field.accessors(protocol)
  layer.views(protocol, rows.methods or {})
  protocol.valid = test(protocol, rows.valid and rows.valid[1])
  for _, key in ipairs { "extent", "whole", "partial", "final", "origin" } do
    protocol[key] = test(protocol, rows[key])
  end
  grown(protocol)
  layer.mark(protocol, header.protocols[name])
  protocol.enter = layer.entry(protocol)
  protocol.parse = parser.compile(protocol, rows)
  if not bytes.jitted then
    protocol.parse = walk.quick(protocol, protocol.parse)
  end
  finish.compile(protocol)
  header.protocols[name] = protocol
  header.list[#header.list + 1] = protocol
  follow(protocol)
  header.accessors[name] = layer.accessor(protocol)
  if not bytes.jitted then
    walk.join(header.list)
  end
  for _, watcher in ipairs(watchers) do
    watcher()
  end
  return protocol
end

return header
