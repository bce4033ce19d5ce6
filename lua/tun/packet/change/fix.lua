-- fix.lua: compute lengths, numbers of what follows and checksums, or tell which are wrong.
local bytes = require "tun.packet.memory.bytes"
local finish = require "tun.packet.declare.finish"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local fix = {}

local POINTER, MORE, INNER = slot.POINTER, slot.MORE, slot.INNER
local STALE, EDITS = slot.STALE, slot.EDITS
local LEVELS = layer.LEVELS
local net = layer.at[LEVELS.net]
local NET_SUM, TRANSPORT_SUM, PSEUDO_SUM = slot.NET, slot.TRANSPORT, slot.PSEUDO

-- -- All of it ----------------------------------------------------------------

-- Whether the packet is all of what its checksums cover, and not a fragment of it.
local function whole(self, p)
  local below, o = net(self)
  if below and below.whole and not below.whole(p, o) then
    return false
  end
  if self[MORE] then
    for _, each in ipairs(self[MORE]) do
      if each[1].whole and not each[1].whole(p, each[2]) then
        return false
      end
    end
  end
  return true
end

-- One layer, and what it is for the layer in front of it. A transport's header in a
-- fragment speaks of more than is here.
local function one(self, p, protocol, o, behind, limit, following, kept)
  if not kept and protocol.level == LEVELS.transport and not whole(self, p) then
    if protocol.adjust then
      protocol.adjust(self, p, o)
      self[TRANSPORT_SUM], self[PSEUDO_SUM] = 0, 0 -- once, though listed() comes twice
    end
    return
  end
  protocol.finish(self, p, o, behind, limit, following, kept)
end

-- What is inside, or nothing: the protocol that the innermost header leads to.
local function inner_first(self)
  return self[INNER] and packet.first(self[INNER])
end

-- The levels from the innermost to the outermost, without a loop.
local function walker()
  local given = { one = one, inner_first = inner_first, marked = layer.marked, NONE = {} }
  local lines = { source.fill [[
return function(self, p, kept)
  local limit, behind, following = self[$LIMIT], self[$PAYLOAD], inner_first(self)
  local layers, protocol, o = self[$LAYERS] ]] }
  for level = #layer.at, 0, -1 do
    lines[#lines + 1] = source.fill([[
  if $part ~= 0 then
    protocol, o = marked[$part], self[$offset]
    one(self, p, protocol, o, behind, limit, following, kept and (kept[o] or NONE))
    behind, following = o, protocol
  end]], { part = layer.part("layers", level), offset = slot.FIRST + level })
  end
  lines[#lines + 1] = "end"
  return bytes.compile("packet/fix", table.concat(lines, "\n"), given)
end

local walk = walker()

local NONE = {}

local function backwards(self, p, list, kept)
  local behind, following = self[slot.PAYLOAD], inner_first(self)
  for i = #list, 1, -1 do
    local protocol, o = list[i][1], list[i][2]
    one(self, p, protocol, o, behind, self[slot.LIMIT], following, kept and (kept[o] or NONE))
    behind, following = o, protocol
  end
end

-- The same where there are headers without a level. Twice, since a checksum may depend on
-- how long the header in front of it is (a routing header's last address).
local function listed(self, p, kept)
  local list = packet.sorted(self)
  backwards(self, p, list, kept)
  backwards(self, p, list, kept)
end

--- Compute the fields of one packet, those inside of it aside.
-- @param kept  when it is built: map from offsets of headers to sets of fields to leave
function fix.compute(self, kept)
  local go = self[MORE] and listed or walk
  go(self, self[POINTER], kept)
end

local function settled(self)
  self[STALE], self[EDITS] = false, false
  self[NET_SUM], self[TRANSPORT_SUM], self[PSEUDO_SUM] = 0, 0, 0
end

local function everything(self)
  local inner = not self[slot.QUOTED] and self.inner
  if inner then
    everything(inner)
  end
  fix.compute(self, false)
  settled(self)
end

-- -- Little of it --------------------------------------------------------------

-- What the setters noted tells the checksums of both layers, save where all has to be done.
local LITTLE = [[
return function(self, p)
  if not self[$EDITS] or self[$STALE]
    or self[$LOOSE] and (self[$INNER] or self[$MORE] and self[$PSEUDO] ~= 0) then
    return false
  end
  $net
  $transport
  return true
end]]

local ADJUST = [[
if $part == $mark then
    local o = self[$offset]
    if $info ~= 0 and partial(self, o) then
      $shift(self, p, o)
    elseif not $adjust(self, p, o) then
      return false
    end
  else]]

-- The mark of a level is compared with all that there are: see source.choice().
local function adjusting(level, given)
  local lines, part = {}, layer.part(source.fill "self[$LAYERS]", level)
  for i = #header.list, 1, -1 do
    local protocol = header.list[i]
    if protocol.level == level and protocol.adjust then
      local name, shift = "adjust_" .. i, "shift_" .. i
      given[name], given[shift] = protocol.adjust, protocol.shift
      lines[#lines + 1] = source.fill(ADJUST, { part = part, mark = protocol.mark,
        offset = slot.FIRST + level, adjust = name, shift = shift,
        info = layer.part(source.fill "self[$LAYERS]", LEVELS.info) })
    end
  end
  return table.concat(lines) .. (lines[1] and " end" or "")
end

local function compiled()
  local values, given = {}, { partial = finish.partial }
  for _, name in ipairs { "net", "transport" } do
    values[name] = adjusting(LEVELS[name], given)
  end
  return bytes.compile("packet/fix_little", source.fill(LITTLE, values), given)
end

local little = false

header.watch(function()
  little = false
end)

--- Compute lengths, numbers of what follows and checksums after changes: only what
-- depends on the change where that is known, else everything.
-- @return packet
function fix.fix(self)
  little = little or compiled()
  if little(self, self[POINTER]) then
    settled(self)
  else
    everything(self)
  end
  return self
end

-- -- Telling -------------------------------------------------------------------

local function compare(list, self, fixed)
  local p, q = self[POINTER], fixed[POINTER]
  local others = packet.sorted(fixed)
  for i, each in ipairs(packet.sorted(self)) do
    local protocol, o = each[1], each[2]
    for _, field in ipairs(protocol.fields) do
      local get = field.computed and protocol.get[field.name]
      local is, should = get and get(p, o), get and get(q, others[i][2])
      if is ~= should then
        list[#list + 1] = { layer = protocol.name, field = field.name, is = is, should = should }
      end
    end
  end
  local inner = not self[slot.QUOTED] and self.inner
  if inner then
    compare(list, inner, fixed[INNER])
  end
  return list
end

--- Tell which lengths, numbers of what follows and checksums are wrong.
-- @return true, or a list of { layer, field, is =, should = }
function fix.verify(self)
  local fixed = self:copy()
  finish.lenient = true
  everything(fixed)
  finish.lenient = false
  local list = compare({}, self, fixed)
  return not list[1] or list
end

return fix
