-- finish.lua: what computes the fields of a header that depend on the rest of the packet:
-- lengths, what follows, checksums. Compiled from the declaration.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local field = require "tun.packet.declare.field"
local layer = require "tun.packet.declare.layer"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local finish = {}

local LEVELS = layer.LEVELS
local net, info = layer.at[LEVELS.net], layer.at[LEVELS.info]

--- Whether what does not fit is cut rather than raised: for verify(), to which any bytes
-- are data.
finish.lenient = false

-- -- Numbers of what follows ----------------------------------------------

-- Of the numbers by which a protocol follows in a space the present one, or the first.
local function number_of(where, following, present, second)
  if where.protocols[present] == following
    or not where.protocols[present] and where.protocols[second] == following then
    return present
  end
  return following.follows[where.name][1]
end

--- Whether a protocol can stand behind another.
function finish.leads(upper, lower)
  local row = upper.row
  for _, each in ipairs { row.next or false, type(row.inner) == "table" and row.inner or false } do
    if each and lower.follows[each[1]] then
      return true
    end
  end
  return type(row.inner) == "string"
    or upper.level ~= nil and upper.level <= layer.LEVELS.info
end

--- Whether what stands behind another is a packet inside of it.
function finish.holds(upper, lower)
  local row = upper.row
  return row.inner and not (row.next and lower.follows[row.next[1]]) and true or false
end

-- -- One computed field each ------------------------------------------------

-- A length of 0 that stood for one that does not fit stays.
local FIT = [[
  do
    local value = $value
    if value > $max then value = too_much(field$i, value, not kept and $present == 0) end
    $write
  end]]

local function fit(each, value, given)
  given.count = (given.count or 0) + 1
  given["field" .. given.count] = each
  return source.fill(FIT, { value = value, i = given.count, write = field.write(each),
                            present = each.load,
                            max = ("%.0f"):format(2 ^ each.width - 1) })
end

local function solved(protocol, expression, bytes_of, each, given)
  local name, factor, rest = source.solve(protocol, expression)
  assert(name == each.name, protocol.name .. ": " .. each.name)
  return fit(each, ("(%s - %d) / %d"):format(bytes_of, rest, factor), given)
end

-- The whole sum again. A zero that means "none" stays, save in a packet that is built;
-- a zero has two forms, and stays in the one that it had; what a device completes is the
-- sum of the pseudo header alone.
local CHECKSUM = [[
  $guard
    local n = $stop - o
    local initial = 0
    $pseudo
    local value = 0
    if $device and partial(packet, o) then
      value = bytes_sum(p, o, 0, initial)
    else
      local present = $present
      $write
      value = 65535 - bytes_sum(p, o, n, initial)
      if value == 0 and $nonzero then value = 65535 end
    end
    $write
  end]]

local PSEUDO = [[
  local below, at = net(packet)
  if below and below.pseudo then
    initial = below.pseudo(packet, p, at) + n + $number
  end]]

-- Whether there is a layer that may leave a transport's checksum to the device.
local DEVICE = ("(%s ~= 0 or %s ~= 0)"):format(
  layer.part(source.fill "packet[$LAYERS]", LEVELS.info),
  layer.part(source.fill "packet[$LAYERS]", LEVELS.meta))

-- CRC32c, over zeros in its own place.
local CRC = [[
  do
    local value = 0
    $write
    value = bytes_crc32c(p, o, $stop - o)
    $write
  end]]

local function checksum(protocol, each)
  local row = protocol.row.checksum or { over = "header" }
  if row.kind == "crc32c" then
    return source.fill(CRC, { write = field.write(each),
                              stop = row.over == "header" and "behind" or "limit" })
  end
  local number = protocol.follows.ip
  number = type(number) == "table" and number[1] or number or 0
  local addresses = source.fill(PSEUDO, { number = number })
  return source.fill(CHECKSUM, {
    guard = row.optional and ("if kept or %s ~= 0 then"):format(each.load) or "do",
    stop = row.over == "header" and "behind" or "limit",
    device = row.over == "header" and "false" or DEVICE,
    pseudo = row.pseudo and addresses or "",
    write = field.write(each),
    present = each.load,
    nonzero = row.optional and "true" or "present == 65535",
  })
end

local computed = {}

function computed.size(protocol, each, given)
  return solved(protocol, protocol.row.size, "behind - o", each, given)
end

function computed.extent(protocol, each, given)
  return solved(protocol, protocol.row.extent, "limit - o", each, given)
end

function computed.payload(_, each, given)
  return fit(each, "limit - behind", given)
end

local FOLLOWS = [[
  if following then
    local number = following.follows.$space
    if number then
      if type(number) ~= "number" then number = number_of(space$i, following, $present, $second) end
      $fit
    end
  end]]

function computed.next(protocol, each, given)
  local lines, inner = {}, protocol.row.inner
  for i, row in entries { protocol.row.next or false, type(inner) == "table" and inner } do
    if row then
      given["space" .. i] = layer.space(row[1])
      lines[#lines + 1] = source.fill(FOLLOWS, { space = row[1], i = i, present = each.load,
        second = row.least and ("%s < %d and 1"):format(each.load, row.least) or "false",
        fit = fit(each, "number", given) })
    end
  end
  return table.concat(lines, "\n")
end

computed.checksum = checksum

-- -- The functions of a protocol -------------------------------------------

local FINISH = [[
return function(packet, p, o, behind, limit, following, kept)
%s
end]]

-- When the length of an application is computed: there may be more behind it in what holds it,
-- and of a stream's message the rest may be elsewhere.
local function within(protocol)
  if protocol.stream then
    return " and kept"
  elseif protocol.level == LEVELS.application then
    return source.fill(" and (kept or packet[$STALE] or $extent > limit - o)",
      { extent = source.expression(protocol, protocol.row.extent) })
  end
  return ""
end

--- finish(packet, p, o, behind, limit, following, kept) of a protocol, which computes all
-- fields but those in kept. Checksums last: they cover the rest.
function finish.everything(protocol)
  local parts = {}
  local given = { net = net, number_of = number_of, type = type, bytes_sum = bytes.sum,
                  bytes_crc32c = bytes.crc32c,
                  partial = finish.partial }
  function given.too_much(each, value, open)
    if open then
      return 0
    elseif finish.lenient then
      return value % 2 ^ each.width
    end
    core.misuse(("%s.%s: %.0f does not fit in %d bits"):format(protocol.name, each.name, value,
      each.width))
  end
  for _, last in ipairs { false, true } do
    for _, each in ipairs(protocol.fields) do
      if each.computed and (each.computed == "checksum") == last then
        local text = computed[each.computed](protocol, each, given)
        local guard = each.when and ("(%s) ~= 0"):format(each.when) or "true"
        if each.place then
          guard = ("%s and %s"):format(guard, source.within(each, source.fill "packet[$STOP]"))
        end
        if each.computed == "extent" then
          guard = guard .. within(protocol)
        end
        parts[#parts + 1] = ("if %s and not (kept and kept.%s) then %s end")
          :format(guard, each.name, text)
      end
    end
  end
  return bytes.compile(protocol.name .. "/fix", (FINISH:gsub("%%s", function()
    return table.concat(parts, "\n")
  end)), given)
end

-- The checksum after small changes (RFC 1624). False where only the whole sum tells: a
-- sum of zero has two forms.
local ADJUST = [[
return function(packet, p, o)
  local change = $change
  local value = $value
  if change == 0 $optional then
    return true
  end
  local sum = (65535 - value + change) % 65535
  if sum == 0 then
    return false
  end
  value = 65535 - sum
  $write
  return true
end]]

-- The field that is adjusted after small changes.
local function adjusted(protocol)
  for _, each in ipairs(protocol.fields) do
    if each.computed == "checksum" and protocol.sum and not each.place then
      return each
    end
  end
end

--- adjust(packet, p, o) of a protocol: the checksum only.
function finish.adjust(protocol)
  local each, row = adjusted(protocol), protocol.row.checksum or {}
  if not each or row.kind == "crc32c" then
    return nil
  end
  local sum = ("packet[%d]"):format(slot[protocol.sum])
  return bytes.compile(protocol.name .. "/adjust", source.fill(ADJUST, {
    change = row.pseudo and sum .. source.fill " + packet[$PSEUDO]" or sum,
    value = each.load, write = field.write(each),
    optional = row.optional and "or value == 0" or "",
  }), {})
end

-- What adjust() is for a checksum that the sending device completes: the sum of the pseudo
-- header.
local SHIFT = [[
return function(packet, p, o)
  local value = ($value + packet[$PSEUDO]) % 65535
  $write
  return true
end]]

--- shift(packet, p, o) of a protocol: the checksum that is partial.
function finish.shift(protocol)
  local each = adjusted(protocol)
  return each and bytes.compile(protocol.name .. "/shift", source.fill(SHIFT,
    { value = each.load, write = field.write(each) }), {})
end

--- pseudo(packet, p, o) of a protocol: the sum of the addresses, those of the ends where a
-- header says that they are others. They are the last two fields of a network header, source
-- and destination.
function finish.pseudo(protocol)
  local terms, last = {}, nil
  for _, each in ipairs(protocol.fields) do
    if each.pseudo then
      last = each
      local sum = ("bytes_sum(p, %s, %d, 0)"):format(source.at(each), each.width / 8)
      terms[#terms + 1] = each.wide and sum or each.load
    end
  end
  if not terms[1] then
    return nil
  end
  return bytes.compile(protocol.name .. "/pseudo", source.fill([[
return function(packet, p, o)
  local sum = $sum
  if packet[$MORE] or $own then
    return sum + detour(packet, p, o)
  end
  return sum
end]], { sum = table.concat(terms, " + "), own = protocol.final and "true" or "false" }), {
    bytes_sum = bytes.sum,
    detour = function(packet, p, o)
      return finish.detour(packet, p, protocol, o, last)
    end,
  })
end

-- What a header's final or origin changes in a sum that has the address at an offset.
local function instead(packet, p, where, o, address, size)
  local limit = packet[slot.LIMIT]
  local at = where and where(p, o, limit) or 0
  local there = at > 0 and o + at + size <= limit
  return there and bytes.sum(p, o + at, size, 0) - bytes.sum(p, address, size, 0) or 0
end

--- What source routes and mobility change in the sum of the addresses of a network header.
-- @param dst  its field of the destination, which the source is in front of
function finish.detour(packet, p, protocol, o, dst)
  local size = dst.width / 8
  local change = instead(packet, p, protocol.final, o, o + dst.at, size)
  for _, each in ipairs(packet[slot.MORE] or {}) do
    change = change + instead(packet, p, each[1].final, each[2], o + dst.at, size)
      + instead(packet, p, each[1].origin, each[2], o + dst.at - size, size)
  end
  return change
end

--- Whether a network header says itself that its destination is not the final one.
function finish.routed(packet)
  local below, o = net(packet)
  return below and below.final
    and below.final(packet[slot.POINTER], o, packet[slot.LIMIT]) > 0 or false
end

--- Whether the device that sends the packet completes the checksum of the header at an
-- offset, as the header in front says which has `partial`.
function finish.partial(packet, o)
  while packet[slot.OUTER] do
    packet = packet[slot.OUTER]
  end
  local front, at = info(packet)
  local p = packet[slot.POINTER]
  if not front or not front.partial(p, at) then
    return false
  end
  local first = packet[slot.SLOT] and packet[slot.START] or at + front.size
  return o == first + front.get.csum_start(p, at)
end

return finish
