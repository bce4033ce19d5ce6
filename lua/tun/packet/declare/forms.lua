-- forms.lua: the forms of values as declarations take them: made of arguments that are checked.
-- What a form can do is for the library, so it does not show.
local check = require "tun.check"
local entries = require "tun.entries"
local form = require "tun.packet.value.form"
local options = require "tun.packet.value.options"

local forms = {}

-- A form whose functions are found, but not listed.
local function hide(of)
  return setmetatable({}, { __index = of, __tostring = function()
    return "form: " .. of.what
  end })
end

for name, of in entries(form) do
  if type(of) == "table" then
    forms[name] = hide(of)
  end
end

local function a_form(what, value)
  if type(value) ~= "table" or type(value.read) ~= "function" or type(value.write) ~= "function"
    or type(value.what) ~= "string" then
    check.refuse(what, value, "a form")
  end
  return value
end

-- One that tells where its values end.
local function a_part(what, value)
  if type(a_form(what, value).take) ~= "function" then
    check.refuse(what, value, "a form whose values tell where they end")
  end
  return value
end

local LARGEST = 65535

--- A number of 1 to 8 bytes; of more than 6 it is the text "0x...".
function forms.number(n)
  return hide(form.number(check.whole("form.number", n, 1, 8)))
end

--- A number of 1 to 6 bytes that has names: read as its name, when it has one.
-- @param names  { name = number }
function forms.enum(n, names)
  check.whole("form.enum: bytes", n, 1, 6)
  check.type("form.enum: names", names, "table", "a table of numbers")
  for name, number in entries(names) do
    check.type("form.enum: names", name, "string", "a name")
    check.whole("form.enum: " .. name, number, 0, 256 ^ n - 1)
  end
  return hide(form.enum(n, names))
end

--- So many bytes.
function forms.fixed(n)
  return hide(form.fixed(check.whole("form.fixed", n, 1, LARGEST)))
end

--- Bytes that fill units of n, of which a field may count how many there are.
function forms.units(n)
  return hide(form.units(check.whole("form.units", n, 1, LARGEST)))
end

--- What has its length in n bytes in front: bytes, or what has another form.
-- @param of  optional form
-- @param more  optional: how much the length counts beside these bytes
function forms.counted(n, of, more)
  check.whole("form.counted: bytes", n, 1, 4)
  return hide(form.counted(n, of ~= nil and a_form("form.counted: of", of) or nil,
    more ~= nil and check.whole("form.counted: more", more, 0, LARGEST) or nil))
end

--- A list of values, to the end of what it is in, or as many as a field counts.
function forms.list(item)
  return hide(form.list(a_part("form.list", item)))
end

--- A record.
-- @param fields  list of { name, bits or form, default =, count = name of a number in front, of
--   the values of a list }; the bits fill whole bytes together
function forms.record(fields)
  local bits = 0
  for i, field in ipairs(check.type("form.record", fields, "table", "a list of fields")) do
    local what = "form.record: field " .. i
    check.type(what, field, "table", "a table { name, bits or form }")
    check.type(what, field[1], "string", "a name")
    if type(field[2]) == "number" then
      bits = bits + check.whole(what, field[2], 1, 48)
    elseif bits % 8 ~= 0 then
      check.refuse(what, bits, "a number of bits that fill bytes")
    else
      a_form(what, field[2])
    end
  end
  if bits % 8 ~= 0 or not fields[1] then
    check.refuse("form.record", bits, "a number of bits that fill bytes")
  end
  return hide(form.record(fields))
end

local KEYS = { head = "table", length = "string", more = "number", unit = "number",
               pad = "number", single = "table", last = "number", multiple = "number",
               before = "number", fill = "function" }

--- A list of options, for a row of a header or of a record, or for an option that has options.
-- @param t  see options.kinds in value/options.lua; left as it is
function forms.options(t)
  local copy = {}
  for key, value in entries(check.type("options", t, "table", "a table of rows")) do
    if type(key) == "string" then
      local name = KEYS[key] or check.unknown("options", "key", key, KEYS)
      check.type("options: " .. key, value, name, "a " .. name)
    end
    copy[key] = value
  end
  for i, row in ipairs(t) do
    local what = "options: row " .. i
    check.type(what, row, "table", "a table { kind, name, form }")
    check.whole(what, row[1], 0, LARGEST)
    check.type(what, row[2], "string", "a name")
    a_form(what, row[3])
  end
  for i, row in ipairs(t.head or {}) do
    local what = "options: head " .. i
    check.type(what, row, "table", "a table { name, bits }")
    check.type(what, row[1], "string", "a name")
    check.whole(what, row[2], 1, 32)
  end
  return hide(options.kinds(copy))
end

return forms
