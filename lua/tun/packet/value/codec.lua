-- codec.lua: fields whose value is not a plain number. A codec is a table of what = what a
-- value is, in words, and
--   read(number) -> value, write(value) -> number | nil, of a field that is a number; or,
--   with bytes = true, or where the field has more than 53 bits, the same of a string of the
--   field's bytes.
-- nil is what the value does not stand for. Our own may also have text and number, as read
-- and write but for numbers being taken as they are; load(p, at) and store(value) -> string,
-- which look at memory; or be a function that makes a codec for a width.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"

local codec = {}

local floor, type = math.floor, type

local KEPT = 4096 -- texts of each codec, before it starts anew

-- A function from numbers to texts that keeps what it made.
local function keep(make)
  local texts, count = {}, 0
  return function(number)
    local text = texts[number]
    if not text then
      if count == KEPT then
        texts, count = {}, 0
      end
      text, count = make(number), count + 1
      texts[number] = text
    end
    return text
  end
end

-- The same for texts, of which other values are none.
local function keep_texts(make)
  local kept = keep(make)
  return function(text)
    return type(text) == "string" and kept(text)
  end
end

codec.ip4 = {
  width = 32,
  what = 'an IPv4 address such as "10.0.0.1"',
  text = keep(function(n)
    return ("%d.%d.%d.%d"):format(floor(n / 16777216), floor(n / 65536) % 256,
      floor(n / 256) % 256, n % 256)
  end),
  number = keep_texts(function(text)
    local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    local valid = a and a < 256 and b < 256 and c < 256 and d < 256
    return valid and a * 16777216 + b * 65536 + c * 256 + d or false
  end),
}

codec.mac = {
  width = 48,
  what = 'a link-layer address such as "02:00:00:00:00:01"',
  text = keep(function(n)
    local octets = {}
    for i = 6, 1, -1 do
      octets[i] = ("%02x"):format(n % 256)
      n = floor(n / 256)
    end
    return table.concat(octets, ":")
  end),
  number = keep_texts(function(text)
    local pair = "(%x%x)"
    local octets = { text:match("^" .. pair .. (":" .. pair):rep(5) .. "$") }
    return octets[1] and tonumber(table.concat(octets), 16) or false
  end),
}

-- Too wide for a number: read from bytes, written as bytes.
codec.ip6 = {
  width = 128,
  what = 'an IPv6 address such as "fd00::1"',
  load = function(p, at)
    return core.ntop(bytes.string(p, at, 16))
  end,
  store = keep_texts(function(text)
    local raw = core.pton(text)
    return raw and #raw == 16 and raw or false
  end),
}

-- A field of n characters, filled up with zeros: read without them.
function codec.chars(width)
  local n = width / 8
  return {
    what = ("a string of at most %d bytes"):format(n),
    none = "",
    load = function(p, at)
      return (bytes.string(p, at, n):gsub("%z+$", ""))
    end,
    store = function(text)
      return type(text) == "string" and #text <= n and text .. ("\0"):rep(n - #text) or nil
    end,
  }
end

--- Bytes, all of them.
function codec.bytes(width)
  local n = width / 8
  return {
    what = ("a string of %d bytes"):format(n),
    none = ("\0"):rep(n),
    load = function(p, at)
      return bytes.string(p, at, n)
    end,
    store = function(text)
      return type(text) == "string" and #text == n and text or nil
    end,
  }
end

-- The bytes of a number as digits, or as a Lua number, which ends in another number when it is
-- over 2^53.
local function from_number(value, digits)
  if value < 0 or value >= 16 ^ digits or value % 1 ~= 0 then
    return nil
  end
  local low = value % 4294967296
  return ("%08x%08x"):format((value - low) / 4294967296, low):sub(-digits)
end

--- Numbers of more bits than every Lua's hold: "0x00000000000000ff".
-- @param little  whether the lowest byte is the first
function codec.hex(width, little)
  local digits = width / 4
  local function ordered(text)
    return little and text:reverse() or text
  end
  return {
    what = ('a number, as text of at most %d digits such as "0x1f"'):format(digits),
    none = "0x" .. ("0"):rep(digits),
    load = function(p, at)
      return "0x" .. ordered(bytes.string(p, at, digits / 2)):gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
      end)
    end,
    store = function(value)
      local text = type(value) == "number" and from_number(value, digits)
        or type(value) == "string" and value:match "^0[xX](%x+)$"
      if not text or #text > digits then
        return nil
      end
      return ordered((("0"):rep(digits - #text) .. text):gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
      end))
    end,
    number_of = function(text)
      local high, low = tonumber(text:sub(3, -9), 16), tonumber(text:sub(-8), 16)
      return high < 2 ^ 21 and high * 4294967296 + low or high * 4294967296.0 + low
    end,
  }
end

return codec
