-- field.lua: the fields of a protocol: where they lie, and straight-line functions that
-- get and set one. Source is generated so that a JIT compiler sees constant offsets.
local bytes = require "tun.packet.memory.bytes"
local codec = require "tun.packet.value.codec"
local core = require "tun.core"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local field = {}

local type = type

-- -- Layout ---------------------------------------------------------------

local function place(protocol, each, row, bits)
  if row.at then
    each.place, each.skip = source.expression(protocol, row.at), 0
  elseif row.over then
    local below = assert(protocol.fields[row.over], row.over)
    each.at, each.skip, each.over = below.at, below.skip, row.over
  else
    each.at, each.skip = math.floor(bits / 8), bits % 8
    bits = bits + each.width
  end
  return bits
end

local function load_of(each)
  local text = bytes.read(source.at(each), each.skip, each.width)
  return each.swapped and ("swap(%s)"):format(text) or text
end

--- Give every row its place; the widths must fill whole bytes.
function field.layout(protocol, rows)
  local bits = 0
  for _, row in ipairs(rows) do
    local each = { name = row[1], width = row[2], default = row.default, enum = row.enum,
                   computed = row.computed, format = row.format, pseudo = row.pseudo,
                   codec = type(row.codec) == "table" and row.codec or codec[row.codec] }
    assert(row.codec == nil or each.codec, row.codec)
    each.swapped = row.order == "native" and bytes.little and each.width > 8
    bits = place(protocol, each, row, bits)
    each.wide = each.codec and not each.codec.text and each.codec.load ~= nil
    each.load = not each.wide and load_of(each)
    each.when = row.when and source.expression(protocol, row.when)
    each.switch = row.when
    protocol.fields[#protocol.fields + 1] = each
    protocol.fields[each.name] = each
  end
  assert(bits % 8 == 0, protocol.name .. ": the fields do not fill whole bytes")
  protocol.size = math.floor(bits / 8)
end

-- Generated functions that are called often end without a tail call: a trace may have only
-- a few of those.

-- -- Getters --------------------------------------------------------------

-- 16 or 32 bits in the other order of bytes.
local function swapper(width)
  if width == 16 then
    return function(n)
      return math.floor(n / 256) + n % 256 * 256
    end
  end
  return function(n)
    local value = 0
    for _ = 1, width / 8 do
      value, n = value * 256 + n % 256, math.floor(n / 256)
    end
    return value
  end
end

local function given_to(each)
  return { swap = each.swapped and swapper(each.width), text = each.codec and each.codec.text,
           load = each.codec and each.codec.load, type = type }
end

local function getter(protocol, each, value)
  if value == each.load and bytes.getter and each.at and not each.swapped and not each.when then
    return bytes.getter(each.at, each.skip, each.width)
  end
  local guard = each.when and ("if (%s) == 0 then return nil end"):format(each.when) or ""
  return bytes.compile(protocol.name .. "." .. each.name, source.fill([[
return function(p, o)
  $guard
  local value = $value
  return value
end]], { guard = guard, value = value }), given_to(each))
end

local function value_of(each)
  if each.wide then
    return ("load(p, %s)"):format(source.at(each))
  elseif each.width == 1 then
    return each.load .. " ~= 0"
  elseif each.codec and each.codec.text then
    return "text(" .. each.load .. ")"
  end
  return each.load
end

-- -- Setters --------------------------------------------------------------

-- A number or a name of the field's enum, in range; refuse() explains and raises.
local CHECKED = [[
  local value = given
  if type(given) ~= "number" then value = given ~= nil and convert(given) end
  if not value or value < 0 or value > $max or value % 1 ~= 0 then refuse(given) end]]

local WIDE = [[
  local value = given ~= nil and store(given)
  if not value then refuse(given) end]]

local function refusal(protocol, each)
  local name = protocol.name .. "." .. each.name
  local what = each.codec and each.codec.what
    or each.width == 1 and "true or false"
    or ("a number from 0 to %.0f"):format(2 ^ each.width - 1)
  return function(value)
    local words = {}
    for key in pairs(each.enum or {}) do
      words[#words + 1] = type(key) == "string" and key or nil
    end
    table.sort(words)
    core.misuse(("%s: %s is not %s%s"):format(name, tostring(value), what,
      words[1] and ", or one of: " .. table.concat(words, ", ") or ""))
  end
end

-- What a given value is converted by when it is not the number itself.
local function conversion(each)
  if each.width == 1 then
    return function(value)
      return value == true and 1 or value == false and 0 or nil
    end
  elseif each.codec and each.codec.number then
    return each.codec.number
  end
  local enum = each.enum
  return function(value)
    return enum and type(value) == "string" and enum[value]
  end
end

--- Source that turns `given` into `value` or raises, and source that stores it. The
-- functions that they need come third: source with an index i takes the i-th of lists.
function field.store(protocol, each, i)
  local check = each.wide and WIDE
    or source.fill(CHECKED, { max = ("%.0f"):format(2 ^ each.width - 1) })
  local given = given_to(each)
  given.refuse, given.convert = refusal(protocol, each), conversion(each)
  given.store, given.fill = each.codec and each.codec.store, bytes.fill
  if i then
    check = check:gsub("(%f[%w]%a+)%(given", "%1[" .. i .. "](given"):gsub("type%[%d+%]", "type")
  end
  return check, field.write(each, i), given
end

--- Source that stores `value`, a number or the bytes of a wide field.
function field.write(each, i)
  if each.wide then
    return ("fill(p, %s, value)"):format(source.at(each))
  end
  return (each.swapped and ("value = swap%s(value); "):format(i and "[" .. i .. "]" or "") or "")
    .. bytes.write(source.at(each), each.skip, each.width, "value")
end

-- Changes of what checksums cover are kept as a sum modulo 65535 (RFC 1624): 2^16 is 1
-- there, so a field counts as its value times the bits below it in its 16-bit word.
local CHANGE = [[
  local change = (value - $value) * $scale
  packet[$EDITS] = true
  packet[$sum] = packet[$sum] + change
  $pseudo]]

local WIDE_CHANGE = [[
  local change = sum(value) - bytes_sum(p, $at, $size, 0)
  packet[$EDITS] = true
  packet[$sum] = packet[$sum] + change
  $pseudo]]

-- The sums that a field counts in: its own header's and the pseudo header's. A field of
-- a header that no checksum covers is only noted; any other makes the packet stale.
local function change(protocol, each)
  local bits = each.at and 8 * each.at + each.skip + each.width
  local plain = not (each.computed or each.place or each.swapped
    or each.wide and (each.at % 2 ~= 0 or each.width % 16 ~= 0))
  if plain and (protocol.sum or each.pseudo) then
    local own = slot[protocol.sum or "PSEUDO"]
    local pseudo = protocol.sum and each.pseudo
      and source.fill("packet[$PSEUDO] = packet[$PSEUDO] + change") or ""
    return source.fill(each.wide and WIDE_CHANGE or CHANGE, {
      value = each.load, sum = own, pseudo = pseudo, at = source.at(each), size = each.width / 8,
      scale = 2 ^ (-bits % 16) })
  elseif not each.computed and not protocol.row.partial
    and protocol.level and protocol.level <= field.UNCOVERED then
    return source.fill "packet[$EDITS] = true"
  end
  return source.fill "packet[$STALE] = true packet[$EDITS] = true"
end

--- The highest level that checksums do not cover.
field.UNCOVERED = 5

-- The sum of the words of a string.
local function sum_of(text)
  local sum = 0
  for i = 1, #text - 1, 2 do
    local high, low = text:byte(i, i + 1)
    sum = sum + high * 256 + low
  end
  return sum
end

local function setter(protocol, each)
  local check, write, given = field.store(protocol, each)
  given.sum, given.bytes_sum = sum_of, bytes.sum
  local guard = each.when and ("if (%s) == 0 then absent() end"):format(each.when) or ""
  given.absent = function()
    core.misuse(("%s.%s: the header has no room for it"):format(protocol.name, each.name))
  end
  return bytes.compile(protocol.name .. "." .. each.name, source.fill([[
return function(packet, p, o, given)
  $guard
  $check
  $change
  $write
end]], { guard = guard, check = check, change = change(protocol, each), write = write }), given)
end

--- Make the getters and setters of a protocol. Texts of numbers also have <name>_n.
function field.accessors(protocol)
  for _, each in ipairs(protocol.fields) do
    protocol.get[each.name] = getter(protocol, each, value_of(each))
    protocol.set[each.name] = setter(protocol, each)
    if each.codec and each.codec.text then
      protocol.get[each.name .. "_n"] = getter(protocol, each, each.load)
      protocol.set[each.name .. "_n"] = protocol.set[each.name]
    end
  end
end

return field
