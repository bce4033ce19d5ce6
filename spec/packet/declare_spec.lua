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
    { { { "a", 8 }, level = "nett" }, "no level nett; there are: application, link, net" },
    { { { "a", 16, order = "litle" } }, "no order litle; there are: big, little, native" },
    { { { "a", 16, codec = "ip" } }, "no codec ip; there are: bytes, chars, hex, ip4, ip6, mac" },
    { { { "a", 16, codec = "ip4" } }, "the codec ip4 takes 32 bits, not 16" },
    { { { "a", 8 }, follows = { udpp = 1 } }, "nothing is found by udpp; there are: .*udp" },
    { { { "a", 8 }, follows = { udp = "x" } }, "follows.udp: x is not a whole number" },
    { { { "a", 8 }, size = "b * 4" }, "size: b %* 4 has no field b; there are: a" },
    { { { "a", 8 }, size = "a * " }, "size: a %*  is no expression" },
    { { { "a", 8, computed = "size" }, size = "a * a" }, "a %* a is not linear in it alone" },
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
    { row { "b", 8, over = "c" }, "b.over: no field c in front; there are: a" },
    { row { "b", 8, bogus = 1 }, "no key bogus of b; there are: at, codec" },
    { row { "b", "8" }, "b: 8 is no number of bits" },
    { row({ "b", form.bytes }, { "c", 8 }), "c stands behind b, which has no fixed size" },
    { { { "a", 8 }, checksum = { kind = "crc" } }, "no checksum crc; there are: crc32c, internet" },
    { { { "a", 8 }, inner = "etth" }, "no kind of packet etth" },
    { { { "a", 8 }, sise = "a" }, "no key sise of a header; there are: " },
    { row { "end", 8 }, "end is no name of a field" },
    -- What an expression gives, and may be made of.
    { { { "a", 8 }, size = "a == 1" }, "size: a == 1 gives a boolean, not a number" },
    { { { "a", 8 }, size = "a / 2" }, "size: a / 2 gives 0.5" },
    { { { "a", 8 }, size = "4 / a" }, "divides by what may be 0" },
    { { { "a", 8 }, size = "a % 0" }, "divides by 0" },
    { { { "a", 8 }, size = "a // 2" }, "has //" },
    { { { "a", 8 }, size = "a << 2" }, "has <<" },
    { { { "a", 8 }, size = "a & 3" }, "has more than fields, numbers" },
    { { { "a", 8 }, size = "#a" }, "has more than fields, numbers" },
    { { { "a", 8 }, size = "a --" }, "has %-%-" },
    { { { "a", 8 }, size = "a) or (4" }, "is no expression" },
    { { { "a", 8 }, size = ("9"):rep(400) .. " - a" }, "has a number of more than 15 digits" },
    { { { "a", 8 }, size = "u8(a)" }, "cannot have u8 so" },
    { { { "a", 8 }, size = "back(1)" }, "cannot have back so" },
    { { { "a", 8 }, unless = "back(0) == 1" }, "cannot have back so" },
    { { { "a", 8 }, size = 4 }, "size: 4 is a number, not an expression" },
    { { { "a", 8 }, unless = "a" }, "unless: a gives a number, not a boolean" },
    { { { "a", 8 }, valid = { "a" , "x" } }, "valid: a gives a number, not a boolean" },
    { { { "a", 8 }, valid = { "a == 1" } }, "valid: its second is words" },
    { { { "a", 8 }, valid = "a == 1" }, "valid: a string is not a table" },
    { { { "a", 8 }, whole = "a" }, "whole: a gives a number, not a boolean" },
    { { { "a", 8 }, quotes = 1 }, "quotes: 1 is a number, not an expression" },
    { { { "a", 8 }, next = { "ip", "a == 1" } }, "next: a == 1 gives a boolean" },
    { { { "a", 8 }, next = { "ip" } }, "next: nil is a nil, not an expression" },
    { { { "a", 8 }, next = { 5, "a" } }, "next: 5 is no name" },
    { { { "a", 8 }, next = { "ip", "a", least = "x" } }, "next.least: x is not a whole number" },
    { { { "a", 8 }, inner = { "ip", "b" } }, "inner: b has no field b" },
    { { { "a", 8 }, inner = 5 }, "inner: a number is not a table" },
    { { { "a", 8 }, final = function() end }, "final: function: .* is a function, not" },
    { row { "b", 8, when = "a" }, "b: what may be absent has a place of its own: at" },
    { row { "b", 8, at = "stop" }, "cannot have stop so" },
    { row { "b", 8, at = "1", when = "a == 1" }, "when: a == 1 gives a boolean" },
    { { { "a", 8 }, { "b", 8, at = "1" } }, "b: 1 lies at byte 1, outside of the header" },
    { { { "a", 8 }, { "b", 16, at = "1", when = "a" }, size = "1 + a" },
      "b: 1 lies at byte 1, outside of the header" },
    { { { "a", 8 }, { "b", 8, at = "0 - a" } }, "lies at byte %-1, outside" },
    { { { "a", 24 }, { "b", 8, at = "1", when = "a" } }, "of 12 at most it can be known" },
    { row { "b", 4, at = "0" }, "b: 4 bits do not fill whole bytes, as what has a place" },
    -- Values of keys.
    { row { "b", 8, default = 256 }, "b: 256 is no default for it" },
    { row { "b", 8, default = "one", enum = { two = 2 } }, "b: one is no default" },
    { row({ "b", 1, default = 2 }, { "c", 7 }), "b: 2 is no default for it" },
    { row { "b", 32, codec = "ip4", default = "10.0.0.256" }, "10.0.0.256 is no default" },
    { row { "b", 64, codec = "bytes", default = "x" }, "b: x is no default for it" },
    { row { "b", 8, format = "%d%d" }, "b.format: %%d%%d is no format of one number" },
    { row { "b", 8, format = 7 }, "b.format: 7 is no format" },
    { row { "b", 8, only = 1 }, "b.only: a number is not a table" },
    { row { "b", 8, only = { c = { 1 } } }, "b.only: no field c in front; there are: a" },
    { row { "b", 8, enum = "x" }, "b.enum: a string is not a table" },
    { row { "b", 8, pseudo = 1 }, "b.pseudo: a number is not true or false" },
    { row { "b", 8, over = "a", shift = 4 }, "b: lies over more bits than the header has" },
    { row { "b", 8, codec = { load = function() end } }, "no key load of b.codec" },
    { row { "b", 8, codec = { read = tostring } }, "b.codec: a codec has read and write" },
    { row { "b", 64, computed = "next" }, "b: what is computed is a plain number" },
    { row { "b", 24, computed = "checksum" }, "checksum internet has 16 bits, at an even" },
    { row { "b", 16, computed = "checksum" }, "checksum internet has 16 bits, at an even" },
    { { { "a", 8 }, checksum = true }, "checksum: a boolean is not a table" },
    { { { "a", 8 }, checksum = { over = "all" } }, "no part to sum up all" },
    { { { "a", 8 }, sum = "LINK" }, "no sum LINK" },
    { { { "a", 8 }, ports = true }, "ports needs a field sport" },
    { { { "a", 8 }, level = "net" }, "level net without a line needs a field src" },
    { { { "a", 8 }, level = "info" }, "no level info" },
    { { { "a", 8 }, level = 5 }, "no level 5" },
    { { { "a", 8 }, word = 5 }, "word: a number is not text" },
    { { { "a", 8 }, line = "x" }, "line: a string is not a function" },
    { { { "a", 8 }, methods = { x = 1 } }, "methods.x: a number is not a function" },
    { { { "a", 8 }, follows = "udp" }, "follows: a string is not a table" },
    { { { "a", 8 }, follows = { udp = -1 } }, "follows.udp: %-1 is not a whole number" },
    { { { "a", 8 }, follows = { udp = 1.5 } }, "follows.udp: 1.5 is not a whole number" },
  }

  for i, case in ipairs(WRONG) do
    it(("that is wrong is refused at its line: %d %s"):format(i, case[2]), function()
      local why = complaint("spec_wrong", case[1])
      assert.matches("declare_spec.lua:%d+: header \"spec_wrong\": ", why)
      assert.matches(case[2], why)
      assert.is_false(pcall(function() return packet.parse("x", "spec_wrong") end))
    end)
  end

  it("of ours is one too", function()
    local check = require "tun.packet.declare.check"
    local header = require "tun.packet.declare.header"
    local index = require "tun.packet.protocol.index"
    local count = 0
    for _, protocols in pairs(index.protocols) do
      for name in pairs(protocols) do
        check.declaration(name, header.protocols[name].row, true)
        count = count + 1
      end
    end
    assert.is_true(count > 50)
  end)

  it("leaves ours as they are", function()
    for _, name in ipairs { "ip4", "tcp", "virtio_net", "ntp", "wireguard" } do
      assert.matches(name .. '": it is there already', complaint(name, { { "a", 8 } }))
    end
  end)

  it("has a name that nothing else has", function()
    for _, name in ipairs { "fix", "payload", "error", "parse", "bind", "inner", "bytes" } do
      assert.matches(name .. " is reserved", complaint(name, { { "a", 8 } }))
    end
    assert.matches("no name of a header", complaint("a-b", { { "a", 8 } }))
  end)
end)

describe("a field that lies where others say", function()
  packet.header("spec_placed", {
    { "c", 1 }, { "n", 7 }, { "t", 24 }, { "key", 32, at = "n * 4", when = "c" },
    size = "n * 4 + 4",
  })

  it("is in the packet, whatever these became", function()
    local p = packet.parse("\129\0\0\0AAAA", "spec_placed")
    local view = p.spec_placed
    assert.equal(0x41414141, view.key)
    view.key = 5
    assert.equal(5, view.key)
    view.n = 60
    assert.is_nil(view.key)
    assert.error_matches(function() view.key = 1 end, "spec_placed.key: the header has no room")
    local gre = packet.parse((packet.ip4 {} / packet.gre {}):bytes()).gre
    gre.k = true
    assert.is_nil(gre.key)
    assert.error_matches(function() gre.key = 1 end, "gre.key: the header has no room")
    assert.equal(7, (packet.ip4 {} / packet.gre { key = 7, k = true }).gre.key)
  end)

  it("has room where it is built", function()
    local built = packet.spec_placed({ c = true, n = 100, key = 1 })
    assert.equal(404, built:size())
    assert.equal(1, packet.parse(built:bytes(), "spec_placed").spec_placed.key)
  end)
end)

describe("a form of a script", function()
  packet.header("spec_form", {
    { "a", 8 },
    { "b", { what = "bytes", read = function(text) return text end,
             write = function(text) return text end,
             take = function(_, at) return "", at - 1e9 end } },
    next = { "ethertype", "a" },
  })

  it("that ends before it begins is cut", function()
    local p = packet.parse("\8\0abcd", "spec_form")
    assert.equal("", p.payload)
    assert.equal(6, p:size())
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

describe("a field whose place others tell", function()
  local MOVED = "the header has no room for it"

  local function complaint_of(act)
    local ok, why = pcall(act)
    assert.is_false(ok)
    return why
  end

  it("is nothing outside of its packet, wherever they move it", function()
    packet.header("spec_moved", { { "n", 8 }, { "r", 24 }, { "v", 32, at = "n * 100000000" },
      { "w", 64, codec = "bytes", at = "n * 100000000", when = "n" },
      { "e", 8, at = "n * 100000000", enum = { one = 1 } },
      size = "n * 100000000 + (n > 0 and 8 or 4)" })
    local p = packet.parse("\0\4\0\1", "spec_moved")
    local it = p.spec_moved
    assert.equal(0x40001, it.v)
    it.v = 7
    assert.same({ 7, 0 }, { it.v, it.n })
    it.n = 1
    for _, name in ipairs { "v", "w", "e", "e_n" } do
      assert.is_nil(it[name])
    end
    for name, value in pairs { v = 1, w = "12345678", e = "one", e_n = 1 } do
      assert.matches(MOVED, complaint_of(function() it[name] = value end))
    end
    assert.equal("\1\0\0\7", p:bytes())
  end)

  it("is not in a header of ours that has become too short for it", function()
    local p = packet.parse((packet.ip4 {} / packet.gre { proto = 0x1234 }):bytes(), "ip")
    local it = p.gre
    it.k, it.s = true, true
    assert.is_nil(it.key)
    assert.matches(MOVED, complaint_of(function() it.key = 0x41414141 end))
    assert.matches(MOVED, complaint_of(function() it.seq = 1 end))
    it.k, it.s, it.c = false, false, true
    assert.is_nil(it.checksum)
    p:fix()
    assert.equal(24, #p:bytes())
  end)

  it("is in no expression, which is read before the header is known to be there", function()
    assert.matches("has no field v", complaint("spec_wrong", { { "n", 4 }, { "r", 4 },
      { "v", 8, at = "n * 1000000", when = "n" }, size = "n > 0 and n * 1000000 + v + 1 or 1" }))
  end)

  it("is built into a header of the size that they say", function()
    packet.header("spec_room", { { "n", 8 }, { "v", 32, at = "n * 4", when = "n" },
      { "e", 8, at = "n * 4", enum = { one = 1 } }, size = "n * 4 + 4" })
    local bytes = packet.spec_room({ n = 255, v = 1 }):bytes()
    assert.equal("\255" .. ("\0"):rep(1022) .. "\1", bytes)
    assert.equal(1, packet.parse(bytes, "spec_room").spec_room.v)
    packet.header("spec_far", { { "n", 12 }, { "r", 4 }, { "v", 32, at = "n * 1000000 + 2",
      when = "n" }, size = "n * 1000000 + 2 + (n > 0 and 4 or 0)" })
    assert.matches("its size is 3000006 bytes", complaint_of(function()
      return packet.spec_far({ n = 3, v = 7 }):size()
    end))
    assert.equal(2, packet.spec_far({}):size())
    packet.header("spec_none", { { "a", 8 }, { "v", 8, at = "a * 2000000", when = "a" },
      { "e", 8, at = "a * 2000000", when = "a", enum = { one = 1 } },
      size = "a * 2000000 + 1" })
    assert.matches("its size is", complaint_of(function()
      return packet.spec_none({ a = 1, e_n = 1 }):size()
    end))
  end)
end)

describe("a declaration that is right in letters only", function()
  it("has no number that is infinite", function()
    for _, size in ipairs { ("9"):rep(400), "a * " .. ("1"):rep(16), "0x" .. ("f"):rep(13) } do
      assert.matches("a number of more than 15 digits",
        complaint("spec_wrong", { { "a", 8 }, size = size }))
    end
  end)

  it("does not go on behind the packet", function()
    packet.header("spec_early", { { "a", 8 }, next = { "spec_early_next", "a", size = 60000 },
      follows = { udp = 7801 } })
    packet.header("spec_late", { { "b", 8 }, follows = { spec_early_next = 1 } })
    local p = packet.parse("\1\1\1\1", "spec_early")
    assert.matches("truncated: 60000 bytes needed, 4 there", p.error.message)
    assert.is_nil(p.spec_late)
    p = packet.parse((packet.ip4 {} / packet.udp { dport = 7801 } / "\1\1\1"):bytes(), "ip")
    assert.is_nil(p.spec_late)
    assert.equal(1, p.spec_early.a)
  end)

  it("looks no farther than C can", function()
    packet.header("spec_distant", { { "a", 8 }, follows = { udp = 7802 },
      valid = { "back(2500000000) == -1 and u8(4294967295) == -1", "anything" } })
    local p = packet.parse((packet.ip4 {} / packet.udp { dport = 7802 } / "x"):bytes(), "ip")
    assert.equal(120, p.spec_distant.a)
  end)

  it("reads its lowest byte first, and as wide as it is", function()
    packet.header("spec_little", { { "n", 16, order = "little" }, { "b", 8 }, { "c", 8 },
      size = "n * 4", level = "link" })
    packet.header("spec_wide", { { "n", 16 }, { "b", 16 }, size = "n * 1073741825",
      level = "link" })
    assert.equal("rest", packet.parse("\2\0\0\0----rest", "spec_little").payload)
    assert.matches("a header of 1024 bytes",
      packet.parse("\0\1\0\0----rest", "spec_little").error.message)
    assert.matches("a header of 4294967300 bytes",
      packet.parse("\0\4\0\0rest", "spec_wide").error.message)
  end)

  it("gives a number where one is wanted", function()
    for size, why in pairs {
      ["a == 4 and true or 4"] = "has true or false where a number is wanted",
      ["a == 40000 or 4"] = "gives a boolean, not a number",
      ["a > 199 and a / 2 or 4"] = "gives 32767.5",
    } do
      assert.matches(why, complaint("spec_wrong", { { "a", 16 }, size = size }))
      assert.matches(why, complaint("spec_wrong", { { "a", 16 }, extent = size }))
    end
    assert.matches("lies at byte 100000000, outside", complaint("spec_wrong", { { "a", 8 },
      { "v", 8, at = "100000000" }, size = "o < 1 and 200000000 or 4" }))
  end)

  it("is held to that where not every value was tried", function()
    local odd = { "a * 2 == 40000 or 4", "a * 2 == 40000 and a / 64 or 4" }
    for i, text in ipairs(odd) do
      for _, key in ipairs { "size", "extent" } do
        local name = ("spec_odd_%s%d"):format(key, i)
        packet.header(name, { { "a", 16 }, { "b", 16 }, [key] = text,
                              follows = { udp = 7810 } })
        local bytes = "\78\32\0\0" .. ("x"):rep(1000)
        assert.matches(("a %s that is no whole number"):format(key),
          packet.parse(bytes, name).error.message)
        packet.parse((packet.ip4 {} / packet.udp { dport = 7810 } / bytes):bytes(), "ip")
        assert.is_nil(packet.parse("\0\0\0\0", name).error)
      end
    end
  end)

  it("has forms whose values end behind their beginning", function()
    for i, place in ipairs { -1e9, 1.5, 0 / 0, 1 / 0, "2" } do
      local name = "spec_form" .. i
      packet.header(name, { { "a", 8 }, { "v", { what = "anything",
        read = function(text) return text end, write = tostring,
        take = function() return 1, place end } } })
      local p = packet.parse("\1abc", name)
      assert.same({ "cut: not all is there that it says", "abc", "" },
        { p.error.cut and p.error.cut.message or p.error.message, p[name].v, p.payload })
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
