-- field.lua: the fields of a protocol: where they lie, and straight-line functions that
-- get and set one. Source is generated so that a JIT compiler sees constant offsets; the
-- functions of a protocol are one chunk, compiled when the first of them is wanted.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local codec = require "tun.packet.value.codec"
local core = require "tun.core"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"
local word = require "tun.packet.value.word"

local field = {}

local type = type

--- How many bits every Lua number holds; what has more is text.
field.EXACT = 53

-- -- Layout ---------------------------------------------------------------

local function place(protocol, each, row, bits)
  if row.at then
    each.place, each.skip = source.expression(protocol, row.at), 0
  elseif row.over then
    local below = protocol.fields[row.over]
    local first = 8 * below.at + below.skip + (row.shift or 0)
    each.at, each.skip, each.over = math.floor(first / 8), first % 8, row.over
  else
    each.at, each.skip = math.floor(bits / 8), bits % 8
    bits = bits + each.width
  end
  return bits
end

-- A field that is bytes: text that a codec reads, and writes.
local function wide(each, row)
  local of = each.codec or codec.hex(each.width, each.little)
  local size = each.width / 8
  each.wide = true
  each.what, each.bytes_n = of.what, of.number_of
  each.read_at = of.load or function(p, at)
    return of.read(bytes.string(p, at, size))
  end
  each.store = of.store or function(value)
    local raw = of.write(value)
    return type(raw) == "string" and #raw == size and raw
  end
  each.none = row.default == nil and of.none or row.default
end

-- A field that is a number, and may read as something else.
local function narrow(each)
  local of, enum = each.codec, each.enum
  local at = source.at(each)
  each.load = each.little and bytes.read_little(at, each.width)
    or bytes.read(at, each.skip, each.width)
  each.words = enum and word.reversed(enum)
  each.text = of and (of.text or of.read)
  each.what = of and of.what
  if of and of.write then -- a script's, which may take numbers
    each.convert, each.own = of.write, true
  else
    each.convert = of and of.number or enum and function(value)
      return type(value) == "string" and enum[value]
    end
  end
end

local function range(each)
  if each.signed then
    return -2 ^ (each.width - 1), 2 ^ (each.width - 1) - 1
  end
  return 0, 2 ^ each.width - 1
end

local function flag(value)
  return value == true and 1 or value == false and 0 or nil
end

-- Whether a field that is a number takes a value.
local function takes(each, value)
  local convert = each.convert or each.width == 1 and flag
  if type(value) ~= "number" or each.own then
    value = convert and convert(value)
  end
  local least, most = range(each)
  return type(value) == "number" and value % 1 == 0 and value >= least and value <= most
end

local function default_is(protocol, each)
  local value = each.default
  if value == nil then
    return
  end
  local ok, taken = pcall(each.wide and each.store or takes, each.wide and value or each, value)
  if not (ok and taken) then
    core.misuse(('header "%s": %s: %s is no default for it'):format(protocol.name, each.name,
      tostring(value)))
  end
end

--- Give every row its place; the widths must fill whole bytes.
function field.layout(protocol, rows)
  local bits = 0
  for i, row in ipairs(rows) do
    if type(row[2]) == "number" then
      local each = { name = row[1], width = row[2], default = row.default, enum = row.enum,
                     computed = row.computed, format = row.format, pseudo = row.pseudo, row = row,
                     codec = type(row.codec) == "table" and row.codec or codec[row.codec],
                     signed = row.signed, i = i }
      if type(each.codec) == "function" then
        each.codec = each.codec(each.width)
      end
      each.little = each.width > 8
        and (row.order == "little" or row.order == "native" and bytes.little)
      bits = place(protocol, each, row, bits)
      if each.width > field.EXACT or each.codec and (each.codec.load or each.codec.bytes) then
        if each.width <= 64 and not each.codec and (each.skip > 0 or each.width % 8 > 0) then
          core.misuse(('header "%s": %s: a number of over %d bits must fill whole bytes')
            :format(protocol.name, each.name, field.EXACT))
        end
        wide(each, row)
      else
        narrow(each)
      end
      default_is(protocol, each)
      each.when = row.when and source.expression(protocol, row.when)
      each.switch = row.when
      protocol.fields[#protocol.fields + 1] = each
      protocol.fields[each.name] = each
    end
  end
  if bits % 8 ~= 0 then
    core.misuse(('header "%s": fields of %d bits do not fill whole bytes'):format(protocol.name,
      bits))
  end
  protocol.size = math.floor(bits / 8)
end

-- -- Functions of a chunk ---------------------------------------------------

-- Compile one function for each of a list of { name, source, given }: a table of them.
local function chunk(name, list)
  local lines, given = { "local made, list, given = {}, list" }, {}
  for i, each in ipairs(list) do
    local names = {}
    for key in entries(each[3]) do
      names[#names + 1] = key
    end
    table.sort(names)
    local values = #names > 0 and ("local %s = given.%s\n"):format(table.concat(names, ", "),
      table.concat(names, ", given.")) or ""
    lines[#lines + 1] = ("do -- %s\ngiven = list[%d]\n%smade[%q] = %s\nend"):format(each[1], i,
      values, each[1], each[2])
    given[i] = each[3]
  end
  lines[#lines + 1] = "return made"
  return bytes.compile(name, table.concat(lines, "\n"), { list = given })
end

-- Generated functions that are called often end without a tail call: a trace may have only
-- a few of those.

-- -- Getters --------------------------------------------------------------

-- As source: what reads the field, and what it needs.
local function value_of(each)
  if each.wide then
    return ("read_at(p, %s)"):format(source.at(each)), { read_at = each.read_at }
  elseif each.width == 1 and not each.enum and not each.codec then
    return each.load .. " ~= 0", {}
  elseif each.text then
    return "text(" .. each.load .. ")", { text = each.text }
  elseif each.signed then
    return each.load .. (" value = value < %.0f and value or value - %.0f")
      :format(2 ^ (each.width - 1), 2 ^ each.width), {}
  elseif each.words then
    return each.load .. " value = words[value] or value", { words = each.words }
  end
  return each.load, {}
end

-- A field with a place of its own is read with its packet, which says where the bytes end.
local function getter(each, value)
  local guard = each.when and ("if (%s) == 0 then return nil end"):format(each.when) or ""
  if each.place then
    guard = guard .. (" if not (packet and %s) then return nil end")
      :format(source.within(each, source.fill "packet[$STOP]"))
  end
  return source.fill([[
function(p, o$packet)
  $guard
  local value = $value
  return value
end]], { guard = guard, value = value, packet = each.place and ", packet" or "" })
end

--- Whether a field has <name>_n, the number of what it reads as.
function field.has_number(each)
  return each.words ~= nil or each.text ~= nil or each.bytes_n ~= nil
end

local function is_plain(each, value)
  return value == each.load and bytes.getter and each.at and not each.little and not each.when
    and each.width <= 40
end

--- The getters of a protocol, by name.
function field.getters(protocol)
  local list, plain = {}, {}
  local function add(name, each, value, given)
    if is_plain(each, value) then
      plain[name] = bytes.getter(each.at, each.skip, each.width)
    else
      list[#list + 1] = { name, getter(each, value), given }
    end
  end
  for _, each in ipairs(protocol.fields) do
    add(each.name, each, value_of(each))
    if each.bytes_n then
      local value, given = value_of(each)
      given.number_of = each.bytes_n
      add(each.name .. "_n", each, ("number_of(%s)"):format(value), given)
    elseif field.has_number(each) then
      add(each.name .. "_n", each, each.load, {})
    end
  end
  local made = list[1] and chunk(protocol.name .. "/get", list) or {}
  for name, get in entries(plain) do
    made[name] = get
  end
  return made
end

-- What is made for each field, by the names that read it.
local function by_name(protocol, wanted, make)
  local made = {}
  for _, each in ipairs(protocol.fields) do
    if wanted(each) then
      made[each.name] = make(each.name, value_of(each))
      if field.has_number(each) then
        made[each.name .. "_n"] = make(each.name .. "_n", each.load, {})
      end
    end
  end
  return made
end

local function is_fixed(each)
  return not each.place
end

local function is_placed(each)
  return each.place
end

--- What views read: the getters, or what a getter of nothing but loads has, as source of a
-- statement that sets `value`. Not of fields with a place of their own.
function field.readers(protocol)
  return by_name(protocol, is_fixed, function(name, value, given)
    local is_source = bytes.compiled and value and not next(given)
    return is_source and "value = " .. value or protocol.get[name]
  end)
end

--- The getters of fields with a place of their own: get(p, o, packet), nil where the packet ends
-- in front of it.
function field.placed(protocol)
  return by_name(protocol, is_placed, function(name)
    return protocol.get[name]
  end)
end

-- -- Setters --------------------------------------------------------------

-- A number or what stands for one, in range; refuse() explains and raises.
local CHECKED = [[
  local value = given
  if type(given) ~= "number" then value = given ~= nil and convert(given) end
  if not value or value < $min or value > $max or value % 1 ~= 0 then refuse(given) end]]

local OWN = [[
  local value = given ~= nil and convert(given)
  if type(value) ~= "number" or value < $min or value > $max or value % 1 ~= 0 then
    refuse(given)
  end]]

local WIDE = [[
  local value = given ~= nil and store(given)
  if not value then refuse(given) end]]

local function nothing() end

local function refusal(protocol, each)
  local name = protocol.name .. "." .. each.name
  local what = each.what or each.width == 1 and "true or false"
    or ("a number from %.0f to %.0f"):format(range(each))
  return function(value)
    local words = word.list(each.enum)
    core.misuse(("%s: %s is not %s%s"):format(name, tostring(value), what,
      words[1] and ", or one of: " .. table.concat(words, ", ") or ""))
  end
end

--- Source that turns `given` into `value` or raises, source that stores it, and what they
-- need.
-- @param raw  whether it is of <name>_n
function field.store(protocol, each, raw)
  if each.wide then
    return WIDE, field.write(each), { store = each.store, refuse = refusal(protocol, each) }
  end
  local min, max = range(each)
  local check = source.fill(each.own and not raw and OWN or CHECKED,
    { min = ("%.0f"):format(min), max = ("%.0f"):format(max) })
  if each.signed then
    check = check .. ("\n  if value < 0 then value = value + %.0f end"):format(2 ^ each.width)
  end
  local convert = each.convert or each.width == 1 and flag or nothing
  return check, field.write(each), { convert = each.own and raw and nothing or convert,
                                     refuse = refusal(protocol, each) }
end

--- Source that stores `value`, a number or the bytes of a wide field.
function field.write(each)
  local at = source.at(each)
  if each.wide then
    return ("fill(p, %s, value)"):format(at)
  elseif each.little then
    return bytes.write_little(at, each.width, "value")
  end
  return bytes.write(at, each.skip, each.width, "value")
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

-- Whether a change of the field is one of a sum that numbers can tell exactly.
local function is_summed(each)
  if each.computed or each.place or each.little then
    return false
  elseif each.wide then
    return each.at % 2 == 0 and each.width % 16 == 0
  end
  return each.width <= 32 or each.width <= 48 and (8 * each.at + each.skip + each.width) % 16 == 0
end

-- The sums that a field counts in: its own header's and the pseudo header's. A field of
-- a header that no checksum covers is only noted; any other makes the packet stale.
local function change(protocol, each)
  local bits = each.at and 8 * each.at + each.skip + each.width
  if (protocol.sum or each.pseudo) and is_summed(each) then
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

-- What raises where a header has no room for a field, as source.
local function room(protocol, each, stop, given)
  given.absent = function()
    core.misuse(("%s.%s: the header has no room for it"):format(protocol.name, each.name))
  end
  local guard = each.when and ("if (%s) == 0 then absent() end"):format(each.when) or ""
  return each.place and ("%s if not (%s) then absent() end")
    :format(guard, source.within(each, stop)) or guard
end

local function setter(protocol, each, raw)
  local check, write, given = field.store(protocol, each, raw)
  given.sum, given.bytes_sum, given.type, given.fill = sum_of, bytes.sum, type, bytes.fill
  local guard = room(protocol, each, source.fill "packet[$STOP]", given)
  return source.fill([[
function(packet, p, o, given)
  $guard
  $check
  $change
  $write
end]], { guard = guard, check = check, change = change(protocol, each), write = write }), given
end

local PUT = [[
function(p, o, given, stop)
$guard
$check
  $write
  return $computed
end]]

-- put(p, o, given, stop) of a field; true when the field is one that is computed otherwise.
-- Those with a place of their own are put in front of `stop`.
local function putter(protocol, each, raw)
  local check, write, given = field.store(protocol, each, raw)
  given.type, given.fill = type, bytes.fill
  local guard = each.place and room(protocol, each, "stop", given) or ""
  return source.fill(PUT, { guard = guard, check = check, write = write,
                            computed = each.computed and "true" or "false" }), given
end

-- A function for each field, and each <name>_n, by name.
local function all(protocol, name, make)
  local list = {}
  for _, each in ipairs(protocol.fields) do
    list[#list + 1] = { each.name, make(protocol, each, false) }
    if field.has_number(each) then
      list[#list + 1] = { each.name .. "_n", make(protocol, each, true) }
    end
  end
  return list[1] and chunk(protocol.name .. name, list) or {}
end

--- The setters of a protocol's views, by name.
function field.setters(protocol)
  return all(protocol, "/set", setter)
end

local QUICK = [[
    if type(value) == "number" and value >= $min and value <= $max and value % 1 == 0 then
      $change
      $write
    else
      set(view, key, value)
    end]]

--- What views do to set a field: source of statements that set a number, and leave the rest to
-- set(view, key, value); true where that does all.
function field.writers(protocol)
  local writers = {}
  local function add(name, each, own)
    local min, max = range(each)
    writers[name] = each.load and not each.place and not each.signed and not own
      and source.fill(QUICK, { min = min, max = ("%.0f"):format(max), write = field.write(each),
                               change = change(protocol, each) }) or "set(view, key, value)"
  end
  for _, each in ipairs(protocol.fields) do
    add(each.name, each, each.own)
    if field.has_number(each) then
      add(each.name .. "_n", each)
    end
  end
  return writers
end

--- What writes fields into a new header, by name.
function field.putters(protocol)
  return all(protocol, "/put", putter)
end

return field
