-- expression.lua: whether a text is an expression of fields that gives what is wanted wherever
-- it is used. It is tried: with every value of its fields where these are few, else with the
-- ends of what each may be.
local source = require "tun.packet.declare.source"

local expression = {}

-- What an expression gives, and whether it may say `back`, or only have fields.
local GIVES = { size = { "number" }, extent = { "number" }, final = { "number" },
                origin = { "number" }, whole = { "boolean" }, partial = { "boolean" },
                open = { "boolean", back = true }, unless = { "boolean", back = true },
                valid = { "boolean", back = true }, quotes = { "boolean", back = true },
                next = { "number", back = true }, inner = { "number", back = true },
                at = { "number", plain = true }, when = { "number", plain = true } }

local OPERATORS = { ["and"] = true, ["or"] = true, ["not"] = true, ["true"] = true,
                    ["false"] = true }
local WORD = "%f[%w_][%a_][%w_]*"
local LONGEST = 15 -- digits of a number that every Lua has as it is written
local LONGEST_HEX = 2 + 12 -- the same with 0x
local FEW = 12 -- bits of fields together of which every value is tried
local FEW_FIELDS = 4 -- of which more values are tried

-- Of what is left of a text without fields, calls and words: what Lua would not read alike
-- everywhere, or what is no arithmetic, as a pattern and in words.
local REFUSED = {
  { "[^%df%s%+%-%*/%%%(%)<>=~%.]", "has more than fields, numbers and operators of Lua 5.1" },
  { "//", "has //" }, { "<<", "has <<" }, { ">>", "has >>" }, { "%-%-", "has --" },
  { "%.%.", "has .." }, { "~[^=]", "has ~" }, { "~$", "has ~" }, { "%f[=<>~]=[^=]", "has one =" },
  { "[/%%]%s*[^%d%s]", "divides by what may be 0" }, { "[/%%]%s*0+%f[^%d]", "divides by 0" },
}

-- Peeks are source for which the arguments are known.
local function without_calls(text, back)
  text = text:gsub("%f[%w_]u8%(%d+%)", " 0 "):gsub("%f[%w_]u16%(%d+%)", " 0 ")
    :gsub("%f[%w_]u32%(%d+%)", " 0 ")
  return back and text:gsub("%f[%w_]back%([1-9]%d*%)", " 0 ") or text
end

local function has_long(text)
  for number in text:gmatch "%f[%w_]%d%w*" do
    if #number > LONGEST or number:find "^0[xX]" and #number > LONGEST_HEX then
      return true
    end
  end
end

-- What is wrong with the letters of a text, in words; nil when nothing is.
local function misspelt(text, fields, gives)
  if has_long(text) then
    return ("has a number of more than %d digits"):format(LONGEST)
  end
  local rest = without_calls(text, gives.back):gsub("%f[%w_]0[xX]%x+", "1")
  local unknown
  if gives[1] == "number" and (rest:find "%f[%w_]true%f[^%w_]"
    or rest:find "%f[%w_]false%f[^%w_]") then
    return "has true or false where a number is wanted"
  end
  rest = rest:gsub(WORD, function(word)
    local known = fields[word] or OPERATORS[word]
      or not gives.plain and (word == "o" or word == "stop")
    unknown = unknown or not known and word or nil
    return OPERATORS[word] and " " or "f"
  end)
  if unknown then
    local ours = source.WORDS[unknown]
    return (ours and "cannot have %s so" or "has no field %s"):format(unknown), not ours
  end
  for _, each in ipairs(REFUSED) do
    if rest:find(each[1]) then
      return each[2]
    end
  end
end

-- A function of fields by name and of what the rest of the words are.
local function compiled(text, fields, back)
  text = text:gsub("%f[%w_]u%d+%(%d+%)", "byte")
  text = back and text:gsub("%f[%w_]back%(%d+%)", "byte") or text
  text = text:gsub(WORD, function(word)
    return fields[word] and ("f.%s"):format(word) or word
  end)
  local load_text = loadstring or load -- luacheck: ignore
  return load_text(("local f, o, stop, byte = ... return %s"):format(text))
end

local function names_in(texts, fields)
  local names, bits = {}, 0
  for _, text in ipairs(texts) do
    for word in text:gmatch(WORD) do
      if fields[word] and not names[word] then
        names[#names + 1], names[word], bits = word, true, bits + fields[word]
      end
    end
  end
  return names, bits
end

-- Call a function with every value of the fields together.
local function every(names, fields, act, values, i)
  if not names[i] then
    return act(values)
  end
  for value = 0, 2 ^ fields[names[i]] - 1 do
    values[names[i]] = value
    local why = every(names, fields, act, values, i + 1)
    if why then
      return why
    end
  end
end

-- What a field is tried with where its values are many: its ends, what its expression compares it
-- with, and, where there are few fields, whatever a byte may be.
local function samples(text, few)
  local list = { 0, 1, 2, 3, 5, math.huge }
  for word in text:gmatch "%f[%w_]%d%w*" do
    local number = tonumber(word)
    for i = -1, number and 1 or -2 do
      list[#list + 1] = math.max(0, number + i)
    end
  end
  for number = 0, few and 255 or -1 do
    list[#list + 1] = number
  end
  return list
end

-- Call a function with the samples of each field while the others are at one of their ends.
local function ends(text, names, fields, act)
  local values, list = {}, samples(text, #names <= FEW_FIELDS)
  for _, others in ipairs { 0, 1, math.huge } do
    for i = 0, #names do
      for _, own in ipairs(i == 0 and { others } or list) do
        for j, name in ipairs(names) do
          values[name] = math.min(j == i and own or others, 2 ^ fields[name] - 1)
        end
        local why = act(values)
        if why then
          return why
        end
      end
    end
  end
end

local function try(text, names, bits, fields, act)
  if bits <= FEW then
    return every(names, fields, act, {}, 1)
  end
  return ends(text, names, fields, act)
end

-- What a value is instead of what is wanted; nil when it is that.
local function other(key, wanted, value)
  if type(value) ~= wanted then
    return ("gives a %s, not a %s"):format(type(value), wanted)
  elseif wanted == "number" and key ~= "when" and value % 1 ~= 0 then
    return ("gives %g"):format(value)
  end
end

--- What is wrong with an expression, in words; nil when nothing is.
-- @param key  what it is for, as in a declaration
-- @param fields  bits of the fields that it may have, by name
-- @return string | nil, and true when a field's name is what is wrong
function expression.fault(key, text, fields)
  if type(text) ~= "string" then
    return ("is a %s, not an expression"):format(type(text))
  end
  local gives = GIVES[key]
  local why, named = misspelt(text, fields, gives)
  local value_of = not why and compiled(text, fields, gives.back)
  if not value_of then
    return why or "is no expression", named
  end
  local names, bits = names_in({ text }, fields)
  return try(text, names, bits, fields, function(values)
    for _, byte in ipairs(text:find "%(" and { -1, 0, 255 } or { 0 }) do
      for _, stop in ipairs(text:find "stop" and { 64, 65535 } or { 64 }) do
        local ok, value = pcall(value_of, values, 0, stop, byte)
        local fault = not ok and "is no expression" or other(key, gives[1], value)
        if fault then
          return fault
        end
      end
    end
  end)
end

--- Whether an expression without fault gives nothing but whole numbers, or what is too large for
-- any packet: it has no more than sums and products, or was tried with all that there is.
-- @param fields  of a protocol
function expression.is_sure(text, fields)
  local widths, around = {}, text:find "%(%d" or text:find "%f[%w_]o%f[^%w_]"
  for _, field in ipairs(fields) do
    widths[field.name] = field.width
  end
  local _, bits = names_in({ text }, widths)
  if not around and not text:find "%f[%w_]stop%f[^%w_]" and bits <= FEW then
    return true
  end
  for word in text:gmatch(WORD) do
    if OPERATORS[word] then
      return false
    end
  end
  return not text:find "[/.<>=~]"
end

--- What is wrong with the place of a field that lies where its header says, in words: it has to
-- be in the header whenever it is there.
-- @param at, when  its expressions, which have no fault; when may be nil
-- @param size  the header's, which may be nil
-- @param n  bytes of the field
-- @param least  bytes that the header has at least
function expression.misplaced(at, when, size, n, least, fields)
  local names, bits = names_in({ at, when or "", size or "" }, fields)
  if bits > FEW then
    return ("is of fields of %d bits together: of %d at most it can be known where it lies")
      :format(bits, FEW)
  end
  local places, guard = compiled(at, fields), compiled(when or "1", fields)
  local total = size and not size:find "%f[%w_]stop%f[^%w_]" and not size:find "%f[%w_]o%f[^%w_]"
    and not size:find "%(%d" and compiled(size, fields)
  return every(names, fields, function(values)
    local first = places(values)
    if guard(values) ~= 0 and (first < 0 or first + n > math.max(least, total
      and total(values, 0, 0, 0) or 0)) then
      return ("lies at byte %d, outside of the header"):format(first)
    end
  end, {}, 1)
end

return expression
