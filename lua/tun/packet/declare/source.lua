-- source.lua: pieces of the source that is generated for protocols.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.check"
local slot = require "tun.packet.memory.slot"

local source = {}

--- Replace every $name by a value, or by the number of a slot.
function source.fill(text, values)
  return (text:gsub("%$([%a_]+)", function(name)
    local value = values and values[name]
    if value == nil then
      value = slot[name]
    end
    assert(value ~= nil, name)
    return tostring(value)
  end))
end

--- Where a field's bytes begin, as source.
function source.at(field)
  if field.place then
    return ("o+(%s)"):format(field.place)
  end
  return field.at > 0 and "o+" .. field.at or "o"
end

--- A condition, as source: whether a field with a place of its own lies in front of `stop`.
-- The fields that place it may have changed since its header was measured.
function source.within(field, stop)
  return ("(%s) >= 0 and (%s) + %d <= %s - o"):format(field.place, field.place, field.width / 8,
    stop)
end

-- Words in expressions, which no number such as 0x1f has.
local WORD = "%f[%w_][%a_][%w_]*"

--- Words of expressions beside the fields: o and stop, where the header begins and what holds
-- it ends; u8(n), u16(n), u32(n), the number n bytes behind o, -1 where there is none; and
-- back(n), the byte n bytes before o, -1 where the packet begins behind it.
source.WORDS = { o = true, stop = true, ["and"] = true, ["or"] = true, ["not"] = true,
                 u8 = true, u16 = true, u32 = true, back = true, ["true"] = true, ["false"] = true }

local function peek(width, at)
  return ("(stop - o >= %d and %s or -1)"):format(at + width / 8,
    bytes.read("o+" .. at, 0, tonumber(width)))
end

local function behind(n)
  return source.fill(("(o - %d >= packet[$START] and %s or -1)"):format(n,
    bytes.read("o-" .. n, 0, 8)))
end

local function filled(text, replace)
  text = text:gsub("%f[%w_]u(%d+)%((%d+)%)", peek):gsub("%f[%w_]back%((%d+)%)", behind)
  return (text:gsub(WORD, replace))
end

--- An expression of fields, "ihl * 4", with loads in their places.
function source.expression(protocol, text)
  return filled(text, function(word)
    local field = protocol.fields[word]
    return field and field.load or word
  end)
end

--- The fields at fixed places in expressions, loaded by one statement into locals of their
-- names: the statement, and a function from an expression to source with the locals.
function source.together(protocol, expressions)
  local list, names, rows = {}, {}, {}
  for _, text in ipairs(expressions) do
    for word in text:gmatch(WORD) do
      local field = protocol.fields[word]
      if field and not names[word] and field.at and not field.little and not field.wide
        and field.width <= 32 then
        names[word] = "value_" .. word
        list[#list + 1], rows[#rows + 1] = names[word], { field.at, field.skip, field.width }
      end
    end
  end
  local function expression(text)
    return filled(text, function(word)
      local field = protocol.fields[word]
      return names[word] or field and field.load or word
    end)
  end
  local names_of_all = table.concat(list, ", ")
  return list[1] and ("local %s = %s"):format(names_of_all, bytes.load(rows)) or "", expression
end

-- How many functions become upvalues, of which a function has 60 at most.
local MOST = 50

-- Source that uses one of the functions, or has the source itself, or goes on otherwise.
local function choose(i_set, functions, act, otherwise, given)
  local keys, lines = {}, {}
  for key in entries(functions) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  local i = 0
  while bytes.compiled and i < #keys and #given < MOST do
    i = i + 1
    local one = functions[keys[i]]
    if type(one) == "function" then
      given[#given + 1] = one
      one = act:gsub("%f[%w]act%f[%W]", "act" .. #given)
    end
    lines[i] = ("if size == %d and key == %q then %s else"):format(#keys[i], keys[i], one)
  end
  if #lines < #keys then
    given["functions" .. i_set] = functions
    otherwise = ("local act = functions%d[key] if act then %s else %s end"):format(i_set, act,
      otherwise)
  end
  return ("%s %s %s"):format(table.concat(lines), otherwise, lines[1] and "end" or "")
end

--- Source that uses the function that `key` names. A JIT compiler knows the key that a
-- script has, so that comparing costs nothing there, while what a table holds has to be
-- looked up and checked; elsewhere a table is quicker. Sizes are compared first, since each
-- name that is compared takes one of the 500 constants that a trace may have.
-- @param sets  list of { functions by key, source of the use: "value = act(self)" }; with a
--   compiler there can be source in the place of a function
-- @param otherwise  source for a key that has no function
-- @param given  gets what the source needs
function source.choice(sets, otherwise, given)
  local functions = {}
  for i = #sets, 1, -1 do
    otherwise = choose(i, sets[i][1], sets[i][2], otherwise, functions)
  end
  for key, value in entries(functions) do
    given[type(key) == "number" and "act" .. key or key] = value
  end
  given.type = type
  return bytes.compiled and 'local size = type(key) == "string" and #key ' .. otherwise or otherwise
end

local METHOD = [[
return function(self, a, b, c)
  if getmetatable(self) ~= meta then
    refuse_self(self)
  end
  return method(self, a, b, c)
end]]

--- A method that refuses to be called on anything but objects of a type, as check.methods()
-- makes it. Each has source of its own: what LuaJIT finds in a function that has no twin is
-- constant to it.
-- @param meta  the metatable of the objects
function source.method(name, method, meta)
  return bytes.compile(name, METHOD, { method = method, meta = meta, getmetatable = getmetatable,
                                       refuse_self = check.refuse_self })
end

--- An expression of one field for a number, and the field's name.
function source.value(protocol, text, number)
  local name
  local numbers = text:gsub(WORD, function(word)
    if protocol.fields[word] then
      name = word
      return tostring(number)
    end
  end)
  local load_text = loadstring or load -- luacheck: ignore
  return assert(load_text("return " .. numbers))(), name
end

--- An expression of one field, linear in it, solved for the field: its name, factor, rest.
function source.solve(protocol, text)
  local rest, name = source.value(protocol, text, 0)
  return name, source.value(protocol, text, 1) - rest, rest
end

return source
