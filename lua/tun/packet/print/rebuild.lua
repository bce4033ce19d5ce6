-- rebuild.lua: the Lua source that builds a packet, byte for byte.
local raw = require "tun.packet.declare.tail"
local bytes = require "tun.packet.memory.bytes"
local header = require "tun.packet.declare.header"
local slot = require "tun.packet.memory.slot"
local span = require "tun.packet.print.span"
local word = require "tun.packet.value.word"

local rebuild = {}

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(byte)
    return ("\\%03d"):format(byte:byte())
  end) .. '"'
end

local source

local function table_source(value)
  local list = {}
  for i, each in ipairs(value) do
    list[i] = source(each)
  end
  for _, pair in ipairs(word.pairs(value)) do
    list[#list + 1] = ("%s = %s"):format(pair[1], source(pair[2]))
  end
  return list[1] and "{ " .. table.concat(list, ", ") .. " }" or "{}"
end

function source(value)
  if type(value) == "table" then
    return table_source(value)
  elseif type(value) == "string" then
    return quote(value)
  end
  return type(value) == "number" and (value % 1 == 0 and "%.0f" or "%.17g"):format(value)
    or tostring(value)
end

local function field_source(field, value)
  if type(value) == "number" and field.format and value >= 10 and value % 1 == 0 then
    return field.format:format(value)
  end
  return source(value)
end

-- How much source gives: what building would not compute; that and what says which
-- layer follows; and all that it would; or the plain fields, whatever their meaning, and
-- areas as bytes. A packet that an error quotes is bytes where layers do not do.
local WAYS = {
  { plain = false },
  { plain = false, unquoted = true },
  { plain = false, unquoted = true, following = true },
  { plain = false, unquoted = true, following = true, computed = true },
  { plain = true, unquoted = true, computed = true },
}

-- Whether source has to give a field.
local function given(field, row, view, way, wrong)
  local value = view[field.name]
  if value == nil or field.over and (way.plain or not row.only)
    or not way.plain and not word.meant(row, view) then
    return false
  elseif field.computed then
    return way.computed or way.following and field.computed == "next"
      or wrong[getmetatable(view).protocol.name .. "." .. field.name]
  end
  return value ~= word.initial(field) and (way.plain or not row.counted)
end

local function tail_source(view, list, way)
  local tail = getmetatable(view).protocol.tail
  for _, name in ipairs(tail and tail.names or {}) do
    local value = view[name]
    if tail.parts == nil and #tail.names > 1 and way.plain ~= (name == "body") then
      value = nil
    elseif way.plain and #tail.names == 1 then
      value = raw.text(view)
    end
    if value ~= nil and value ~= "" and (type(value) ~= "table" or next(value) ~= nil) then
      list[#list + 1] = ("%s = %s"):format(name, source(value))
    end
  end
end

local function layer_source(view, way, wrong)
  local protocol = getmetatable(view).protocol
  local list = {}
  for _, field in ipairs(protocol.fields) do
    if given(field, field.row, view, way, wrong) then
      list[#list + 1] = ("%s = %s"):format(field.name, field_source(field, view[field.name]))
    end
  end
  tail_source(view, list, way)
  local fields = list[1] and " " .. table.concat(list, ", ") .. " " or ""
  return ("packet.%s{%s}"):format(protocol.name, fields)
end

local function packet_source(self, way, wrong)
  local parts = {}
  local list, behind = span.all(self, way.unquoted)
  for _, each in ipairs(list) do
    if each[2] >= self[slot.START] then -- others are of a slot, beside the bytes
      local view = header.view(each[4], each[1], each[2])
      parts[#parts + 1] = layer_source(view, way, wrong)
    end
  end
  if self[slot.STOP] > behind then
    parts[#parts + 1] = quote(bytes.string(self[slot.POINTER], behind, self[slot.STOP] - behind))
  end
  return table.concat(parts, "\n  / ")
end

local function wrong_fields(self)
  local wrong = {}
  local _, _, list = self:verify()
  for _, each in ipairs(list or {}) do
    wrong[each.layer .. "." .. each.field] = true
  end
  return wrong
end

-- Whether source builds these bytes.
local function builds(text, library, wanted)
  local load_text = loadstring or load -- luacheck: ignore
  local chunk = load_text("local packet = ... return " .. text)
  local ok, built = pcall(function()
    return chunk(library):bytes()
  end)
  return ok and built == wanted
end

--- Give the Lua source of an expression that builds the packet, byte for byte; `packet`
-- in it is this library. Fields that building computes are given only when they differ; a
-- packet that cannot be built of its layers is given as bytes.
-- @return string
function rebuild.lua(self)
  local library, wanted = require "tun.packet", self:bytes()
  local wrong = wrong_fields(self)
  for _, way in ipairs(WAYS) do
    local text = packet_source(self, way, wrong)
    if builds(text, library, wanted) then
      return text
    end
  end
  return ("packet.parse(%s, %s)"):format(quote(wanted), quote(self[slot.KIND].name))
end

return rebuild
