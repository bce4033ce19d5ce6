-- fragments.lua: fragments of any packets in any order, some twice, some late. What comes out
-- of a reassembler is whole and right; a packet that was cut comes out as it was.
-- An input: of each step, 1 byte of what is done, 1 of the MTU or the time, 2 of the length of
-- a packet, and that.
local hostile = dofile "spec/packet/hostile.lua"
local packet = require "tun.packet"

local function is_fragment(p)
  local where = p.ip4 or p.frag
  return where and (where.mf or where.offset > 0)
end

-- In IPv6, a datagram may itself be a fragment of another.
local function look(p)
  assert(p.error or p.ip6 or not is_fragment(p), "what is whole is a fragment")
  p:verify()
  return tostring(p)
end

-- Cut a packet that is right, and put it together again, from its end.
local function both_ways(p, n)
  if not p.ip or is_fragment(p) or p:verify() ~= true then
    return
  end
  local list = p:fragment((p.ip6 and 1280 or 68) + n) or {}
  local reassembler, again = packet.reassembler()
  for i = #list, 1, -1 do
    again = reassembler:add(list[i])
  end
  if #list > 0 then
    assert(again and again:verify() == true, "not as it was")
    look(again)
  end
end

return function(bytes)
  local reassembler = packet.reassembler { datagrams = 3, bytes = 100000, timeout = 5 }
  local at, now = 1, 0
  while at + 4 <= #bytes do
    local how, n, low, high = bytes:byte(at, at + 3)
    local text = bytes:sub(at + 4, at + 3 + low + 256 * high)
    at, now = at + 4 + #text, now + (how % 4 == 3 and n or 0)
    local p = hostile.placed(text, how % 8 < 4 and "ip" or "eth")
    if how >= 128 then
      both_ways(p, n)
    end
    for _ = 1, how % 64 > 31 and 2 or 1 do
      local whole = reassembler:add(p, now)
      local _ = whole and look(whole)
    end
  end
  reassembler:expire(now + 3)
end
