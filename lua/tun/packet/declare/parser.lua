-- parser.lua: what finds the layers of a packet when it is read, compiled from declarations.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local dissect = require "tun.packet.declare.dissect"
local expression = require "tun.packet.declare.expression"
local layer = require "tun.packet.declare.layer"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"
local word = require "tun.packet.value.word"

local parser = {}

-- -- Faults ---------------------------------------------------------------

local fault = layer.fault

-- Where reading ends, also by a fault: what limits the packet, the payload, and which
-- layers there are.
local function ends(packet, o, stop, layers)
  packet[slot.LIMIT], packet[slot.PAYLOAD], packet[slot.LAYERS] = stop, o, layers
end

local function wrong(packet, protocol, o, stop, layers, words)
  ends(packet, o, stop, layers)
  fault(packet, protocol, o, words)
end

parser.wrong = wrong

local function short(packet, protocol, o, stop, layers, need, said)
  ends(packet, o, stop, layers)
  fault(packet, protocol, o, said and ("a header of %d bytes, in %d"):format(said, stop - o)
    or ("truncated: %d bytes needed, %d there"):format(need, stop - o),
    (not said or said >= protocol.size) and layer.partial(packet, layers) and "cut")
end

-- An application is found by a port, which says what is likely: bytes that are nothing of
-- the kind are payload.
local function unlike(packet, protocol, o, stop, layers, words)
  if o > packet[slot.START] then
    return ends(packet, o, stop, layers)
  elseif type(words) == "string" then
    return wrong(packet, protocol, o, stop, layers, words)
  end
  short(packet, protocol, o, stop, layers, words)
end

local function broken(packet, protocol, o, value)
  fault(packet, protocol, o, ("length of %d bytes is less than the header"):format(value))
end

-- A length of more than is there. Nothing outside of the outermost network header says how
-- long a packet is, so that one which is longer was cut by who captured it.
local function long(packet, protocol, o, stop, layers, value)
  local cut = layer.partial(packet, layers)
    or protocol.level == layer.LEVELS.net and stop == packet[slot.STOP] and not packet[slot.OUTER]
  fault(packet, protocol, o,
    ("length of %d bytes, but only %d are there"):format(value, stop - o), cut and "cut")
end

local MOST = layer.MOST

local function again(packet, protocol, o, stop, layers)
  local more = packet[slot.MORE] or { apart = true }
  packet[slot.MORE], packet[slot.LOOSE] = more, true
  if #more == MOST then
    wrong(packet, protocol, o, stop, layers, ("more than %d headers"):format(MOST))
    return true
  end
  more[#more + 1], more.apart = { protocol, o }, more.apart and not protocol.level
end

-- -- Parsers --------------------------------------------------------------

local PARSE = [[
return function(packet, p, o, stop, layers)
  if stop - o < $least then
    return $missing(packet, protocol, o, stop, layers, $least)
  end
  $loads
  $valid
  $size
  $enter
  $extent
  $inner
  $finish
end]]

local VALID = [[
  if not ($valid) then
    return $other(packet, protocol, o, stop, layers, "$words")
  end]]

local LEVEL = [[
  if $part ~= 0 then
    if again(packet, protocol, o, stop, layers) then return end
  else
    layers = layers + $mark
    packet[$offset] = o
  end]]

-- What an expression of a script gives for values that were not tried may be anything.
local UNSURE = [[
  if type($name) ~= "number" or $name % 1 ~= 0 then
    return wrong(packet, protocol, o, stop, layers, "a $name that is no whole number")
  end]]

local function unsure(protocol, name, text)
  local is_sure = protocol.own or text == nil or expression.is_sure(text, protocol.fields)
  return is_sure and "" or source.fill(UNSURE, { name = name })
end

local SIZE = [[
  local size = $size
  $unsure
  if not (size >= $least and size <= stop - o) then
    return short(packet, protocol, o, stop, layers, size < $least and $least or size, size)
  end]]

-- The size of what only the values behind the fields tell.
local MEASURE = [[
  local size, cut = measure(p, o, stop)
  if cut and $strict then
    fault(packet, protocol, o, "cut: not all is there that it says")
  end]]

local EXTENT = [[
  local extent = $extent
  $unsure
  $before
  if not (extent >= $header) then
    if not ($open) then
      ends(packet, o + $header, stop, layers)
      return broken(packet, protocol, o, extent)
    end
  elseif extent > stop - o then
    long(packet, protocol, o, stop, layers, extent)
  else
    stop = o + extent
  end]]

-- What an application's header covers says nothing of the headers in front, and of a stream's
-- message the rest may come later.
local EXTENT_WITHIN = [[
  local extent = $extent
  $unsure
  if not (extent >= $header) then
    ends(packet, o + $header, stop, layers)
    return broken(packet, protocol, o, extent)
  elseif extent > stop - o and $strict then
    broken(packet, protocol, o, extent, stop - o)
  end]]

-- Some headers end early when more is known of what follows.
local EARLY = [[
  if next.protocols[$value] then
    if $size > stop - o then return short(packet, protocol, o, stop, layers, $size) end
    $dispatch
    return
  end]]

-- Go on by a number: through comparisons, which a JIT compiler follows better than a table
-- of functions; elsewhere a table is quicker.
local DISPATCH = bytes.compiled and [[
  next.dispatch(packet, p, o + $header, stop, layers, $value)]] or [[
  local parse = next.parsers[$value]
  if parse then
    parse(packet, p, o + $header, stop, layers)
  else
    packet[$LIMIT] = stop packet[$PAYLOAD] = o + $header packet[$LAYERS] = layers
  end]]

-- What follows may be of a file that is not loaded yet.
local MEET = [[
  if waiting[number] then
    return meet(packet, p, o, stop, layers, number)
  end
]]

-- Which numbers lead to something.
local function known(where)
  if not where.known then
    where.known = bytes.ports()
    for _, numbers in ipairs { where.protocols, where.waiting } do
      for number in entries(numbers) do
        where.known[number % 65536] = 1
      end
    end
  end
  return where.known
end

-- What is not a field of 16 bits or less may be any number.
local function guard(fields, text, name)
  local field = fields[text]
  return field and field.width <= 16 and ""
    or (" if not (%s >= 0 and %s < 65536) then %s = 65536 end"):format(name, name, name)
end

-- What notes the packet inside, as source; most protocols have none.
local function inside(fields, row, filled, given)
  if not row.inner then
    return ""
  end
  local text = "packet[$INSIDE] = kinds[inner] packet[$LOOSE] = true"
  given.kinds, given.inner = layer.kinds, row.inner
  if type(row.inner) == "table" then
    given.inner = layer.space(row.inner[1])
    local number = filled(row.inner[2])
    text = ("inner.hold(packet, %s)"):format(number)
    if bytes.ports and guard(fields, row.inner[2]) == "" then
      given.held = known(given.inner)
      text = ("if held[%s] ~= 0 then %s end"):format(number, text)
    end
  end
  text = source.fill(text .. (row.quotes and " packet[$QUOTED] = true" or ""))
  return type(row.quotes) == "string"
    and ("if %s then %s end"):format(filled(row.quotes), text) or text
end

-- A number that is too small for one is a length, and 1 says what follows.
local LEAST = [[
  local number = $value
  if number < $least then number = 1 end
  $dispatch]]

-- A second number says what follows when the first one is not known, if anything follows.
local EITHER = bytes.ports and [[
  local number, second = $value, $second $guards
  if known[number] + known[second] == 0 or o + $header == stop then
    $ends
  else
    if known[number] == 0 then number = second end
    next.dispatch(packet, p, o + $header, stop, layers, number)
  end]] or [[
  local number = $value
  if not next.protocols[number] then number = $second end
  if not next.protocols[number] or o + $header == stop then
    $ends
  else
    next.parsers[number](packet, p, o + $header, stop, layers)
  end]]

local ENDS = "packet[$LIMIT] = stop packet[$PAYLOAD] = o + $header packet[$LAYERS] = layers"

local function following(fields, row, filled, header, given)
  local ends_here = source.fill(ENDS, { header = header })
  if not row.next then
    return ends_here
  end
  given.next = layer.space(row.next[1])
  local value = filled(row.next[2])
  if row.next.least then
    return source.fill(LEAST, { value = value, least = row.next.least,
                                dispatch = source.fill(DISPATCH, { header = header,
                                                                   value = "number" }) })
  end
  if row.next[3] then
    given.known = bytes.ports and known(given.next)
    return source.fill(EITHER, { value = value, second = filled(row.next[3]),
      guards = guard(fields, row.next[2], "number") .. guard(fields, row.next[3], "second"),
      header = header, ends = ends_here })
  end
  local early = row.next.size
    and source.fill(EARLY, { value = value, size = row.next.size,
      dispatch = source.fill(DISPATCH, { header = row.next.size, value = value }) }) or ""
  local stop = row.unless
    and ("if %s then %s return end"):format(filled(row.unless), ends_here) or ""
  return early .. stop .. source.fill(DISPATCH, { header = header, value = value })
end

--- What reads a header of the protocol at an offset, and all that follows it.
function parser.compile(protocol)
  local row = protocol.row
  local header = protocol.size_text and "size" or protocol.size
  local application = protocol.level == layer.LEVELS.application
  local lenient, strict = application or protocol.stream, protocol.stream and "false" or "true"
  local next = row.next or {}
  local loads, filled = source.together(protocol, {
    row.valid and row.valid[1] or "", protocol.size_text or "", row.extent or "", row.open or "",
    row.unless or "", next[2] or "", next[3] or "",
    type(row.inner) == "table" and row.inner[2] or "",
    type(row.quotes) == "string" and row.quotes or "" })
  -- A length of 0 is less than the header, where it counts it: one comparison tells both.
  local open, before = row.open and filled(row.open), ""
  if open and row.open ~= row.extent .. " == 0" then
    open, before = nil, ("if %s then extent = stop - o end"):format(open)
  end
  local function part(text, given, odd)
    given = given and filled(given)
    return given and source.fill(text, { size = given, extent = given,
      valid = given, words = row.valid and row.valid[2], least = protocol.size,
      other = lenient and "unlike" or "wrong", strict = strict,
      header = header, open = open or "false", before = before,
      unsure = odd }) or ""
  end
  local level = protocol.level
  local given = { short = short, unlike = unlike, broken = broken, long = long,
                  again = again, protocol = protocol, wrong = wrong, ends = ends,
                  measure = protocol.measure, fault = fault, type = type }
  return bytes.compile(protocol.name .. "/parse", source.fill(PARSE, {
    least = protocol.size, header = header, loads = loads,
    missing = lenient and "unlike" or "short",
    valid = part(VALID, row.valid and row.valid[1]),
    size = protocol.measure and source.fill(MEASURE, { strict = strict })
      or part(SIZE, protocol.size_text, unsure(protocol, "size", row.size or row.extent)),
    enter = level and source.fill(LEVEL, { part = layer.part("layers", level),
      mark = protocol.mark, offset = slot.FIRST + level })
      or "if again(packet, protocol, o, stop, layers) then return end",
    extent = part(lenient and EXTENT_WITHIN or EXTENT, row.extent,
      unsure(protocol, "extent", row.extent)),
    inner = inside(protocol.fields, row, filled, given),
    finish = following(protocol.fields, row, filled, header, given),
  }), given)
end

-- -- Spaces ---------------------------------------------------------------

-- A tree of comparisons.
local function tree(numbers, order, first, last, each, otherwise)
  if first == last then
    return ("if number == %d then %s else %s end"):format(numbers[first],
      source.fill(each, { i = order[numbers[first]] }), otherwise)
  end
  local middle = math.floor((first + last) / 2)
  return ("if number <= %d then\n%s\nelse\n%s\nend"):format(numbers[middle],
    tree(numbers, order, first, middle, each, otherwise),
    tree(numbers, order, middle + 1, last, each, otherwise))
end

-- How many comparisons are worth it before a tree.
local FIRST = 4

local USUAL = { [layer.LEVELS.tag] = true, [layer.LEVELS.net] = true,
                [layer.LEVELS.transport] = true }

-- What a number does: what most packets have is compared first, the rest is a tree.
local function branches(where, each, otherwise)
  local lines, rest, order = {}, {}, {}
  for i, number in ipairs(where.numbers) do
    local usual = #lines < FIRST and USUAL[where.protocols[number].level]
    order[number], rest[#rest + 1] = i, not usual and number or nil
    lines[#lines + 1] = usual and ("if number == %d then %s else"):format(number,
      source.fill(each, { i = i })) or nil
  end
  table.sort(rest)
  return ("%s %s %s"):format(table.concat(lines, "\n"),
    rest[1] and tree(rest, order, 1, #rest, each, otherwise) or otherwise,
    ("end "):rep(#lines))
end

-- The same for a JIT compiler: what is not usual is left to C.
local function usual_branches(where, each)
  local lines = {}
  for i, number in ipairs(where.numbers) do
    if #lines < FIRST and USUAL[where.protocols[number].level] then
      lines[#lines + 1] = ("if number == %d then %s else"):format(number,
        source.fill(each, { i = i }))
    end
  end
  return ("%s dissect(packet, p, o, stop, layers, %d, number) %s"):format(
    table.concat(lines, "\n"), dissect.space(where.name), ("end "):rep(#lines))
end

-- Whether what a space leads to is worth leaving it to C: not applications, which end a packet
-- and are usual, too.
local function is_for_c(where)
  for _, number in ipairs(where.numbers) do
    local protocol = where.protocols[number]
    if protocol.level == layer.LEVELS.application or protocol.stream then
      return false
    end
  end
  return dissect.read ~= nil
end

local function compiled(where, name, head, each, otherwise, given)
  local for_c = given.meet and is_for_c(where)
  for i, number in ipairs(where.numbers) do
    local protocol = where.protocols[number]
    given["protocol" .. i] = protocol
    given["parse" .. i] = given.meet and (not for_c or USUAL[protocol.level])
      and protocol.parse
  end
  given.dissect = dissect.read
  local text = for_c and usual_branches(where, each)
    or branches(where, each, otherwise)
  return bytes.compile(where.name .. name, head .. "\n" .. text .. "\nend", given)
end

local BY_NUMBER = "return function(packet, p, o, stop, layers, number)"
local HOLD = "return function(packet, number)"

-- What loads the protocol of a number and goes on with it; without it reading ends.
local function meeting(where)
  return function(packet, p, o, stop, layers, number)
    if not where.waiting[number]() then
      return ends(packet, o, stop, layers)
    end
    return where.dispatch(packet, p, o, stop, layers, number)
  end
end

-- The functions of a space are made when they are called first.
local function forget(where)
  local waiting = where.waiting
  where.dispatch = function(packet, p, o, stop, layers, number)
    where.dispatch = compiled(where, "/parse", BY_NUMBER, "parse$i(packet, p, o, stop, layers)",
      MEET .. source.fill(ENDS, { header = 0 }), { waiting = waiting, meet = meeting(where) })
    return where.dispatch(packet, p, o, stop, layers, number)
  end
  where.hold = function(packet, number)
    where.hold = compiled(where, "/inner", HOLD,
      "packet[$INSIDE] = protocol$i packet[$LOOSE] = true",
      "if waiting[number] and waiting[number]() then return where.hold(packet, number) end",
      { waiting = waiting, where = where })
    return where.hold(packet, number)
  end
end

local function name_it(where, name, number)
  word.add(where.names, name, number)
  if where.known then
    where.known[number % 65536] = 1
  end
end

--- Let a protocol be found by a number that is loaded when it is met.
function parser.expect(name, number, protocol, load)
  local where = layer.space(name)
  where.waiting[number] = function()
    return load(protocol)
  end
  dissect.lead(where, number, false)
  name_it(where, protocol, number)
  forget(where)
end

--- Let a protocol be found by a number.
function parser.join(protocol, name, number)
  local where = layer.space(name)
  where.waiting[number] = nil
  if not rawget(where.protocols, number) then
    where.numbers[#where.numbers + 1] = number
  end
  where.protocols[number], where.parsers[number] = protocol, nil
  dissect.lead(where, number, protocol)
  name_it(where, protocol.name, number)
  forget(where)
end

return parser
