-- rebuild.lua: the Lua source that builds a packet, byte for byte.
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
  return type(value) == "number" and ("%.14g"):format(value) or tostring(value)
end

local function field_source(field, value)
  local name = type(value) == "number" and word.name_of(field, value)
  if name then
    return quote(name)
  elseif type(value) == "number" and field.format and value >= 10 then
    return field.format:format(value)
  end
  return source(value)
end

local function default(field)
  local value = field.default
  if field.width == 1 then
    return (value or 0) ~= 0
  elseif field.codec then
    return value or field.codec.text and field.codec.text(0)
  end
  return value or 0
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
  return value ~= default(field) and (way.plain or not row.counted)
end

local function area_source(view, row, list, way)
  local area, methods = row.area or { names = {} }, row.methods or {}
  for _, name in ipairs(area.names) do
    local value = methods[name] and methods[name](view)
    if #area.names > 1 and way.plain ~= (name == "body") then
      value = nil
    end
    if value and #value > 0 then
      list[#list + 1] = ("%s = %s"):format(name, source(value))
    end
  end
end

local function layer_source(view, way, wrong)
  local protocol = getmetatable(view).protocol
  local list = {}
  for i, field in ipairs(protocol.fields) do
    if given(field, protocol.row[i], view, way, wrong) then
      list[#list + 1] = ("%s = %s"):format(field.name, field_source(field, view[field.name]))
    end
  end
  area_source(view, protocol.row, list, way)
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
