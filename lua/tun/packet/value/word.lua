-- word.lua: words for numbers of fields, and the order of what records have.
local core = require "tun.core"
local entries = require "tun.entries"

local word = {}

-- Names by number of tables of numbers by name.
local reversed = setmetatable({}, { __mode = "k" })

--- The names of numbers in a table of numbers by name: one for each, which is its only one.
function word.reversed(names)
  local words = reversed[names]
  if not words then
    words = {}
    for name, number in entries(names) do
      if words[number] then
        core.misuse(("two names of %s: %s and %s"):format(tostring(number), words[number], name))
      end
      words[number] = name
    end
    reversed[names] = words
  end
  return words
end

--- Give a number of such a table a name, unless it has one.
function word.add(names, name, number)
  local words = word.reversed(names)
  if not words[number] and not names[name] then
    names[name], words[number] = number, name
  end
end

--- The name of a number in a field's enum.
function word.name_of(field, number)
  return field.enum and word.reversed(field.enum)[number]
end

--- The names of an enum, sorted; none without one.
function word.list(names)
  local list = {}
  for name in entries(names or {}) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

--- What a field reads as when it was not given.
function word.initial(field)
  local value = field.default
  if field.wide then
    return field.none
  elseif field.text then
    return type(value) == "string" and value or field.text(value or 0)
  elseif field.words then
    return field.words[value or 0] or value or 0
  elseif field.width == 1 then
    return (value or 0) ~= 0
  end
  return value or 0
end

--- The number of a view's field, by its name.
function word.number(view, name)
  local get = getmetatable(view).protocol.get
  return (get[name .. "_n"] or get[name])(view[1], view[2])
end

--- Whether a field means something in this header: `only` lists numbers of other fields.
function word.meant(row, view)
  for name, numbers in entries(row.only or {}) do
    local number, found = word.number(view, name), false
    for _, each in ipairs(numbers) do
      found = found or each == number
    end
    if not found then
      return false
    end
  end
  return true
end

-- What stands first in a record; the rest is in alphabetical order.
local RANK = { name = "1", type = "2", class = "3", ttl = "4" }

--- The named values of a table as a list of { name, value }.
function word.pairs(value)
  local list = {}
  for key, each in entries(value) do
    if type(key) == "string" and key ~= "kind" then
      list[#list + 1] = { key, each }
    end
  end
  table.sort(list, function(a, b)
    return (RANK[a[1]] or a[1]) < (RANK[b[1]] or b[1])
  end)
  return list
end

return word
