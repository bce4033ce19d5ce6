-- What a declaration can say, and what it is told when it is none.
local packet = require "tun.packet"
local form, options = packet.form, packet.options

local function complaint(name, rows)
  local ok, why = pcall(function()
    packet.header(name, rows)
  end)
  assert.is_false(ok)
  return why
end

describe("a declaration", function()
  local function row(...)
    return { { "a", 8 }, ... }
  end

  local WRONG = {
    { { { "a", 8 }, level = "nett" }, "no level nett; there are: application, info, link" },
    { { { "a", 16, order = "litle" } }, "no order litle; there are: big, little, native" },
    { { { "a", 16, codec = "ip" } }, "no codec ip; there are: bytes, chars, hex, ip4, ip6, mac" },
    { { { "a", 16, codec = "ip4" } }, "the codec ip4 takes 32 bits, not 16" },
    { { { "a", 8 }, follows = { udpp = 1 } }, "nothing is found by udpp; there are: .*udp" },
    { { { "a", 8 }, follows = { udp = "x" } }, "follows: x of udp is no number" },
    { { { "a", 8 }, size = "b * 4" }, "no b in the expression of size; there are: a" },
    { { { "a", 8 }, size = "a * " }, "a %*  is no expression, for size" },
    { { { "a", 8, computed = "size" }, size = "a * a" }, "not linear in one field" },
    { { { "a", 8, computed = "size" } }, "computed from size, which the header does not say" },
    { { { "a", 8, computed = "sise" } }, "no way to compute a field sise; there are" },
    { row { "a", 8 }, "two fields a" },
    { row { "a_n", 8 }, "a_n is reserved" },
    { row { "name", 8 }, "name is reserved: a layer has it already" },
    { row { "1st", 8 }, "1st is no name of a field" },
    { row { "b", 0 }, "b: 0 is no number of bits" },
    { row { "b", 65 }, "b: a number has at most 64 bits, not 65" },
    { row { "b", 54 }, "b: 54 bits do not fill whole bytes" },
    { row { "b", 4 }, "fields of 12 bits do not fill whole bytes" },
    { row { "b", 8, enum = { x = 1, y = 1 } }, "b: 1 has two names, [xy] and [xy]" },
    { row { "b", 8, enum = { x = 256 } }, "b: x = 256 is no name and number of 8 bits" },
    { row { "b", 8, over = "c" }, "no field to lie over c; there are: a" },
    { row { "b", 8, bogus = 1 }, "no key bogus of row 2; there are: at, codec" },
    { row { "b", "8" }, "b: 8 is no number of bits" },
    { row({ "b", form.bytes }, { "c", 8 }), "c stands behind b, which has no fixed size" },
    { { { "a", 8 }, checksum = { kind = "crc" } }, "no checksum crc; there are: crc32c, internet" },
    { { { "a", 8 }, inner = "etth" }, "no kind of packet etth" },
    { { { "a", 8 }, sise = "a" }, "no key sise of a header; there are: " },
  }

  for i, case in ipairs(WRONG) do
    it(("that is wrong is refused at its line: %d %s"):format(i, case[2]), function()
      local why = complaint("spec_wrong", case[1])
      assert.matches("declare_spec.lua:%d+: header \"spec_wrong\": ", why)
      assert.matches(case[2], why)
      assert.is_false(pcall(function() return packet.parse("x", "spec_wrong") end))
    end)
  end

  it("has a name that nothing else has", function()
    for _, name in ipairs { "fix", "payload", "error", "parse", "bind", "inner", "bytes" } do
      assert.matches(name .. " is reserved", complaint(name, { { "a", 8 } }))
    end
    assert.matches("no name of a header", complaint("a-b", { { "a", 8 } }))
  end)
end)

describe("a number", function()
  packet.header("spec_numbers", {
    { "small", 4 },
    { "odd", 44 },
    { "exact", 53 },
    { "rest", 3 },
    { "wide", 64 },
    { "mixed", 56 },
    { "signed", 16, signed = true },
    { "little", 32, order = "little" },
    { "long", 64, order = "little" },
    { "tiny", 5, signed = true },
    { "spare", 3 },
  })

  local function with(fields)
    return packet.parse(packet.spec_numbers(fields):bytes(), "spec_numbers").spec_numbers
  end

  it("of up to 53 bits is a number, whatever lies beside it", function()
    for _, value in ipairs { 0, 1, 2 ^ 31, 2 ^ 32 + 5, 2 ^ 43 + 12345 } do
      local it = with { small = 15, odd = value, exact = value * 512 + 511, rest = 7 }
      assert.same({ 15, value, value * 512 + 511, 7 }, { it.small, it.odd, it.exact, it.rest })
    end
    local it = with { exact = 2 ^ 53 - 1 }
    assert.same({ 0, 2 ^ 53 - 1, 0 }, { it.odd, it.exact, it.rest })
    assert.is_false(pcall(packet.spec_numbers, { exact = 2 ^ 53 }))
  end)

  it("of more bits is text, which loses none; its _n is the nearest number", function()
    local it = with { wide = "0xfedcba9876543210", mixed = "0x123456789abcde" }
    assert.same({ "0xfedcba9876543210", "0x123456789abcde" }, { it.wide, it.mixed })
    assert.equal(0xfedcba9876543210 % 2 ^ 64, it.wide_n % 2 ^ 64)
    it.wide = it.wide
    assert.equal("0xfedcba9876543210", it.wide)
    it.wide = 2 ^ 60 + 2 ^ 40
    assert.same({ "0x1000010000000000", 2 ^ 60 + 2 ^ 40 }, { it.wide, it.wide_n })
    it.wide = "0xF"
    assert.equal("0x000000000000000f", it.wide)
    for _, value in ipairs { "0x1fedcba9876543210", "12", "0x", 2 ^ 64, -1, 0.5, true } do
      assert.is_false(pcall(function() it.wide = value end))
    end
    assert.equal("0x0000000000000000", with({}).wide)
  end)

  it("may have a sign, and the lowest byte first", function()
    local it = with { signed = -2, little = 0x01020304, long = "0x0102030405060708", tiny = -16 }
    assert.same({ -2, 0x01020304, "0x0102030405060708", -16 },
      { it.signed, it.little, it.long, it.tiny })
    local bytes = packet.spec_numbers({ little = 0x01020304, long = "0x0102030405060708" }):bytes()
    assert.equal("\4\3\2\1\8\7\6\5\4\3\2\1", bytes:sub(-13, -2))
    assert.is_false(pcall(function() it.signed = 32768 end))
    assert.is_false(pcall(function() it.tiny = 16 end))
  end)
end)

describe("a codec of a script", function()
  packet.header("spec_codecs", {
    { "fixed", 16, codec = {
      what = "a number from 0 to below 256",
      read = function(number) return number / 256 end,
      write = function(value) return type(value) == "number" and value * 256 end,
    } },
    { "time", 64, codec = {
      what = "seconds",
      read = function(bytes) return bytes:byte(8) end,
      write = function(value)
        return type(value) == "number" and ("\0"):rep(7) .. string.char(value)
      end,
    } },
    { "id", 24, codec = "bytes" },
    { "label", 64, codec = "chars" },
  })

  it("needs no knowledge of memory", function()
    local it = packet.parse(packet.spec_codecs({ fixed = 1.5, time = 9, id = "a\0b", label = "x" })
      :bytes(), "spec_codecs").spec_codecs
    assert.same({ 1.5, 384, 9, "a\0b", "x" }, { it.fixed, it.fixed_n, it.time, it.id, it.label })
    it.fixed, it.time = 2, 10
    assert.same({ 2, 10 }, { it.fixed, it.time })
    it.fixed_n = 640
    assert.same({ 2.5, 10 }, { it.fixed, it.time })
    for name, value in pairs { fixed = 300, time = "x", id = "ab", label = ("x"):rep(9) } do
      local ok, why = pcall(function() it[name] = value end)
      assert.is_false(ok)
      assert.matches("spec_codecs." .. name .. ": .* is not ", why)
    end
  end)
end)

describe("what stands behind the fields", function()
  local inner = options { head = { { "kind", 16 }, { "length", 16 } }, pad = 4,
    { 1, "name", form.bytes }, { 2, "number", form.number(4) } }
  packet.header("spec_lists", {
    { "units", 8, computed = "size" },
    { "count", 8 },
    { "id", form.counted(1) },
    { "numbers", form.list(form.number(2)), count = "count" },
    { "options", options {
      head = { { "kind", 7 }, { "length", 9 } }, multiple = 1,
      { 5, "text", form.bytes }, { 6, "nested", inner },
    } },
    size = "units",
    follows = { udp = 7777 },
  })

  local NESTED = { { "nested", { { "name", "abc" }, { "number", 7 } } }, { "text", "t" } }

  local function plain(value)
    if type(value) ~= "table" then
      return value
    end
    local copy = {}
    for key, each in pairs(value) do
      copy[key] = key ~= "kind" and plain(each) or nil
    end
    return copy
  end

  it("is built, read and replaced by its name, and the header grows", function()
    local p = packet.ip4 {} / packet.udp {}
      / packet.spec_lists { id = "xy", numbers = { 1, 2, 3 }, options = NESTED } / "rest"
    local q = packet.parse(p:bytes(), "ip")
    local it = q.spec_lists
    assert.same({ "xy", 3, { 1, 2, 3 }, "rest" },
      { it.id, it.count, plain(it.numbers), q.payload })
    assert.same(NESTED, plain(it.options))
    it.options = { { "text", ("long"):rep(20) } }
    it.numbers = { 9 }
    it.id = "another"
    assert.same({ "another", 1, { 9 }, "rest" }, { it.id, it.count, plain(it.numbers), q.payload })
    assert.equal(("long"):rep(20), it.options[1][2])
    q:fix()
    assert.is_true(q:verify())
    assert.equal(q:bytes(), packet.parse(q:bytes(), "ip"):fix():bytes())
    it.options = {}
    assert.equal("rest", q:fix().payload)
    assert.equal(2 + 8 + 2, it.units)
  end)

  it("is as much as is there when it is cut, and the source builds it", function()
    local bytes = packet.spec_lists({ id = "xy", numbers = { 1, 2, 3 }, options = NESTED }):bytes()
    for n = 2, #bytes do
      local p = packet.parse(bytes:sub(1, n), "spec_lists")
      local it = p.spec_lists
      if it then
        assert.truthy(it.options or p:show())
      end
      local load_text = loadstring or load -- luacheck: ignore
      local again = load_text("local packet = ... return " .. p:lua())(packet)
      assert.equal(bytes:sub(1, n), again:bytes())
    end
  end)

  it("grows in a packet that is inside of another, too", function()
    local p = packet.ip4 {} / packet.gre {} / packet.ip4 {} / packet.tcp { syn = true } / "data"
    local read = packet.parse(p:bytes(), "ip")
    read.inner.tcp.options = { { "mss", 1400 }, { "nop" }, { "wscale", 7 } }
    read:fix()
    assert.is_true(read:verify())
    local again = packet.parse(read:bytes(), "ip")
    assert.same({ "data", 1400, 28 },
      { again.inner.payload, again.inner.tcp.options[1][2], again.inner.tcp.doff * 4 })
  end)
end)

describe("bind", function()
  it("lets another number lead to a protocol", function()
    local function read(port)
      return packet.parse((packet.ip4 {} / packet.udp { dport = port } / packet.dns {
        questions = { { name = "a.b" } } }):bytes(), "ip")
    end
    assert.is_nil(read(5300).dns)
    packet.bind { udp = { 5300, 5301 }, to = "dns" }
    assert.equal("a.b", read(5300).dns.questions[1].name)
    assert.equal("a.b", read(5301).dns.questions[1].name)
    assert.is_true(read(5300):verify())
    assert.equal(53, (packet.ip4 {} / packet.udp {} / packet.dns {}).udp.dport)
  end)

  it("refuses what leads nowhere", function()
    for words, rule in pairs {
      ["no protocol dnss to lead to"] = { udp = 1, to = "dnss" },
      ["nothing is found by udpp"] = { udpp = 1, to = "dns" },
      ["x is no number of udp"] = { udp = "x", to = "dns" },
      ["what leads to it"] = { to = "dns" },
    } do
      local ok, why = pcall(packet.bind, rule)
      assert.is_false(ok)
      assert.matches(words, why)
    end
  end)
end)

describe("CRC32c", function()
  it("is that of RFC 3720, B.4, lowest byte first", function()
    packet.header("spec_crc", {
      { "sum", 32, order = "little", computed = "checksum" },
      checksum = { over = "extent", kind = "crc32c" },
      level = "transport",
    })
    -- The sum covers its own four zeros: those of 32 zeros are known.
    assert.equal(0x8a9136aa, packet.spec_crc({}).spec_crc.sum * 0 + packet.parse(
      (packet.spec_crc {} / ("\0"):rep(28)):bytes(), "spec_crc").spec_crc.sum)
    local p = packet.spec_crc {} / "x"
    assert.is_true(p:verify())
    p.payload = "y"
    assert.is_not_true(p:verify())
    assert.is_true(p:fix():verify())
  end)
end)
