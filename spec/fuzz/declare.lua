-- declare.lua: declarations of headers, right ones and any others, and packets that begin with
-- such a header, at a page that cannot be touched. A declaration is refused at the line of its
-- caller, or good for all that can be done to a packet.
-- An input: bytes that choose, 1 of how many rows first, up to one of 255; the packet.
local hostile = dofile "spec/packet/hostile.lua"
local packet = require "tun.packet"
local header = require "tun.packet.declare.header"
local system = require "system"

local NAMES = { "a", "b", "length", "c", "x-y", "end", 5 }
local WIDTHS = { 8, 16, 4, 4, 1, 3, 12, 32, 48, 24, 128, 64, 0, -8, 1.5, "8", 7 }
local EXPRESSIONS = { "a", "a * 4", "length", "b + 1", "a ~= 0", "stop - o", "4", "0", "70000",
                      "-1", "zz", "a ==", ")", "" }

-- Values for what a row and a header may say; a text that begins with "=" stands for an
-- expression.
local ROW = {
  codec = { "mac", "ip4", "ip6", "zz", {} },
  enum = { { one = 1, two = 2 }, { big = 999999 }, "zz" },
  default = { 1, 0, -1, 999999, "one", true },
  format = { "0x%04x", "%d", "%s%s", 7 },
  computed = { "size", "extent", "next", "checksum", "zz" },
  pseudo = { true, false, 1 },
  order = { "native", "zz" },
  over = { "a", "b", "zz" },
  at = { "=" },
  when = { "=" },
  only = { { a = { 1 } }, { zz = { 1 } }, 1 },
  names_of = { { [1] = "one" }, "zz" },
  counted = { true },
  zz = { true },
}
local HEADER = {
  level = { "net", "transport", "tag", "link", "zz" },
  size = { "=" },
  extent = { "=" },
  valid = { { "a == 1", "is not 1" }, { "zz", "zz" }, {}, "a" },
  next = { { "ethertype", "a" }, { "ip", "b", size = 4 }, { "zz", "a" }, { "ip", "zz" }, "ip" },
  unless = { "=" },
  inner = { "ip", "eth", "zz", { "ethertype", "a" } },
  quotes = { true, "=" },
  follows = { { udp = 7777 }, { ip = 250 }, { ethertype = { 0x1234 } }, { zz = 1 }, "udp" },
  ports = { true },
  sum = { "NET", "TRANSPORT", "zz" },
  checksum = { { over = "header" }, { over = "extent", pseudo = true }, { over = "zz" }, {} },
  whole = { "=" },
  partial = { "=" },
  final = { "=" },
  word = { "FUZZ", 5 },
  zz = { true },
}

local function sorted(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end
local ROW_KEYS, HEADER_KEYS = sorted(ROW), sorted(HEADER)

-- A function that gives one byte after the other, 255 where there is none.
local function reader(bytes)
  local at = 0
  return function(list)
    at = at + 1
    local byte = bytes:byte(at) or 255
    return byte ~= 255 and (list and list[byte % #list + 1] or byte) or nil, at
  end
end

local function fill(t, take, keys, values)
  for key in function() return take(keys) end do
    local value = take(values[key])
    t[key] = value == "=" and take(EXPRESSIONS) or value
  end
  return t
end

local function declaration(take)
  local rows = {}
  for i = 1, (take() or 0) % 6 do
    rows[i] = fill({ take(NAMES), (take(WIDTHS)) }, take, ROW_KEYS, ROW)
  end
  return fill(rows, take, HEADER_KEYS, HEADER)
end

-- Take a protocol off the list of all, which else would grow without an end.
local function forget(protocol)
  for i = #header.list, 1, -1 do
    if header.list[i] == protocol then
      table.remove(header.list, i)
    end
  end
end

return function(bytes)
  local take = reader(bytes)
  local rows = declaration(take)
  local name = "fuzzed_" .. tostring(rows.level)
  local protocol
  system.attempt(function()
    protocol = packet.header(name, rows)
  end)
  if protocol then
    local _, at = take()
    hostile.seed(at)
    hostile.all(bytes:sub(at + 1), name)
    system.attempt(function()
      return packet.ip4 {} / protocol {} / "x"
    end)
    forget(protocol)
  end
end
