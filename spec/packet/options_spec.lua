local form = require "tun.packet.value.form"
local options = require "tun.packet.value.options"
local packet = require "tun.packet"

local format = options.kinds {
  length = "option",
  unit = 1,
  single = { [0] = "eol", [1] = "nop" },
  last = 0,
  multiple = 4,
  { 2, "number", form.number(2) },
  { 3, "record", form.record { { "flag", 1 }, { "reserved", 7 }, { "rest", form.bytes } } },
  { 4, "addresses", form.addresses4 },
  { 5, "mac", form.mac },
  { 6, "none", form.none },
  { 7, "name", form.enum(1, { one = 1, two = 2 }) },
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

describe("options that are no list", function()
  it("are refused", function()
    for _, list in ipairs { { mss = 1400 }, { { "mss", 1400 }, wscale = 3 },
                            { [1] = { "mss", 1 }, [3] = { "mss", 1 } } } do
      assert.error_matches(function() return packet.tcp { options = list } / "x" end,
        "tcp: options are a list")
    end
  end)
end)

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
    assert.equal("\1\2\3\4", options.write(format, "here", "\1\2\3\4"))
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
    refused({ { "name", "three" } }, "here: option name: three is not a number of 1 bytes, or")
    refused({ { "none", 1 } }, "is not nothing")
    refused({ { 77, ("x"):rep(254) } }, "length of 256 does not fit in 8 bits")
    refused({ { "record", { flags = true } } }, "is not a table of flag, rest")
    refused(5, "a list of options expected")
    refused("abc", "here.options: 3 bytes do not fill units of 4")
  end)
end)

describe("what varies behind a header", function()
  local wrong = {
    { "routing", { addresses = { "fe80::1", "x" } }, "routing.addresses: not a list of: an IPv6" },
    { "routing", { addresses = 5 }, "routing.addresses: 5 is not a list of: an IPv6" },
    { "routing", { addresses = "abc" }, "routing.addresses: 3 bytes do not fill units of 8" },
    { "mld2", { sources = { 1 } }, "mld2.sources: not a list of: an IPv6 address" },
    { "mld2_report", { records = { 1 } }, "a table of type, group, sources, aux" },
    { "mld2_report", { records = { { grp = "ff02::1" } } }, "a table of type, group, sources" },
    { "mld2_report", { records = { { group = "ff02::1", sources = 1 } } }, "not a list" },
    { "mld2_report", { records = 5 }, "mld2_report.records: 5 is not a list of" },
    { "ah", { icv = "abc" }, "ah.icv: abc is not a string that fills units of 4" },
    { "ah", { icv = 5 }, "ah.icv: 5 is not a string that fills units of 4" },
    { "dns", { body = 5 }, "dns.body: a string expected, not 5" },
    { "dns", { questions = 5 }, "dns: 5 is not a list of questions" },
    { "dns", { questions = { 5 } }, "dns: 5 is not a record: a table of name, type, class, ttl" },
    { "dns", { questions = { { name = "a", typ = "MX" } } }, "is not a record: a table of name" },
    { "dns", { questions = { { name = "a", type = "BOGUS" } } }, "the type of a record: BOGUS" },
    { "dns", { answers = { { name = "a", type = "MX", data = 5 } } },
      "dns: 5 is not data of MX: a table of preference, exchange" },
    { "dns", { answers = { { name = "a", type = "MX", data = { exchang = "a" } } } },
      "is not data of MX: a table of preference, exchange" },
    { "dns", { answers = { { name = "a", type = "MX", data = { preference = 1 } } } },
      "is not a domain name" },
    { "hopopts", { options = "abc" }, "hopopts.options: 3 bytes do not fill units of 8" },
    { "ip4", { options = { { "rr", { addresses = { "x" } } } } }, "ip4: option rr: " },
    { "ns", { options = { { "slla", "x" } } }, "ns: option slla: x is not a link-layer address" },
    { "dhcp", { options = { { "type", "x" } } }, "dhcp: option type: x is not a number of 1" },
  }

  for _, row in ipairs(wrong) do
    it("is refused, with the caller's line: " .. row[3], function()
      local ok, message = pcall(function()
        return packet[row[1]](row[2])
      end)
      assert.is_false(ok)
      assert.truthy(message:find(row[3], 1, true), message)
      assert.truthy(message:find("options_spec.lua:", 1, true), message)
    end)
  end
end)
