-- Access to the bytes of packets where there is no FFI: whatever a script passes is checked.
local core = require "tun.core"
local with = dofile "spec/failing.lua"

local unpack = table.unpack or unpack -- luacheck: ignore

local bytes = core.bytes

describe("an arena", function()
  local arena = core.arena(4096)

  local function raises(words, call, ...)
    local ok, why = pcall(call, ...)
    assert.is_false(ok)
    assert.is_truthy(tostring(why):find(words, 1, true), why)
  end

  local function rows(n, skip, width)
    return string.char(0, skip, width):rep(n)
  end

  it("gives many numbers at once", function()
    arena:write(0, "\1\2\3\4\5\6\7\8")
    for _, n in ipairs { 0, 1, 16, 17, 20, 40, 255 } do
      local list = { arena:load(0, rows(n, 4, 16)) }
      assert.equal(n, #list)
      assert.equal(n > 0 and 0x1020 or nil, list[n])
    end
    assert.equal(0x010203040506, (arena:load(0, rows(1, 0, 48))))
    assert.equal(0x810182028303, (arena:load(0, rows(1, 7, 48))))
    raises("more than 255 rows", arena.load, arena, 0, rows(256, 0, 8))
    raises("more than 255 rows", arena.load, arena, 0, rows(100000, 0, 8))
    raises("rows: a table is not a string", arena.load, arena, 0, {})
  end)

  it("has no numbers of more than 48 bits", function()
    for _, row in ipairs { { 0, 49 }, { 7, 64 }, { 8, 8 }, { 255, 1 }, { 0, 255 }, { 0, 0 } } do
      local skip, width = row[1], row[2]
      assert.is_false(pcall(arena.load, arena, 0, rows(1, skip, width)))
      assert.is_false(pcall(arena.getbits, arena, 0, skip, width))
      assert.is_false(pcall(arena.setbits, arena, 0, skip, width, 1))
      assert.is_false(pcall(bytes.getter, 0, skip, width))
    end
    assert.equal(0x810182028303, bytes.getter(0, 7, 48)(arena, 0))
    raises("first bit: 8 is not a number from 0 to 7", bytes.getter, 0, 8, 8)
    raises("offset: 65536 is not a number from 0 to 65535", bytes.getter, 65536, 0, 8)
  end)

  local STRANGE = { 0 / 0, 1 / 0, -1 / 0, 2 ^ 53, -2 ^ 53, 1e300, -1e300, 2 ^ 64, -1, 4097, {},
                    "x" }

  it("has bytes nowhere but in it", function()
    for _, at in ipairs(STRANGE) do
      for _, call in ipairs { arena.get8, arena.get16, arena.get32 } do
        assert.is_false(pcall(call, arena, at))
      end
      assert.is_false(pcall(arena.load, arena, at, rows(1, 0, 8)))
      assert.is_false(pcall(arena.getbits, arena, at, 0, 8))
      assert.is_false(pcall(arena.setbits, arena, at, 0, 8, 1))
      assert.is_false(pcall(bytes.getter(0, 0, 8), arena, at))
      assert.is_false(pcall(arena.bytes, arena, at, 1))
      assert.is_false(pcall(arena.bytes, arena, 0, at))
      assert.is_false(pcall(arena.zero, arena, at, 1))
      assert.is_false(pcall(arena.copy, arena, 0, arena, at, 1))
      assert.is_false(pcall(arena.copy, arena, 0, at, 0, 1))
      assert.is_false(pcall(arena.write, arena, at, "x"))
    end
    raises("offset: no value is not a number", arena.get8, arena)
    raises("length: no value is not a number of bytes", arena.bytes, arena, 0)
  end)

  it("takes numbers that a sum and bits can be", function()
    for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0, 1e300, -1e300, 2 ^ 64, {}, "x" } do
      assert.is_false(pcall(arena.sum, arena, 0, 4, value))
      assert.is_false(pcall(arena.setbits, arena, 0, 0, 8, value))
    end
    assert.is_false(pcall(arena.sum, arena, 0, 4, -1))
    assert.is_true(arena:sum(0, 4, 2 ^ 48 - 1) >= 0)
    arena:setbits(0, 4, 8, -1)
    assert.equal(0x0ff2, arena:get16(0))
  end)
end)

describe("memory", function()
  it("is as large as it can be counted", function()
    for _, size in ipairs { 0, -1, 2 ^ 31 } do
      assert.error_matches(function() core.arena(size) end,
        "arena: a size of 1 byte to 2 GiB expected$")
    end
    assert.equal("arena of 10 bytes", tostring(core.arena(10)))
  end)

  -- LuaJIT has less than that.
  for name, make in pairs {
    arena = function() return core.arena(2 ^ 31 - 1) end,
    batch = function()
      local batch, why, code = core.batch(65408, 32703, 0, "tun")
      return batch and batch:arena(), why, code
    end,
  } do
    it("of nearly 2 GiB is there or told of: " .. name, function()
      local arena, why, code = make()
      if arena then
        assert.is_true(arena:size() > 2147475000)
        assert.equal(0, arena:get8(2147475000))
      else
        assert.same({ name .. ": Cannot allocate memory", core.errno.ENOMEM }, { why, code })
      end
    end)
  end

  it("does without a guard, or pages that come anew, and is zero", function()
    for call, errno in pairs { mprotect = "ENOMEM", madvise = "EINVAL" } do
      local arena = with(call, 1, errno, function() return core.arena(1000000, true) end)
      assert.equal(1000000, arena:size())
      assert.equal(0, arena:sum(0, 1000000))
      arena:write(999999, "x")
    end
  end)
end)

describe("addresses", function()
  it("are of 4 or 16 bytes", function()
    assert.equal("10.0.0.1", core.ntop "\10\0\0\1")
    assert.equal("::1", core.ntop(("\0"):rep(15) .. "\1"))
    for _, n in ipairs { 0, 3, 5, 15, 17 } do
      assert.error_matches(function() core.ntop(("\0"):rep(n)) end, "ntop: 4 or 16 bytes expected$")
    end
  end)

  it("are nil when the text is none", function()
    assert.equal("\10\0\0\1", core.pton "10.0.0.1")
    for _, text in ipairs { "", "10.0.0", "10.0.0.1\0", "::1\0", "fe80::1%lo", "x" } do
      assert.is_nil(core.pton(text))
    end
  end)
end)

describe("the numbers of a header", function()
  local function part(at, skip, width)
    return at, skip, width, 1
  end

  -- plain, least, mark, mask, slot; parts.
  local function step(head, ...)
    local list = {}
    for i = 1, 5 do
      list[i] = head[i]
    end
    for _ = 1, 7 do
      for _, number in ipairs { ... } do
        list[#list + 1] = number
      end
    end
    return (core.walker())(list)
  end

  it("lie in it, or are refused", function()
    local head = { 1, 20, 1, 3, 5 }
    assert.equal(1, step(head, part(18, 0, 16)))
    for _, bad in ipairs { { 19, 0, 16 }, { 20, 0, 8 }, { 2 ^ 32 - 1, 0, 8 }, { 0, 8, 8 },
                           { 0, 0, 17 }, { 0, 1, 16 }, { 0, 0, 2 ^ 32 - 1 }, { 0, 2 ^ 32 - 1, 1 },
                           { -1, 0, 8 }, { 0 / 0, 0, 8 }, { 1e300, 0, 8 } } do
      assert.is_false(pcall(step, head, part(bad[1], bad[2], bad[3])))
    end
    for _, bad in ipairs { { 1, 20, 0, 3, 5 }, { 1, 20, 4, 3, 5 }, { 1, 20, 1, 3, 2 ^ 31 },
                           { 1, 0, 1, 3, 5 } } do
      assert.is_false(pcall(step, bad, part(0, 0, 8)))
    end
    assert.is_false(pcall(step, {}))
    assert.is_false(pcall((core.walker())))
    -- Each part for itself.
    local make, parts = core.walker(), {}
    for i = 1, 33 do
      parts[i] = head[i] or 0
    end
    assert.equal(1, make(parts))
    for i = 8, 32, 4 do
      parts[i] = 17
      assert.error_matches(function() make(parts) end, "step: numbers outside of the header$")
      parts[i] = 0
    end
  end)

  -- What a header has to be, in its first bytes, to be gone over.
  local header = { { "\9\2\0\8" }, { "\8\2\0\8", "another number than it has to be" },
                   { "\9\2\0\0", "no extent" }, { "\9\3\0\8", "longer than its extent" },
                   { "\9\2\0\200", "more than there is" }, { "\9\0\0\8", "too short" } }
  for _, row in ipairs(header) do
    it("are left to Lua when it has " .. (row[2] or "nothing wrong") .. " or not", function()
      local list = { 1, 4, 1, 1, 5 }
      for _, number in ipairs { 0, 0, 8, 9, 1, 0, 8, 4, 3, 0, 8, 0 } do
        list[#list + 1] = number
      end
      for _ = #list + 1, 33 do
        list[#list + 1] = 0
      end
      local make, _, walk = core.walker()
      local arena = core.arena(100)
      arena:write(0, row[1])
      local id = make(list)
      assert.equal(row[2] and id or 0, (walk(arena, {}, 0, 100, 0, id)))
    end)
  end

  it("lead to steps that are there", function()
    local make, lead, walk = core.walker()
    local list = { 1, 1, 1, 3, 5 }
    for i = 1, 28 do
      list[5 + i] = 0
    end
    list[5 + 4 * 4 + 3], list[5 + 5 * 4 + 3] = 8, 8 -- what follows
    assert.equal(1, make(list))
    lead(1, 7, 0)
    for _, bad in ipairs { { 0, 7, 1 }, { 2, 7, 1 }, { 1, 65536, 1 }, { 1, -1, 1 }, { 1, 7, 2 },
                           { 1, 7, -1 }, { 1, 7.5, 1 }, {}, { 1 }, { 1, 7, "1" } } do
      assert.is_false(pcall(lead, bad[1], bad[2], bad[3]))
    end
    local arena = core.arena(100)
    arena:write(0, "\7\8")
    local packet = {}
    assert.same({ 1, 0, 100, 0 }, { walk(arena, packet, 0, 100, 0, 1) }) -- left to Lua
    assert.same({ 0, 2, 100, 1 }, { walk(arena, packet, 1, 100, 0, 1) })
    assert.equal(1, packet[5])
    for _, bad in ipairs { { arena, packet, 0, 101, 0, 1 }, { arena, packet, 5, 4, 0, 1 },
                           { arena, packet, -1, 4, 0, 1 }, { arena, packet, 0, 4, 0, 2 },
                           { arena, packet, 0, 4, 0, 0 }, { arena, packet, 0, 4, 0 },
                           { arena, 7, 0, 4, 0, 1 }, { io.stdout, packet, 0, 4, 0, 1 } } do
      assert.is_false(pcall(walk, unpack(bad, 1, 6)))
    end
  end)

  it("are left to Lua where there is no room for what follows", function()
    local make, lead, walk = core.walker()
    local list = { 1, 2, 1, 3, 5 }
    for i = 1, 28 do
      list[5 + i] = 0
    end
    list[5 + 4 * 4 + 3], list[5 + 5 * 4 + 3] = 16, 16
    for _ = 1, 300 do
      make(list)
    end
    local arena = core.arena(100)
    assert.equal(0, (walk(arena, {}, 0, 100, 0, 1)))
    for number = 1, 1025 do
      lead(1, number, 2)
    end
    assert.equal(1, (walk(arena, {}, 0, 100, 0, 1)))
  end)
end)
