-- The Internet checksum, in every way in which this processor can do it.
local core = require "tun.core"
local spec = require "tun.spec"

local PAGE = 4096
local MOST = 65536

--- The sum by RFC 1071, section 1, as a loop over bytes.
local function reference(bytes, initial)
  local sum = initial
  for i = 1, #bytes, 2 do
    local high, low = bytes:byte(i, i + 1)
    sum = sum + high * 256 + (low or 0)
  end
  while sum > 0xffff do
    sum = sum % 0x10000 + math.floor(sum / 0x10000)
  end
  return sum
end

local function random_bytes(n)
  local bytes = {}
  for i = 1, n do
    bytes[i] = string.char(math.random(0, 255))
  end
  return table.concat(bytes)
end

--- The same for every way; each reports itself when it fails.
local function each_way(f)
  for way, name in ipairs(spec.checksums()) do
    f(way, name)
  end
end

describe("the Internet checksum", function()
  -- Bytes end where a page begins that cannot be touched.
  local arena = assert(core.arena(MOST + PAGE, true))
  local copy = assert(core.arena(MOST + PAGE, true))
  local size = arena:size()

  --- Compare a way's sum, and its copy, with the reference.
  local function check(way, name, bytes, behind, initial)
    local at, n = size - behind - #bytes, #bytes
    local where = ("%s, %d bytes, %d before the end"):format(name, n, behind)
    local wanted = reference(bytes, initial)
    arena:write(at, bytes)
    assert.equal(wanted, spec.checksum(way, arena, at, n, initial), where)
    for shift = 0, 1 do
      copy:zero(at - shift - 1, n + shift + 1)
      assert.equal(wanted, spec.checksum(way, arena, at, n, initial, copy, at - shift), where)
      assert.equal("\0" .. bytes .. ("\0"):rep(shift), copy:bytes(at - shift - 1, n + 1 + shift),
        where)
    end
  end

  it("has a portable way and one that is used", function()
    local ways = spec.checksums()
    assert.equal("portable", ways[1])
    arena:write(0, ("packet"):rep(50))
    assert.equal(spec.checksum(#ways, arena, 0, 300, 7), arena:sum(0, 300, 7))
  end)

  it("is right for every size up to 300 bytes", function()
    local bytes = random_bytes(300)
    each_way(function(way, name)
      for n = 0, 300 do
        check(way, name, bytes:sub(1, n), 0, 0)
      end
    end)
  end)

  it("is right at every alignment", function()
    local bytes = random_bytes(600)
    each_way(function(way, name)
      for behind = 0, 130 do
        check(way, name, bytes:sub(1, 300 + behind), behind, 0)
      end
    end)
  end)

  it("is right for random sizes up to 65536 bytes", function()
    local bytes = random_bytes(MOST)
    each_way(function(way, name)
      for _ = 1, 10 do
        local n = math.random(0, MOST)
        check(way, name, bytes:sub(1, n), math.random(0, 255), math.random(0, 0xffff))
      end
      check(way, name, bytes, 0, 0)
    end)
  end)

  it("continues from an initial sum", function()
    local initials = { 1, 0xffff, 0x10000, 0xffffffff, 0x100000000, 2 ^ 48 - 1 }
    local bytes = random_bytes(100)
    each_way(function(way, name)
      for _, initial in ipairs(initials) do
        for _, n in ipairs { 0, 1, 2, 63, 64, 99 } do
          check(way, name, bytes:sub(1, n), 0, initial)
        end
      end
    end)
  end)

  it("of ones is ones, and only of zeroes zero", function()
    each_way(function(way, name)
      for _, n in ipairs { 2, 20, 62, 64, 66, 128, 1500, MOST } do
        check(way, name, ("\255"):rep(n), 0, 0)
        check(way, name, ("\0"):rep(n), 0, 0)
        check(way, name, ("\0"):rep(n - 2) .. "\255\255", 0, 0)
        check(way, name, ("\0\1\255\254"):rep(n / 2):sub(1, n), 0, 0xffff)
      end
    end)
  end)

  it("carries from every place to every other", function()
    each_way(function(way, name)
      for at = 0, 256 do
        local bytes = ("\255"):rep(at) .. "\0\1" .. ("\255"):rep(260 - at)
        check(way, name, bytes, at % 3, 0)
      end
    end)
  end)

  it("of a way that is not there is refused", function()
    assert.error_matches(function()
      spec.checksum(#spec.checksums() + 1, arena, 0, 0, 0)
    end, "no such way")
  end)
end)
