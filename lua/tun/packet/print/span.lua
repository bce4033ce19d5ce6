-- span.lua: which bytes of a packet each of its layers has, for those who print it.
local packet = require "tun.packet.object"
local slot = require "tun.packet.memory.slot"

local span = {}

local START, PAYLOAD = slot.START, slot.PAYLOAD

--- How many packets inside of one another are printed.
span.DEPTH = 8

-- { protocol, first, last + 1 } of each layer's header in wire order.
local function spans(self)
  local list, sorted = {}, packet.sorted(self)
  for i, each in ipairs(sorted) do
    local stop = sorted[i + 1] and sorted[i + 1][2] or math.max(self[PAYLOAD], each[2])
    local apart = each[2] < self[START] -- of a slot's packet: beside its bytes
    list[i] = { each[1], each[2], apart and each[2] + each[1].size or stop }
  end
  return list
end

-- The layers of a packet and of those inside of it; behind which offset the payload is.
local function all(self, unquoted, depth)
  local list = spans(self)
  local last = list[#list] and list[#list][3] or self[START]
  local inner = not (unquoted and self[slot.QUOTED]) and depth < span.DEPTH and self.inner
  for _, each in ipairs(list) do
    each[4] = self
  end
  if inner and inner[START] >= last then
    local more, behind = all(inner, unquoted, depth + 1)
    for _, each in ipairs(more) do
      list[#list + 1] = each
    end
    return list, behind
  end
  return list, last
end

--- The layers of a packet and of those inside of it.
-- @param unquoted  whether a packet that an error quotes counts as payload
-- @return list of { protocol, first offset, offset behind the header, packet }
-- @return the offset behind the last header
function span.all(self, unquoted)
  return all(self, unquoted, 1)
end

return span
