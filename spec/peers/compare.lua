-- compare.lua: read packets as peer.py's lines describe them, and tell every difference.
local entries = require "tun.entries"
local packet = require "tun.packet"

local compare = {}

--- The packets of a file of peer.py, one after the other.
function compare.lines(path)
  local lines = io.lines(path)
  return function()
    local line = lines()
    return line and assert((loadstring or load)("return " .. line))() -- luacheck: ignore
  end
end

--- Bytes of a text of hexadecimal digits.
function compare.unhex(text)
  return (text:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function shown(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, each in entries(value) do
    parts[#parts + 1] = tostring(key) .. "=" .. shown(each)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, " ") .. "}"
end

-- Whether a value has everything that is expected of it; a number may be asked of a bit.
local function has(expected, is)
  if type(expected) == "boolean" and type(is) == "number" then
    return expected == (is == 1)
  elseif type(is) == "boolean" and type(expected) == "number" then
    return is == (expected == 1)
  elseif type(expected) ~= "table" or type(is) ~= "table" then
    return expected == is
  end
  for key, value in entries(expected) do
    if not has(value, is[key]) then
      return false
    end
  end
  return #expected == #is
end

-- Options as { number, value }.
local function by_number(options)
  local list = {}
  for i, option in ipairs(options) do
    list[i] = { option.kind, option[2] }
  end
  return list
end

local function value_of(view, field)
  local value = view[field]
  return field == "options" and by_number(value) or value
end

local function layer(expected, view, say)
  local name = view:name()
  if name ~= expected.layer then
    return say(("layer %s, expected %s"):format(name, expected.layer))
  end
  for field, value in entries(expected) do
    if field ~= "layer" then
      local is = value_of(view, field)
      if type(value) == "number" and type(is) == "string" then
        is = view[field .. "_n"]
      end
      if not has(value, is) then
        say(("%s.%s is %s, expected %s"):format(name, field, shown(is), shown(value)))
      end
    end
  end
end

--- Compare a packet with what is expected of it.
-- @param say  called with every difference, in words
function compare.packet(expected, p, say)
  local layers = p:layers()
  for i = 1, math.max(#layers, #expected.layers) do
    if layers[i] and expected.layers[i] then
      layer(expected.layers[i], layers[i], say)
    else
      say(layers[i] and "one more layer: " .. layers[i]:name()
        or "no layer " .. expected.layers[i].layer)
    end
  end
  if p.error then
    say(("error in %s: %s"):format(p.error.layer, p.error.message))
  end
  if expected.inner and not p.inner then
    say "no inner packet"
  elseif expected.inner then
    compare.packet(expected.inner, p.inner, say)
  elseif expected.payload and p.payload ~= compare.unhex(expected.payload) then
    say(("payload of %d bytes, expected %d"):format(#p.payload, #expected.payload / 2))
  end
end

-- The packet and those inside of it: all layers.
local function all_layers(p)
  local all = {}
  while p do
    for _, view in ipairs(p:layers()) do
      all[#all + 1] = view
    end
    p = p.inner
  end
  return all
end

--- Compare a packet with the layers that it was built of.
function compare.given(layers, p, say)
  local views = all_layers(p)
  for i, layer_given in ipairs(layers) do
    local name, fields = layer_given[1], layer_given[2]
    if type(layer_given) == "table" and views[i]:name() ~= name then
      say(("layer %s, built as %s"):format(views[i]:name(), name))
    end
    for field, value in entries(type(fields) == "table" and fields or {}) do
      local is = views[i][field]
      if type(value) == "number" and type(is) == "string" then
        is = views[i][field .. "_n"]
      end
      if field == "options" then -- what fills the area up is not among those given
        while #is > #value do
          table.remove(is)
        end
      end
      if not has(value, is) then
        say(("%s.%s is %s, built as %s"):format(name, field, shown(is), shown(value)))
      end
    end
  end
end

--- What a packet's lengths and checksums should be, in words.
function compare.verified(p, say)
  local ok, why = p:verify()
  if not ok then
    say("verify: " .. why)
  end
end

--- Whether the source of a packet builds the same bytes.
function compare.rebuilt(p, say)
  local source = p:lua()
  local chunk, why = (loadstring or load)("local packet = ...; return " .. source) -- luacheck: ignore
  local ok, again = pcall(chunk or error, chunk and packet or why)
  if not ok then
    say(("lua(): %s\n%s"):format(tostring(again), source))
  elseif again:bytes() ~= p:bytes() then
    say(("lua() builds other bytes:\n%s"):format(source))
  end
end

function compare.parse(text, kind)
  return packet.parse(text, kind or "eth")
end

return compare
