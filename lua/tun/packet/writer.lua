-- writer.lua: what writes a protocol's header from a table of fields.
local bytes = require "tun.packet.bytes"
local field = require "tun.packet.field"

local writer = {}

-- Names that a table of fields may have beside the area's.
local function known(protocol)
  local names = {}
  for _, each in ipairs(protocol.fields) do
    names[each.name] = true
    names[each.name .. "_n"] = protocol.get[each.name .. "_n"] and true
  end
  for _, name in ipairs(protocol.row.area and protocol.row.area.names or {}) do
    names[name] = true
  end
  return names
end

-- A field's default as what is stored: bytes or a number, nil for none.
local function default(each, convert, store)
  local value = each.default
  if each.wide then
    return value and ("%q"):format(store(value)):gsub("\n", "n"):gsub("%z", "\\0")
  elseif type(value) ~= "number" and value ~= nil then
    value = convert(value)
  end
  return value and value ~= 0 and ("%.0f"):format(value) or nil
end

-- Source that writes one field. A field behind a switch sets it.
local function part(protocol, i, given)
  local each = protocol.fields[i]
  local check, write, functions = field.store(protocol, each, i)
  local lines = { ("given = t.%s"):format(each.name) }
  if protocol.get[each.name .. "_n"] then
    lines[2] = ("if given == nil then given = t.%s_n end"):format(each.name)
  end
  if protocol.row.area then
    lines[#lines + 1] = ("if given == nil and counts then given = counts.%s end"):format(each.name)
  end
  local keep = each.computed and ("kept = kept or {}; kept.%s = true"):format(each.name) or ""
  local switch = protocol.fields[each.switch]
  if switch then
    keep = "do local value = 1 " .. field.write(switch) .. " end"
  end
  lines[#lines + 1] = ("if given ~= nil then %s %s %s"):format(check, keep, write)
  local initial = not each.over and not each.place
    and default(each, functions.convert, functions.store)
  lines[#lines + 1] = initial and ("else local value = %s; %s end"):format(initial, write) or "end"
  for _, name in ipairs { "refuse", "convert", "store", "swap" } do
    given[name] = given[name] or {}
    given[name][i] = functions[name]
  end
  return table.concat(lines, "\n  ")
end

local WRITE = [[
return function(p, o, t, counts)
  for key in next, t do
    if not known[key] then unknown(key) end
  end
  local kept, given = false
  %s
  return kept
end]]

--- write(p, o, fields, counts) -> false, or a set of the computed fields that were given.
-- Fields over others come last, so that they win, and then those that may be absent.
function writer.compile(protocol)
  local order, given = {}, { known = known(protocol), unknown = protocol.unknown, type = type,
                             next = next, fill = bytes.fill }
  for _, pass in ipairs { "plain", "over", "place" } do
    for i, each in ipairs(protocol.fields) do
      if pass == (each.place and "place" or each.over and "over" or "plain") then
        order[#order + 1] = part(protocol, i, given)
      end
    end
  end
  return bytes.compile(protocol.name, WRITE:format(table.concat(order, "\n  ")), given)
end

return writer
