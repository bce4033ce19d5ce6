-- fix.lua: compute lengths, numbers of what follows and checksums, or tell which are wrong.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local finish = require "tun.packet.declare.finish"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local fix = {}

local POINTER, MORE, INNER = slot.POINTER, slot.MORE, slot.INNER
local STALE, EDITS, LAYERS = slot.STALE, slot.EDITS, slot.LAYERS
local LEVELS = layer.LEVELS
local net, fragment = layer.at[LEVELS.net], layer.fragment
local NET_SUM, TRANSPORT_SUM, PSEUDO_SUM = slot.NET, slot.TRANSPORT, slot.PSEUDO

-- -- All of it ----------------------------------------------------------------

-- Where the network header's extent ends: behind a transport that says to be shorter
-- (RFC 9868), if it was so when the packet came.
local function surplus(self, p, protocol, limit)
  if protocol.extent and protocol.level == LEVELS.transport then
    local below, o = net(self)
    local stop = below and below.extent and o + below.extent(p, o) or 0
    return stop > limit and stop <= self[slot.STOP] and stop or limit
  end
  return limit
end

-- One layer, and what it is for the layer in front of it. A transport's header in a
-- fragment speaks of more than is here.
local function one(self, p, protocol, o, behind, limit, following, kept)
  if not kept and protocol.level == LEVELS.transport and fragment(self, self[LAYERS]) then
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

local SURPLUS = "limit = surplus(self, p, protocol, limit)"

-- The levels from the innermost to the outermost, without a loop.
local function walker()
  local given = { one = one, surplus = surplus, inner_first = inner_first,
                  marked = layer.marked, NONE = {} }
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
    $surplus
  end]], { part = layer.part("layers", level), offset = slot.FIRST + level,
           surplus = level == LEVELS.transport and SURPLUS or "" })
  end
  lines[#lines + 1] = "end"
  return bytes.compile("packet/fix", table.concat(lines, "\n"), given)
end

local walk = walker()

local NONE = {}

local function backwards(self, p, list, kept)
  local behind, limit, following = self[slot.PAYLOAD], self[slot.LIMIT], inner_first(self)
  for i = #list, 1, -1 do
    local protocol, o = list[i][1], list[i][2]
    one(self, p, protocol, o, behind, limit, following, kept and (kept[o] or NONE))
    behind, following, limit = o, protocol, surplus(self, p, protocol, limit)
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
  if finish.routed(self) then -- once more, now that its header has its size
    go(self, self[POINTER], kept)
  end
end

local function settled(self)
  self[STALE], self[EDITS] = false, false
  self[NET_SUM], self[TRANSPORT_SUM], self[PSEUDO_SUM] = 0, 0, 0
end

-- What is inside, or nothing where it is not for us to change: it is quoted, or not whole.
local function carried(self)
  return not self[slot.QUOTED] and not fragment(self, self[LAYERS]) and self.inner or nil
end

local function everything(self)
  local inner = carried(self)
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
  if self[$LOOSE] and self[$INNER] and edited(self[$INNER]) then
    return false
  elseif not self[$EDITS] then
    return true
  elseif self[$STALE] then
    return false
  elseif self[$PSEUDO] ~= 0 then
    local o = self[$at_net]
    if self[$MORE] or ($options) and routed(self) then return false end
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

-- Whether a packet inside was changed, or one in it.
local function edited(self)
  return self[EDITS] or self[INNER] and edited(self[INNER])
end

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

-- Whether the network header has options, which may say where the last address is.
local function with_options()
  local list = { "false" }
  for _, protocol in ipairs(header.list) do
    if protocol.level == LEVELS.net and protocol.final and protocol.mark then
      local size = protocol.row.size and source.expression(protocol, protocol.row.size)
      list[#list + 1] = ("%s == %d and %s > %d"):format(
        layer.part(source.fill "self[$LAYERS]", LEVELS.net), protocol.mark,
        size or protocol.size + 1, protocol.size)
    end
  end
  return table.concat(list, " or ")
end

local function compiled()
  local values = { options = with_options(), at_net = slot.FIRST + LEVELS.net }
  local given = { partial = finish.partial, edited = edited, routed = finish.routed }
  for _, name in ipairs { "net", "transport" } do
    values[name] = adjusting(LEVELS[name], given)
  end
  return bytes.compile("packet/fix_little", source.fill(LITTLE, values), given)
end

local little = false

header.watch(function()
  little = false
end)

--- Let lengths, numbers of what follows and checksums follow what was changed.
-- What was not changed stays: a checksum that was right is right afterwards, and one that
-- was wrong stays wrong, as in any router, which must not repair what others broke. Where a
-- change cannot be followed so (the payload, headers, a length, what is inside) all is
-- computed. Nothing is touched in a packet that was not changed, inside of a fragment, or
-- in what an ICMP error quotes.
-- @param what  optional: "all" computes everything, whether something was changed or not
-- @return packet
-- Source: RFC 1624; RFC 1812, 4.2.2.5
function fix.fix(self, what)
  if what ~= nil and what ~= "all" then
    core.misuse(('fix: %s is not "all" or nil'):format(tostring(what)))
  end
  if not little then
    little = compiled()
  end
  if not what and little(self, self[POINTER]) then
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
      local is, should = get and get(p, o, self), get and get(q, others[i][2], fixed)
      -- A sum of zero has two forms.
      local same = is == should or field.computed == "checksum" and is == 0xffff and should == 0
      if not same then
        list[#list + 1] = { layer = protocol.name, field = field.name, is = is, should = should }
      end
    end
  end
  local inner = carried(self)
  if inner then
    compare(list, inner, fixed[INNER])
  end
  return list
end

local function word_of(field, value)
  return type(value) == "number" and (field.format or "%.0f"):format(value) or tostring(value)
end

-- "ip4.checksum is 0x0000 and should be 0x66cd", of each.
local function words_of(list)
  local words = {}
  for i, each in ipairs(list) do
    local field = header.protocols[each.layer].fields[each.field]
    words[i] = ("%s.%s is %s and should be %s"):format(each.layer, each.field,
      word_of(field, each.is), word_of(field, each.should))
  end
  return table.concat(words, "; ")
end

--- Tell which lengths, numbers of what follows and checksums are wrong.
-- What is inside of a fragment, or quoted by an ICMP error, is not looked at.
-- @return true | nil, message, list of { layer, field, is =, should = }
function fix.verify(self)
  local fixed = self:copy()
  finish.lenient = true
  everything(fixed)
  finish.lenient = false
  local list = compare({}, self, fixed)
  if list[1] then
    return nil, words_of(list), list
  end
  return true
end

return fix
