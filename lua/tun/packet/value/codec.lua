-- codec.lua: fields whose value is not a number: addresses. A codec has text(p, at), the
-- value that a script reads, and bytes(value), what it writes: nil when it is no such
-- address. Where a number holds the whole field, the text is made from it and kept, since
-- the same addresses come again and again.
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

return codec
