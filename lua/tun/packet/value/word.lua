-- word.lua: words for numbers of fields, and the order of what records have.
local word = {}

--- The name of a number in a field's enum: the shortest of several.
function word.name_of(field, number)
  local found
  for name, value in pairs(field.enum or {}) do
    if value == number and (not found or #name < #found or #name == #found and name < found) then
      found = name
    end
  end
  return found
end

--- Whether a field means something in this header: `only` lists numbers of other fields.
function word.meant(row, view)
  for name, numbers in pairs(row.only or {}) do
    local number, found = view[name], false
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
  for key, each in pairs(value) do
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
