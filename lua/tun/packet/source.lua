-- source.lua: pieces of the source that is generated for protocols.
local slot = require "tun.packet.slot"

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

--- An expression of fields, "ihl * 4", with loads in their places. It may also use o and
-- stop, where the header begins and what holds it ends.
function source.expression(protocol, text)
  return (text:gsub("[%a_][%w_]*", function(word)
    local field = protocol.fields[word]
    return field and field.load or word
  end))
end

--- An expression of one field, linear in it, solved for the field: its name, factor, rest.
function source.solve(protocol, text)
  local name
  local function value(number)
    local filled = text:gsub("[%a_][%w_]*", function(word)
      if protocol.fields[word] then
        name = word
        return tostring(number)
      end
    end)
    local load_text = loadstring or load -- luacheck: ignore
    return assert(load_text("return " .. filled))()
  end
  local rest = value(0)
  return name, value(1) - rest, rest
end

return source
