-- hand.lua -- what a script would write in LuaJIT over a pointer: the fields of packets.lua.
local bit = require "bit"
local ffi = require "ffi"

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local hand = {}

local STRIDE = 2304 -- as the slots of a batch

--- Frames one behind the other: pointer, and where they begin and end.
function hand.memory(list)
  local p, starts, stops = ffi.new("uint8_t[?]", STRIDE * #list), {}, {}
  for i, frame in ipairs(list) do
    starts[i], stops[i] = STRIDE * (i - 1), STRIDE * (i - 1) + #frame
    ffi.copy(p + starts[i], frame, #frame)
  end
  hand.kept = p
  return { ffi.cast("uint8_t *", p), starts, stops }
end

local function u16(p, o)
  return bor(lshift(p[o], 8), p[o + 1])
end

local function ports(p, proto, o, stop)
  if proto == 6 then
    local size = rshift(p[o + 12], 4) * 4
    return stop - o >= 20 and size >= 20 and size <= stop - o and u16(p, o) + u16(p, o + 2) or 0
  elseif proto == 17 then
    local n = stop - o >= 8 and u16(p, o + 4) or 0
    return n >= 8 and n <= stop - o and u16(p, o) + u16(p, o + 2) or 0
  elseif proto == 1 then
    return stop - o >= 8 and p[o] or 0
  end
  return 0
end

local function ip4(p, o, stop)
  if stop - o < 20 or rshift(p[o], 4) ~= 4 then
    return 0
  end
  local size, total = band(p[o], 15) * 4, u16(p, o + 2)
  if size < 20 or size > stop - o or total < size or total > stop - o then
    return 0
  end
  local sum = p[o + 8] + total + p[o + 12] * 16777216 + bor(lshift(p[o + 13], 16), u16(p, o + 14))
  if band(u16(p, o + 6), 8191) == 0 then
    sum = sum + ports(p, p[o + 9], o + size, o + total)
  end
  return sum
end

-- Hop-by-hop and destination options, routing.
local EXTENSION = { [0] = true, [43] = true, [60] = true }

local function ip6(p, o, stop)
  if stop - o < 40 or rshift(p[o], 4) ~= 6 then
    return 0
  end
  local total = u16(p, o + 4)
  if 40 + total > stop - o then
    return 0
  end
  local sum, next, at = p[o + 7] + total, p[o + 6], o + 40
  stop = at + total
  while EXTENSION[next] and stop - at >= 8 do
    next, at = p[at], at + 8 + 8 * p[at + 1]
  end
  return at <= stop and sum + ports(p, next, at, stop) or sum
end

local function network(p, type, o, stop)
  if type == 0x0800 then
    return ip4(p, o, stop)
  elseif type == 0x86dd then
    return ip6(p, o, stop)
  elseif type == 0x0806 then
    return stop - o >= 28 and u16(p, o + 6) or 0
  end
  return 0
end

--- The sum of the fields of the frame between two offsets.
function hand.fields(p, o, stop)
  if stop - o < 14 then
    return 0
  end
  local sum, type = 0, u16(p, o + 12)
  o = o + 14
  while (type == 0x88a8 or type == 0x8100) and stop - o >= 4 do
    sum = type == 0x8100 and sum == 0 and band(u16(p, o), 4095) or sum
    type, o = u16(p, o + 2), o + 4
  end
  if type == 0x8847 and stop - o >= 5 then
    while band(p[o + 2], 1) == 0 and stop - o >= 9 do
      o = o + 4
    end
    type, o = rshift(p[o + 4], 4) == 4 and 0x0800 or 0x86dd, o + 4
  elseif type == 0x8864 and stop - o >= 8 then
    type, o = u16(p, o + 6) == 0x21 and 0x0800 or 0x86dd, o + 8
  end
  return sum + network(p, type, o, stop)
end

return hand
