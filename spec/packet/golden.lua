-- golden.lua: packets as bytes that others have made, and what they are in words: each is
-- read to these fields, built to these bytes, found correct, also after changes, and its
-- source builds it.
-- A row: { name, bytes = hex, kind =, line =, read = { layer = fields }, inner = the same of
-- the packet inside, build = function() }. A key of fields that is a method is called; a
-- number is compared with the number of a field that reads as a name.
local assert = require "luassert"
local packet = require "tun.packet"

local golden = {}

function golden.bytes(hex)
  return (hex:gsub("%s", ""):gsub("%x%x", function(byte)
    return string.char(tonumber(byte, 16))
  end))
end

function golden.hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- The packet that hex digits are.
function golden.parse(hex, kind)
  return packet.parse(golden.bytes(hex), kind or "ip")
end

-- Options tell their numbers, too; rows do not.
local function plain(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, each in pairs(value) do
    copy[key] = key ~= "kind" and plain(each) or nil
    if each == false and key ~= "kind" then
      copy[key] = false
    end
  end
  return copy
end

function golden.fields(found, layers)
  for layer, fields in pairs(layers) do
    local view = assert.truthy(found[layer], layer) and found[layer]
    for key, wanted in pairs(fields) do
      local value = view[key]
      if type(value) == "function" then
        value = value(view)
      elseif type(wanted) == "number" and type(value) == "string" then
        value = view[key .. "_n"]
      end
      value = plain(value)
      assert.same(wanted, value, layer .. "." .. key)
    end
  end
end

--- The packet that source of lua() builds.
function golden.run(source)
  local load_text = loadstring or load -- luacheck: ignore
  return assert(load_text("local packet = ... return " .. source, source))(packet)
end

-- What says how the rest is read, or is read as a part of a packet.
local SHAPE = { version = true, offset = true, mf = true, c = true, r = true, k = true, s = true,
                segleft = true, magic = true, hlen = true, plen = true, needs_csum = true }

-- Another value of a field, and by which name it is set.
local function other(field, view)
  local protocol, name = getmetatable(view).protocol, field.name
  local value = view[name]
  if protocol.get[name .. "_n"] and not field.wide then
    return (view[name .. "_n"] + 77) % 2 ^ field.width, name .. "_n"
  elseif type(value) == "boolean" then
    return not value, name
  elseif type(value) == "number" then
    return (value + 77) % 2 ^ math.min(field.width, 31), name
  elseif field.width == 128 and value:find ":" then
    return "fd00::7777", name
  elseif value:find "^0x" and #value == 2 + field.width / 4 then
    return "0x" .. ("7"):rep(field.width / 4), name
  end
  return #value == field.width / 8 and ("x"):rep(#value) or "x", name
end

-- Change one field after the other; fix() has to do what it does to bytes that it reads.
local function change_each(bytes, kind)
  for i, layer in ipairs(packet.parse(bytes, kind):layers()) do
    for _, field in ipairs(getmetatable(layer).protocol.fields) do
      local found = packet.parse(bytes, kind)
      local view = found:layers()[i]
      if view[field.name] ~= nil and not field.computed and not SHAPE[field.name] then
        local value, key = other(field, view)
        view[key] = value
        local name = getmetatable(view).protocol.name .. "." .. field.name
        assert.equal(value, view[key], name)
        assert.same(true, (found:fix():verify()), name)
        assert.equal(golden.hex(packet.parse(found:bytes(), kind):fix():bytes()),
          golden.hex(found:bytes()), name)
      end
    end
  end
end

local function both_ways(row, it)
  local bytes = golden.bytes(row.bytes)

  it("is read", function()
    local found = packet.parse(bytes, row.kind or "ip")
    assert.is_nil(found.error)
    golden.fields(found, row.read)
    if row.inner then
      golden.fields(found.inner, row.inner)
    end
    assert.equal(row.line, row.line and tostring(found))
  end)

  it("is built", function()
    assert.equal(golden.hex(bytes), golden.hex(row.build():bytes()))
  end)

  it("is correct", function()
    local found = packet.parse(bytes, row.kind or "ip")
    assert.same(true, found:verify())
    assert.equal(golden.hex(bytes), golden.hex(found:fix():bytes()))
  end)

  it("is correct again after a change of each field", function()
    change_each(bytes, row.kind or "ip")
  end)

  it("is printed, and its source builds it", function()
    local found = packet.parse(bytes, row.kind or "ip")
    local source = found:lua()
    assert.equal(golden.hex(bytes), golden.hex(golden.run(source):bytes()))
    assert.is_nil(source:match "packet%.parse")
    for layer in pairs(row.read) do
      assert.truthy(("\n" .. found:show()):find("\n" .. layer .. "\n", 1, true))
      assert.truthy(("\n" .. found:hexdump()):find("\n" .. layer, 1, true))
    end
  end)
end

--- Specs of rows, by the functions that a spec has from busted.
function golden.each(describe, it, rows)
  for _, row in ipairs(rows) do
    describe(row[1], function()
      both_ways(row, it)
    end)
  end
end

return golden
