-- Every protocol, by what is said of all of them.
local index = require "tun.packet.protocol.index"
local packet = require "tun.packet"

local names = {}
for _, protocols in pairs(index.protocols) do
  for name in pairs(protocols) do
    names[#names + 1] = name
  end
end
table.sort(names)

local function list(numbers)
  return type(numbers) == "table" and numbers or { numbers }
end

describe("the index of protocols", function()
  it("says what the declarations say", function()
    for _, protocols in pairs(index.protocols) do
      for name, follows in pairs(protocols) do
        local declared = {}
        for space, numbers in pairs(packet[name].follows) do
          declared[space] = list(numbers)
        end
        for space, numbers in pairs(follows) do
          assert.same(list(numbers), declared[space], name .. " behind " .. space)
          declared[space] = nil
        end
        assert.is_nil(next(declared), name)
      end
    end
  end)
end)

-- Some values of a field: both ends, the middle, and every name.
local function values_of(field)
  local highest = 2 ^ math.min(field.width, 52) - 1
  local values = { 0, math.floor(highest / 3), highest }
  if field.width == 1 and not field.words then
    return { true, false }
  elseif field.wide or field.text and not field.words then
    return {}
  elseif field.signed then
    values = { -2 ^ (field.width - 1), -1, 0, 2 ^ (field.width - 1) - 1 }
  end
  for name in pairs(field.words and field.enum or {}) do
    values[#values + 1] = name
  end
  return values
end

local function same(field, given, found, number)
  if type(given) == "number" and type(found) == "string" then
    return number == given and field.enum[found] == given
  end
  return found == given
end

describe("every field of every protocol", function()
  for _, name in ipairs(names) do
    it("can be compared with what was written: " .. name, function()
      local protocol = packet[name]
      for _, field in ipairs(protocol.fields) do
        for _, value in ipairs(field.when and {} or values_of(field)) do
          local view = protocol({ [field.name] = value }):layers()[1]
          assert.is_true(same(field, value, view[field.name],
            field.words and view[field.name .. "_n"]), name .. "." .. field.name .. " built")
          view = protocol({}):layers()[1]
          view[field.name] = value
          assert.is_true(same(field, value, view[field.name],
            field.words and view[field.name .. "_n"]), name .. "." .. field.name .. " set")
        end
        if not field.when and not field.computed then
          local view = protocol({}):layers()[1]
          local before = view[field.name]
          view[field.name] = before
          assert.equal(before, view[field.name], name .. "." .. field.name)
        end
      end
      assert.truthy(tostring(protocol):find(name, 1, true))
    end)
  end
end)

describe("a protocol that cannot be loaded when a packet leads to it", function()
  it("is payload, until it can", function()
    local process = dofile "spec/process.lua"
    local text, status = process.lua [[
      local packet = require "tun.packet"
      local bytes = (packet.ip4 { proto = 132 } / ("\0"):rep(12)):bytes()
      local path = package.path
      package.path = ""
      local p = packet.parse(bytes, "ip")
      print(p.error, #p.payload, #p:layers())
      package.path = path
      p = packet.parse(bytes, "ip")
      print(#p.payload, #p:layers(), p.sctp.sport)]]
    assert.equal(0, status, text)
    assert.equal("nil\t12\t1\n0\t2\t0", text)
  end)
end)
