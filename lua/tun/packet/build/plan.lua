-- plan.lua: what makes a stack the packet that it describes, compiled for stacks that are
-- common: headers whose sizes and order are known, and bytes behind them. The compiled
-- function is short enough to be one trace with what a script does before and after.
local bytes = require "tun.packet.memory.bytes"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local piece = require "tun.packet.build.piece"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"
local stack = require "tun.packet.build.stack"

local plan = {}

-- The headers of a piece from the first to the last, as pieces.
local function headers(this)
  local list = {}
  while this do
    if not this[piece.BYTES] then
      table.insert(list, 1, this)
    end
    this = this[piece.FRONT]
  end
  return list
end

-- Whether a header may change what stands for the addresses of another's checksum.
local function routes(each)
  local protocol = each[piece.PROTOCOL]
  return protocol.final and each[piece.SIZE] > protocol.size
end

--- Whether a stack can be planned: one that others share, longer than one, in one packet, of
-- protocols that have a slot each, and without a source route.
function plan.fits(this)
  if not this[piece.BEHIND] or not this[piece.FRONT] or this[piece.DEPTH] > 0 then
    return false
  end
  local taken = {}
  for _, each in ipairs(headers(this)) do
    local level = each[piece.PROTOCOL].level
    if not level or taken[level] or routes(each) then
      return false
    end
    taken[level] = true
  end
  return true
end

--- Whether the ports of a header say what stands behind it.
function plan.has_port(upper, lower)
  return lower and upper.row.ports and lower.follows[upper.name] ~= nil
end

--- Ports that were not given say what follows.
function plan.set_port(self, protocol, at, lower)
  local port = lower.follows[protocol.name]
  local get, set, p = protocol.get, protocol.set, self[slot.POINTER]
  local sport = layer.space(protocol.name).protocols[get.sport(p, at)]
  if get.dport(p, at) == 0 and sport ~= lower then
    set.dport(self, p, at, type(port) == "table" and port[1] or port)
  end
end

local PLAN = [[
return function(self)
  local from, start, text = self[$FROM], self[$AT], self[$TEXT]
  local arena, p, o = take($need + #text)
  local first = o + $BUILT
  local payload = first + $total
  local stop = payload + #text
  copy(p, first, from, start, $total)
  fill(p, payload, text)
  setmetatable(self, meta)
  self[$POINTER], self[$ARENA], self[$START], self[$STOP] = p, arena, first, stop
  self[$LIMIT], self[$PAYLOAD], self[$KIND], self[$LAYERS] = stop, payload, protocol1, $layers
  self[$FLOOR], self[$CEILING] = o, stop
  $enter
  $finish
end]]

--- Compile a function that makes a stack of a piece a packet.
function plan.compile(this)
  local given = { take = room.take, copy = bytes.copy, fill = bytes.fill, meta = packet.meta,
                  setmetatable = setmetatable, kept = {} }
  local enter, finish, layers, list = {}, {}, 0, headers(this)
  given.set_port = plan.set_port
  for i, each in ipairs(list) do
    local protocol, total = each[piece.PROTOCOL], each[piece.TOTAL]
    given["protocol" .. i], given["finish" .. i] = protocol, protocol.finish
    layers = layers + protocol.mark
    local at = "first + " .. total - each[piece.SIZE]
    enter[i] = ("self[%d] = %s"):format(slot.FIRST + protocol.level, at)
    table.insert(finish, 1, ("finish%d(self, p, %s, first + %d, stop, protocol%d, kept)")
      :format(i, at, total, i + 1))
    if list[i + 1] and plan.has_port(protocol, list[i + 1][piece.PROTOCOL]) then
      table.insert(finish, 1, ("set_port(self, protocol%d, %s, protocol%d)"):format(i, at, i + 1))
    end
  end
  given["protocol" .. #enter + 1] = false
  return bytes.compile("packet/plan", source.fill(PLAN, {
    FROM = stack.POINTER, AT = stack.AT, TEXT = stack.TEXT, BUILT = room.BUILT,
    total = this[piece.TOTAL], need = room.BUILT + this[piece.TOTAL],
    layers = layers, enter = table.concat(enter, "\n"), finish = table.concat(finish, "\n"),
  }), given)
end

return plan
