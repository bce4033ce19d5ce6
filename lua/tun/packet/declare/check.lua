-- check.lua: whether a declaration is one: what is wrong is raised at the line that declares
-- it, with the names that would have been right.
local codec = require "tun.packet.value.codec"
local core = require "tun.core"
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

local function set(words)
  local names = {}
  for each in words:gmatch "%S+" do
    names[each] = true
  end
  return names
end

-- The keys of a row, and those of a protocol beside its rows.
local ROW = set [[codec enum names_of default format computed pseudo order over at when only
  counted signed count counts unit shift]]
local KEYS = set [[level size extent open valid next unless inner quotes follows ports sum checksum
  whole partial final origin area methods line word only name_of names_of counted least]]
local COMPUTED = set "size extent payload next checksum"
local SUMS = set "NET TRANSPORT"
local ORDERS = set "big little native"

check.CHECKSUM = set "internet crc32c"

local header -- the name of what is checked

local function wrong(text, ...)
  core.misuse(('header "%s": %s'):format(header, text:format(...)))
end

local function known(names)
  return "; there are: " .. table.concat(word.list(names), ", ")
end

-- A value that has to be one of a set's names, if it is there.
local function one_of(names, what, value)
  if value ~= nil and not names[value] then
    wrong("no %s %s%s", what, tostring(value), known(names))
  end
end

local function keys(what, t, names)
  for key in pairs(t) do
    if type(key) == "string" and not names[key] then
      wrong("no key %s of %s%s", key, what, known(names))
    end
  end
end

-- An expression of the fields in front: what it needs has to be there.
local function expression(fields, what, text)
  if text == nil then
    return
  end
  local ok = type(text) == "string"
  for each in (ok and text or ""):gmatch "%f[%w_][%a_][%w_]*" do
    if not fields[each] and not source.WORDS[each] then
      wrong("no %s in the expression of %s%s", each, what, known(fields))
    elseif fields[each] and fields[each] > field.EXACT then
      wrong("%s has too many bits for the expression of %s", each, what)
    end
  end
  local load_text = loadstring or load -- luacheck: ignore
  if not ok or not load_text("return (" .. text .. ")") then
    wrong("%s is no expression, for %s", tostring(text), what)
  end
end

-- What is computed from its expression has to be one number times one field plus another.
local function linear(name, fields, text)
  local protocol = { fields = fields }
  local ok, found, factor, rest = pcall(source.solve, protocol, text)
  local here = ok and found and source.value(protocol, text, 7)
  if not here or factor == 0 or math.abs(factor * 7 + rest - here) > 1e-9 then
    wrong("%s cannot be computed: %s is not linear in one field", name, tostring(text))
  end
end

local function name_is(name, what, reserved)
  if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
    wrong("%s is no name of a %s", tostring(name), what)
  elseif reserved[name] then
    wrong("%s is reserved: a %s has it already", name, what == "field" and "layer" or "packet")
  end
end

local function codec_of(row)
  if type(row.codec) == "string" then
    local names = {}
    for name in pairs(codec) do
      names[name] = true
    end
    one_of(names, "codec", row.codec)
  elseif row.codec ~= nil and type(row.codec) ~= "table" then
    wrong("%s: a codec is a name or a table, not a %s", row[1], type(row.codec))
  end
  local of = type(row.codec) == "table" and row.codec or codec[row.codec or false]
  if type(of) == "table" and not (of.load or of.text) and not (of.read and of.write) then
    wrong("%s: a codec has read and write", row[1])
  end
  return of
end

local function width(row, of)
  local bits = row[2]
  if type(bits) ~= "number" or bits < 1 or bits % 1 ~= 0 then
    wrong("%s: %s is no number of bits", row[1], tostring(bits))
  elseif type(of) == "table" and of.width and of.width ~= bits then
    wrong("%s: the codec %s takes %d bits, not %d", row[1], tostring(row.codec), of.width, bits)
  elseif not of and bits > 64 then
    wrong('%s: a number has at most 64 bits, not %d; codec = "bytes" takes more', row[1], bits)
  elseif bits > field.EXACT and bits % 8 > 0 then
    wrong("%s: %d bits do not fill whole bytes", row[1], bits)
  elseif row.signed and (bits > field.EXACT or of or row.enum) then
    wrong("%s: signed is for plain numbers of at most %d bits", row[1], field.EXACT)
  elseif (row.order == "little" or row.order == "native") and bits % 8 > 0 then
    wrong("%s: an order of bytes needs whole ones", row[1])
  end
end

local function enum(row)
  if type(row.enum) ~= "table" then
    wrong("%s: an enum is a table of numbers by name", row[1])
  end
  local names = {}
  for name, number in pairs(row.enum) do
    if type(name) ~= "string" or type(number) ~= "number" or number % 1 ~= 0 or number < 0
      or number >= 2 ^ row[2] then
      wrong("%s: %s = %s is no name and number of %d bits", row[1], tostring(name),
        tostring(number), row[2])
    elseif names[number] then
      wrong("%s: %d has two names, %s and %s", row[1], number, names[number], name)
    end
    names[number] = name
  end
end

local function row_is(i, row, fields, all)
  if type(row) ~= "table" then
    wrong("row %d is not a table { name, bits }", i)
  end
  keys("row " .. i, row, ROW)
  name_is(row[1], "field", check.view)
  if all[row[1]] then
    wrong("two fields %s", row[1])
  end
  all[row[1]] = true
  if type(row[2]) == "table" then
    if not (row[2].read and row[2].write) then
      wrong("%s: neither a number of bits nor a form", row[1])
    end
    return
  end
  local of = codec_of(row)
  width(row, of)
  if row.enum ~= nil and not (of and row.enum) then
    enum(row)
  end
  one_of(ORDERS, "order", row.order)
  one_of(COMPUTED, "way to compute a field", row.computed)
  if row.over ~= nil then
    one_of(fields, "field to lie over", row.over)
  end
  fields[row[1]] = of and row[2] > field.EXACT and math.huge or row[2]
  expression(fields, row[1], row.at)
  expression(fields, row[1], row.when)
end

local function follows(rows, kinds)
  for _, key in ipairs { "next", "follows" } do
    if rows[key] ~= nil and type(rows[key]) ~= "table" then
      wrong("%s: a %s is no table", key, type(rows[key]))
    end
  end
  if rows.next and not (type(rows.next[1]) == "string" and rows.next[2]) then
    wrong("next: no space and expression, { %s, %s }", tostring(rows.next[1]),
      tostring(rows.next[2]))
  end
  for where, numbers in pairs(rows.follows or {}) do
    if not layer.is_space(where) then
      wrong("nothing is found by %s%s", tostring(where), known(layer.spaces()))
    end
    for _, number in ipairs(type(numbers) == "table" and numbers or { numbers }) do
      if type(number) ~= "number" or number % 1 ~= 0 then
        wrong("follows: %s of %s is no number", tostring(number), where)
      end
    end
  end
  if type(rows.inner) == "string" and not kinds[rows.inner] then
    wrong("no kind of packet %s to be inside", rows.inner)
  end
end

--- Raise what is wrong in a declaration.
-- @param name  of the protocol
-- @param rows  the declaration
-- @param kinds  what packets can begin with, by name
function check.declaration(name, rows, kinds)
  header = tostring(name)
  name_is(name, "header", check.packet)
  if type(rows) ~= "table" then
    wrong("a table of rows expected, not a %s", type(rows))
  end
  keys("a header", rows, KEYS)
  local fields, all = {}, {}
  for i, row in ipairs(rows) do
    row_is(i, row, fields, all)
  end
  for each in pairs(all) do
    if all[each .. "_n"] then
      wrong("%s_n is reserved: the number of %s has it", each, each)
    end
  end
  one_of(layer.LEVELS, "level", rows.level)
  one_of(SUMS, "sum", rows.sum)
  for _, key in ipairs { "size", "extent", "open", "unless", "whole", "partial" } do
    expression(fields, key, rows[key])
  end
  for _, key in ipairs { "final", "origin" } do
    if type(rows[key]) ~= "function" then
      expression(fields, key, rows[key])
    end
  end
  expression(fields, "valid", rows.valid and rows.valid[1])
  follows(rows, kinds)
  expression(fields, "next", rows.next and rows.next[2])
  expression(fields, "next", rows.next and rows.next[3])
  expression(fields, "inner", type(rows.inner) == "table" and rows.inner[2] or nil)
  expression(fields, "quotes", type(rows.quotes) == "string" and rows.quotes or nil)
  for _, row in ipairs(rows) do
    local text = (row.computed == "size" or row.computed == "extent") and rows[row.computed]
    if text == nil then
      wrong("%s: computed from %s, which the header does not say", row[1], row.computed)
    elseif text then
      linear(row[1], fields, text)
    end
  end
  one_of(check.CHECKSUM, "checksum", rows.checksum and (rows.checksum.kind or "internet"))
end

return check
