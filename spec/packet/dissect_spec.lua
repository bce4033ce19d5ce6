-- What C finds in packets for LuaJIT is what the parsers in Lua find.
local core = require "tun.core"
local process = require "spec.process"

local unpack = table.unpack or unpack -- luacheck: ignore

local function lines(options, seed)
  local output = assert(io.popen(("%s %s spec/packet/layers.lua %d 3000"):format(
    process.interpreter, options, seed)))
  local text = output:read "*a"
  output:close()
  return text
end

describe("layers of many shapes", function()
  it("are the same, whether C finds them or Lua", function()
    if not jit then
      return -- there is one way only
    end
    local seed = os.time() % 100000 + 1
    local compiled = lines("", seed)
    assert.equal(3000, select(2, compiled:gsub("\n", "")), seed)
    assert(compiled == lines("-joff", seed), "seed " .. seed)
  end)
end)

describe("a dissector", function()
  local SLOTS = { LIMIT = 5, PAYLOAD = 6, LAYERS = 15, FIRST = 16, MORE = 8, INSIDE = 25,
                  QUOTED = 26, LOOSE = 30 }
  local step, lead, dissect = core.dissector({ "a header" }, SLOTS, 64)
  local arena = core.arena(100)

  it("takes numbers that are there", function()
    local list = {}
    for i = 1, 19 do
      list[i] = 0
    end
    list[1], list[2], list[3], list[4] = 1, 4, 1, 3
    assert.equal(1, step(list))
    assert.is_true(lead(1, 7, 1))
    for _, bad in ipairs { { 0, 7, 1 }, { 1, 65536, 1 }, { 1, -1, 1 }, { 1, 7, 2 }, { 1, 7.5, 1 },
                           { 1, 7, "1" }, {} } do
      assert.is_false(pcall(lead, bad[1], bad[2], bad[3]))
    end
    for _, bad in ipairs { {}, { 1 }, { 0 / 0 } } do
      assert.is_false(pcall(step, bad))
    end
    assert.is_false(pcall(step))
    assert.is_false(pcall(core.dissector))
    assert.is_false(pcall(core.dissector, {}, SLOTS))
  end)

  it("takes operations that leave one value of what is there", function()
    local make = core.dissector({}, SLOTS, 64)
    local function of(code)
      local list = { 1, 4, 1, 3, 0, 0, 0, 0, 0, 0, #code } -- a header of 4 bytes; its first part
      for i = 1, #code do
        list[#list + 1] = code[i]
      end
      for i = 1, 8 do
        list[11 + #code + i] = 0
      end
      return make(list)
    end
    local FIELD, BYTES, BACK, REST, ADD, EQ, NOT, AND, OR = 1, 2, 3, 4, 5, 10, 16, 17, 18
    for _, good in ipairs { { 0, 5 }, { FIELD, 0, 4, 0, -1 }, { FIELD, 3, 1, 7, 1 },
                            { BYTES, 65535, 4 }, { BACK, 1 }, { REST, 0, 1, ADD },
                            { REST, NOT }, { REST, AND, 1, REST }, { REST, OR, 3, 0, 4, NOT },
                            { REST, 0, 4, EQ, AND, 4, REST, 0, 9, EQ, OR, 1, REST } } do
      assert.is_true(of(good) > 0)
    end
    local deep = {}
    for i = 1, 17 do
      deep[i] = REST
    end
    for i = 18, 33 do
      deep[i] = ADD
    end
    for _, bad in ipairs { { ADD }, { NOT }, { AND, 0 }, { REST, ADD }, { REST, REST }, { 19 },
                           { -1 }, { 0 }, { FIELD, 1, 4, 0, 1 }, { FIELD, -1, 1, 0, 1 },
                           { FIELD, 0, 5, 0, 1 }, { FIELD, 0, 0, 0, 1 }, { FIELD, 0, 1, 32, 1 },
                           { FIELD, 0, 1, -1, 1 }, { FIELD, 0, 1, 0 }, { BYTES, 65536, 1 },
                           { BYTES, -1, 1 }, { BYTES, 0, 5 }, { BYTES, 0 }, { BACK, 0 },
                           { BACK, 65536 }, { BACK, -1 }, { REST, AND, 2, REST },
                           { REST, AND, -1, REST }, { REST, AND, 0 }, { REST, AND },
                           { REST, OR, 2, REST, NOT, ADD }, { REST, AND, 2, REST, REST }, deep } do
      assert.error_matches(function() of(bad) end, "step: operations that do not fit")
    end
  end)

  it("reads inside of the arena", function()
    local packet = {}
    assert.equal(0, dissect(arena, packet, 20, 100, 0, 1, 7, 0))
    assert.same({ 100, 24, 1, 20 }, { packet[5], packet[6], packet[15], packet[16] })
    assert.equal(1, dissect(arena, packet, 98, 100, 0, 1, 7, 0)) -- left to Lua: too short
    assert.equal(1, dissect(arena, packet, 20, 100, 1, 1, 7, 0) + #packet[8])
    assert.same({ "a header", 20 }, packet[8][1])
    for _, bad in ipairs { { arena, packet, 20, 101, 0, 1, 7, 0 },
                           { arena, packet, 20, 10, 0, 1, 7, 0 },
                           { arena, packet, 20, 30, 0, 1, 7, 21 },
                           { arena, packet, -1, 30, 0, 1, 7, -1 }, { arena, 7, 20, 30, 0, 1, 7, 0 },
                           { arena, packet, 20, 30, 0, 0, 7, 0 }, { arena, packet, 20, 30, 0 },
                           { io.stdout, packet, 20, 30, 0, 1, 7, 0 } } do
      assert.is_false(pcall(dissect, unpack(bad, 1, 8)))
    end
  end)
end)
