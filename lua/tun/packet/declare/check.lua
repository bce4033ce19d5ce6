-- check.lua: whether a declaration is one: what is wrong is raised at the line that declares
-- it, with the names that would have been right. Our own are held against it by the specs, so
-- that no start has to.
local entries = require "tun.entries"
local codec = require "tun.packet.value.codec"
local core = require "tun.core"
local expression = require "tun.packet.declare.expression"
local field = require "tun.packet.declare.field"
local layer = require "tun.packet.declare.layer"
local source = require "tun.packet.declare.source"
local word = require "tun.packet.value.word"

local check = {
  --- Names that packets and the library have for other things: no protocol's.
  packet = {},
  --- Names that every view has for other things: no field's.
  view = { set_options = true },
}

local header -- the name of what is checked
local ours -- whether it is of the library
local bits -- of its fields that were checked so far, by name
local all -- names of its fields and of what stands behind them
local begins -- the first bit of each row that has a fixed place
local total -- how many bits the fields have that lie one behind the other

-- -- What is wrong -----------------------------------------------------------

local function wrong(text, ...)
  core.misuse(('header "%s": %s'):format(header, text:format(...)))
end

local function known(names)
  return "; there are: " .. table.concat(word.list(names), ", ")
end

local function is_whole(value, least, most)
  return type(value) == "number" and value % 1 == 0 and value >= least and value <= most
end

-- -- Values of keys: functions of what is there, and what it is of, in words --

local function a(kind, words)
  return function(value, what)
    if type(value) ~= kind then
      wrong("%s: a %s is not %s", what, type(value), words)
    end
  end
end

local flag, text, list = a("boolean", "true or false"), a("string", "text"), a("table", "a table")
local LARGEST = 2 ^ 32 - 1

local function whole(least, most)
  return function(value, what)
    if not is_whole(value, least, most) then
      wrong("%s: %s is not a whole number from %d to %.0f", what, tostring(value), least, most)
    end
  end
end

local function one_of(kind, names)
  return function(value)
    if type(value) ~= "string" or not names[value] then
      wrong("no %s %s%s", kind, tostring(value), known(names))
    end
  end
end

local function set(words)
  local names = {}
  for each in words:gmatch "%S+" do
    names[each] = true
  end
  return names
end

-- A key that is an expression.
local function formula(key)
  return function(value, what)
    local why, unknown = expression.fault(key, value, bits)
    if why then
      wrong("%s: %s %s%s", what, tostring(value), why, unknown and known(bits) or "")
    end
  end
end

local function either(kind, first, second)
  return function(value, what)
    local rule = type(value) == kind and first or second
    rule(value, what)
  end
end

local function a_field(value, what)
  if type(value) ~= "string" or not bits[value] then
    wrong("%s: no field %s in front%s", what, tostring(value), known(bits))
  end
end

-- A table whose keys are of one kind and whose values of another.
local function map(key_is, value_is)
  return function(value, what)
    list(value, what)
    for key, each in entries(value) do
      key_is(key, what)
      value_is(each, ("%s.%s"):format(what, tostring(key)))
    end
  end
end

local function numbers(value, what)
  for key, each in entries(type(value) == "table" and value or { value }) do
    whole(1, LARGEST)(key, what)
    whole(0, LARGEST)(each, what)
  end
end

-- @param of  what the keys are of, which their names are put behind; nil is the header
local function keys(of, value, rules)
  for key, each in entries(value) do
    local rule = rules[key]
    if type(key) == "string" and not rule then
      wrong("no key %s of %s%s", key, of or "a header", known(rules))
    elseif rule then
      rule(each, of and of .. "." .. key or key)
    end
  end
end

-- A table with these keys and no others.
local function record(rules)
  return function(value, what)
    list(value, what)
    keys(what, value, rules)
  end
end

-- { space, expression, expression }, and keys.
local function step(key, rules)
  local first = formula(key)
  return function(value, what)
    list(value, what)
    if type(value[1]) ~= "string" or not value[1]:match "^[%a_][%w_]*$" then
      wrong("%s: %s is no name of numbers to follow", what, tostring(value[1]))
    end
    first(value[2], what)
    if value[3] ~= nil then
      first(value[3], what)
    end
    keys(what, value, rules)
  end
end

local function format(value, what)
  if type(value) ~= "string" or not pcall(string.format, value, 1) then
    wrong("%s: %s is no format of one number, as string.format() has them", what, tostring(value))
  end
end

local functions = a("function", "a function")
local function anything() end

-- A codec that is a table; what looks at memory is known by name alone.
local CODEC = { read = functions, write = functions, text = functions, number = functions,
                what = text, bytes = flag, width = whole(1, 65535), none = anything }

local function codec_is(value, what)
  if type(value) == "string" then
    one_of("codec", codec)(value)
  elseif type(value) ~= "table" then
    wrong("%s: a codec is a name or a table, not a %s", what, type(value))
  else
    keys(what, value, CODEC)
    if not (value.read and value.write or value.text and value.number) then
      wrong("%s: a codec has read and write", what)
    end
  end
end

local function follows(value, what)
  list(value, what)
  for where, each in entries(value) do
    if not layer.is_space(where) then
      wrong("nothing is found by %s%s", tostring(where), known(layer.spaces()))
    end
    numbers(each, ("%s.%s"):format(what, where))
  end
end

local function valid(value, what)
  list(value, what)
  formula "valid"(value[1], what)
  if type(value[2]) ~= "string" or value[2]:find "[%c\"\\$]" then
    wrong("%s: its second is words, without quotes", what)
  end
end

local function inside(value)
  if not layer.kinds[value] then
    wrong("no kind of packet %s to be inside", value)
  end
end

-- What stands behind the fields and is no row: see tail.lua.
local area = record { names = map(whole(1, 255), text), write = functions,
                      read = map(text, functions) }

-- The keys of a row, and those of a header beside its rows.
local ROW = {
  codec = codec_is, enum = list, format = format, pseudo = flag, counted = flag, signed = flag,
  computed = one_of("way to compute a field", set "size extent payload next checksum"),
  order = one_of("order", set "big little native"),
  default = anything, -- is tried when the field has its place
  at = formula "at", when = formula "when", over = a_field, shift = whole(0, 63),
  only = map(a_field, numbers), count = a_field, counts = a_field, unit = whole(1, 65535),
}

local level_of = one_of("level", set "link service tag net transport application")
local function level(value)
  if not (ours and layer.LEVELS[value]) then
    level_of(value)
  end
end

-- Where in a header something is; ours tell it by functions, which get a pointer.
local function where(key)
  local is_formula = formula(key)
  return function(value, what)
    if not (ours and type(value) == "function") then
      is_formula(value, what)
    end
  end
end

local CHECKSUM = { over = one_of("part to sum up", set "header extent"), pseudo = flag,
             optional = flag, kind = one_of("checksum", set "internet crc32c") }

local HEADER = {
  level = level, sum = one_of("sum", set "NET TRANSPORT"),
  size = formula "size", extent = formula "extent", open = formula "open",
  unless = formula "unless", whole = formula "whole", partial = formula "partial",
  final = where "final", origin = where "origin", valid = valid, follows = follows,
  next = step("next", { size = whole(0, 65535), least = whole(1, 65535) }),
  inner = either("string", inside, step("inner", {})),
  quotes = either("boolean", flag, formula "quotes"), checksum = record(CHECKSUM),
  ports = flag, methods = map(text, functions), line = functions, word = text, area = area,
}

-- -- Rows ---------------------------------------------------------------------

-- Words that no field can have, since a script could not write it.
local RESERVED = set [[and break do else elseif end false for function goto if in local nil not or
  repeat return then true until while]]

local function name_is(name, what, reserved)
  if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" or RESERVED[name] then
    wrong("%s is no name of a %s", tostring(name), what)
  elseif reserved[name] then
    wrong("%s is reserved: a %s has it already", name, what == "field" and "layer" or "packet")
  end
end

-- Whether a field is bytes to its codec.
local function is_wide(of)
  return type(of) == "function" or type(of) == "table" and (of.load or of.bytes) or false
end

local function width(row, of)
  local n = row[2]
  if not is_whole(n, 1, 65535 * 8) then
    wrong("%s: %s is no number of bits", row[1], tostring(n))
  elseif type(of) == "table" and of.width and of.width ~= n then
    wrong("%s: the codec %s takes %d bits, not %d", row[1], tostring(row.codec), of.width, n)
  elseif not of and n > 64 then
    wrong('%s: a number has at most 64 bits, not %d; codec = "bytes" takes more', row[1], n)
  elseif (n > field.EXACT or is_wide(of)) and n % 8 > 0 then
    wrong("%s: %d bits do not fill whole bytes", row[1], n)
  elseif row.signed and (n > field.EXACT or of or row.enum) then
    wrong("%s: signed is for plain numbers of at most %d bits", row[1], field.EXACT)
  elseif (row.order == "little" or row.order == "native") and n % 8 > 0 then
    wrong("%s: an order of bytes needs whole ones", row[1])
  elseif row.pseudo and row.at then
    wrong("%s: what a checksum covers has a fixed place", row[1])
  elseif row.computed and (of or row.signed or row.over or n > field.EXACT) then
    wrong("%s: what is computed is a plain number of at most %d bits", row[1], field.EXACT)
  end
end

local function enum(row)
  local names = {}
  for name, number in entries(row.enum) do
    if type(name) ~= "string" or not is_whole(number, 0, 2 ^ row[2] - 1) then
      wrong("%s: %s = %s is no name and number of %d bits", row[1], tostring(name),
        tostring(number), row[2])
    elseif names[number] then
      wrong("%s: %d has two names, %s and %s", row[1], number, names[number], name)
    end
    names[number] = name
  end
end

-- Note where a field lies.
local function place(row)
  local below = row.over and all[row.over]
  if below and not begins[below] then
    wrong("%s: %s has no fixed place to lie over", row[1], row.over)
  elseif below then
    begins[row] = begins[below] + (row.shift or 0)
  elseif not row.at then
    begins[row], total = total, total + row[2]
  elseif row[2] % 8 > 0 then
    wrong("%s: %d bits do not fill whole bytes, as what has a place of its own", row[1], row[2])
  end
end

local function row_is(i, row)
  if type(row) ~= "table" then
    wrong("row %d is not a table { name, bits }", i)
  end
  name_is(row[1], "field", check.view)
  if all[row[1]] then
    wrong("two fields %s", row[1])
  end
  keys(row[1], row, ROW)
  all[row[1]] = row
  if type(row[2]) == "table" then
    if not (row[2].read and row[2].write) then
      wrong("%s: neither a number of bits nor a form", row[1])
    end
    return
  elseif row.when and not row.at then
    wrong("%s: what may be absent has a place of its own: at", row[1])
  end
  local of = type(row.codec) == "string" and codec[row.codec] or row.codec
  width(row, of)
  if row.enum then
    enum(row)
  end
  place(row)
  -- An expression is read before it is known that what has a place of its own is there.
  bits[row[1]] = row[2] <= field.EXACT and not is_wide(of) and not row.at and row[2] or nil
end

-- -- Headers ------------------------------------------------------------------

-- What is computed from its expression has to be one number times one field plus another.
local function linear(name, text_of)
  local protocol = { fields = bits }
  local ok, found, factor, rest = pcall(source.solve, protocol, text_of)
  local here = ok and found and source.value(protocol, text_of, 7)
  if not here or found ~= name or factor == 0 or math.abs(factor * 7 + rest - here) > 1e-9 then
    wrong("%s cannot be computed: %s is not linear in it alone", name, tostring(text_of))
  end
end

local SUMS = { internet = 16, crc32c = 32 } -- how wide a checksum is

local function checksum(rows, row)
  local kind = rows.checksum and rows.checksum.kind or "internet"
  local odd = begins[row] and begins[row] % 16 > 0
  if row.computed == "checksum" and (row[2] ~= SUMS[kind] or odd) then
    wrong("%s: the checksum %s has %d bits, at an even byte", row[1], kind, SUMS[kind])
  end
end

-- What can only be told of a row when all are known.
local function whole_row(rows, row)
  local key = row.computed
  if key == "size" or key == "extent" then
    if rows[key] == nil then
      wrong("%s: computed from %s, which the header does not say", row[1], key)
    end
    linear(row[1], rows[key])
  end
  checksum(rows, row)
  local why = row.at and expression.misplaced(row.at, row.when, rows.size, row[2] / 8, total / 8,
    bits)
  if why then
    wrong("%s: %s %s", row[1], row.at, why)
  elseif row.over and begins[row] + row[2] > total then
    wrong("%s: lies over more bits than the header has", row[1])
  elseif all[row[1] .. "_n"] then
    wrong("%s_n is reserved: the number of %s has it", row[1], row[1])
  end
end

-- Fields that a header has to have, by what it says of itself.
local function needs(what, ...)
  for _, name in ipairs { ... } do
    if not bits[name] and not (all[name] and all[name].codec and not all[name].at) then
      wrong("%s needs a field %s", what, name)
    end
  end
end

--- Raise what is wrong in a declaration.
-- @param name  of the protocol
-- @param rows  the declaration
-- @param own  whether it is of the library, whose levels and functions look at memory
function check.declaration(name, rows, own)
  header, ours = tostring(name), own
  name_is(name, "header", check.packet)
  if type(rows) ~= "table" then
    wrong("a table of rows expected, not a %s", type(rows))
  end
  bits, all, begins, total = {}, {}, {}, 0
  for i, row in ipairs(rows) do
    row_is(i, row)
  end
  if total % 8 ~= 0 then
    wrong("fields of %d bits do not fill whole bytes", total)
  end
  keys(nil, rows, HEADER)
  for _, row in ipairs(rows) do
    whole_row(rows, row)
  end
  if rows.ports then
    needs("ports", "sport", "dport")
  end
  if rows.level == "net" and not rows.line then
    needs("level net without a line", "src", "dst")
  end
end

return check
