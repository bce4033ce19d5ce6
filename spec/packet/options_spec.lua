local options = require "tun.packet.options"

local format = options.kinds {
  length = "option",
  unit = 1,
  single = { [0] = "eol", [1] = "nop" },
  last = 0,
  multiple = 4,
  { 2, "number", options.number(2) },
  { 3, "record", options.record { { "flag", 1 }, { "reserved", 7 }, { "rest", options.bytes } } },
  { 4, "addresses", options.addresses4 },
  { 5, "mac", options.mac },
  { 6, "none", options.none },
  { 7, "name", options.enum(1, { one = 1, two = 2 }) },
}

local function both(list)
  local text = options.write(format, "here", list)
  local found = options.read(format, text)
  for i, option in ipairs(found) do
    option.kind = nil
    found[i] = option
  end
  return found, text
end

describe("an area of options", function()
  it("gives what it was built of", function()
    local list = {
      { "number", 513 }, { "record", { flag = true, rest = "abc" } },
      { "addresses", { "1.2.3.4", "5.6.7.8" } }, { "mac", "02:00:00:00:00:01" }, { "none" },
      { "name", "two" }, { "name", 3 }, { 77, "raw" }, { "nop" }, { "number", raw = "x" },
    }
    local found, text = both(list)
    for i, option in ipairs(list) do
      assert.same(option, found[i])
    end
    assert.equal(0, #text % 4)
  end)

  it("ends, whatever its bytes are, and has all of them", function()
    local seed = 1
    local function random(n)
      seed = (seed * 16807) % 2147483647
      return seed % n
    end
    for _ = 1, 3000 do
      local bytes = {}
      for i = 1, 4 * random(11) do
        bytes[i] = string.char(random(random(2) == 0 and 10 or 256))
      end
      local text = table.concat(bytes)
      local list = options.read(format, text)
      assert.is_true(#list <= #text)
      assert.equal(text, options.write(format, "here", list))
    end
  end)

  it("takes bytes as they are", function()
    assert.equal("\1\2\3", options.write(format, "here", "\1\2\3"))
  end)

  it("refuses what is no option, with the names there are", function()
    local function refused(list, words)
      local ok, message = pcall(options.write, format, "here", list)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    refused({ { "bogus", 1 } }, "here: no option bogus; there are: addresses, eol, mac,")
    refused({ { "number", 65536 } }, "here: option number: 65536 is not a number from 0 to 65535")
    refused({ { "addresses", { "1.2.3" } } }, "is not a list of: an IPv4 address")
    refused({ "number" }, 'an option is a table such as { "name", value }, not number')
    refused({ { "name", "three" } }, "here: option name: three is not a number or a name")
    refused({ { "none", 1 } }, "is not nothing")
    refused({ { 77, ("x"):rep(254) } }, "254 bytes are too many")
    refused(5, "a list of options expected")
  end)
end)
