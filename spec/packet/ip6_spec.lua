local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip6, udp = packet.ip6, packet.udp

local ENDS = "fe800000000000000000000000000001 fe800000000000000000000000000002"

local function from(fields)
  fields = fields or {}
  fields.src, fields.dst = "fe80::1", "fe80::2"
  return ip6(fields)
end

golden.each(describe, it, {
  {
    "IPv6 with extension headers",
    bytes = "6000000000390040" .. ENDS .. "2b00 0104 00000000" ..
      "3c02 0001 00000000 fd000000000000000000000000000009" ..
      "2c00 040105 010100 1100 0000 00001234 0001000200098c4d 78",
    line = "IP6 fe80::1.1 > fe80::2.2: HBH RT0 (segleft 1) DSTOPT frag (0x00001234:0) " ..
      "UDP, length 1",
    read = {
      ip6 = { version = 6, dscp = 0, ecn = 0, flow = 0, length = 57, next = 0, hlim = 64,
              src = "fe80::1", dst = "fe80::2" },
      hopopts = { next = 43, len = 0, options = { { "padn", "\0\0\0\0" } } },
      routing = { next = 60, len = 2, type = 0, segleft = 1, addresses = { "fd00::9" } },
      dstopts = { next = 44, len = 0, options = { { "tunnel_limit", 5 }, { "padn", "\0" } } },
      frag = { next = 17, offset = 0, mf = false, id = 0x1234 },
      udp = { sport = 1, dport = 2, checksum = 0x8c4d },
    },
    build = function()
      return from() / packet.hopopts {} / packet.routing { addresses = { "fd00::9" } }
        / packet.dstopts { options = { { "tunnel_limit", 5 } } }
        / packet.frag { id = 0x1234 } / udp { sport = 1, dport = 2 } / "x"
    end,
  },
  {
    "a later fragment of IPv6",
    bytes = "6000000000102c40" .. ENDS .. "110005c9000012343132333435363738",
    line = "IP6 fe80::1 > fe80::2: frag (0x00001234:1480+) udp fragment at 1480, length 8",
    read = { frag = { next = 17, offset = 185, mf = true, id = 0x1234 } },
    build = function()
      return from() / packet.frag { next = "udp", offset = 185, mf = true, id = 0x1234 }
        / "12345678"
    end,
  },
  {
    "IPv6 with an authentication header",
    bytes = "6000000000203340" .. ENDS .. "110400000000000100000002" ..
      "303132333435363738396162 0001000200080000",
    line = "IP6 fe80::1.1 > fe80::2.2: AH(spi=0x00000001,seq=0x2) UDP, length 0",
    read = { ah = { next = 17, len = 4, spi = 1, seq = 2, icv = "0123456789ab" },
             udp = { dport = 2 } },
    build = function()
      return from() / packet.ah { spi = 1, seq = 2, icv = "0123456789ab" }
        / udp { sport = 1, dport = 2, checksum = 0 }
    end,
  },
  {
    "ESP",
    bytes = "4500002200010000403266a70a0000010a000002 00001000 00000007 6f7061717565",
    line = "IP 10.0.0.1 > 10.0.0.2: ESP(spi=0x00001000,seq=0x7), length 14",
    read = { esp = { spi = 0x1000, seq = 7 } },
    build = function()
      return packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }
        / packet.esp { spi = 0x1000, seq = 7 } / "opaque"
    end,
  },
})

describe("IPv6", function()
  -- A packet of n bytes behind the header, the first of which is of a kind.
  local function with(next, hex)
    return golden.parse(("60000000%04x%02x40"):format(#hex:gsub("%s", "") / 2, next) .. ENDS .. hex)
  end

  it("reads chains of extension headers only so far", function()
    local found = with(60, ("3c00010400000000"):rep(1000))
    assert.equal("more than 64 headers", found.error.message)
    assert.equal(65, #found:layers())
  end)

  it("stops where an extension header is longer than the packet", function()
    local found = with(0, "11ff010400000000")
    assert.is_nil(found.hopopts)
    assert.equal("a header of 2048 bytes, in 8", found.error.message)
  end)

  it("stops behind a header that says nothing follows", function()
    local found = with(60, "3b00010400000000 0102")
    assert.is_nil(found.error)
    assert.equal("\1\2", found.payload)
  end)

  it("with a length over the packet is read as far as it goes", function()
    local found = golden.parse("6000000000ff1140" .. ENDS .. "0001000200080000")
    assert.equal(2, found.udp.dport)
    assert.equal("length of 295 bytes, but only 48 are there", found.cut.message)
  end)

  it("has an option that is longer than its header as data", function()
    local list = with(0, "3b00 c9ff 00000000").hopopts:options()
    assert.same({ "rest", "\201\255\0\0\0\0" }, { list[1][1], list[1][2] })
  end)

  it("takes Pad1 for one byte and option lengths without their first two", function()
    local list = with(0, "3b00 00 0502 0000 00").hopopts:options()
    assert.same({ "pad1", "router_alert", "pad1" }, { list[1][1], list[2][1], list[3][1] })
    assert.equal(0, list[2][2])
  end)

  it("fills the options it builds up to 8 bytes", function()
    for n = 0, 16 do
      local built = from() / packet.hopopts { options = { { 0x1e, ("x"):rep(n) } } }
      assert.equal(0, #built:bytes() % 8)
      assert.equal(("x"):rep(n), built.hopopts:options()[1][2])
      assert.is_true(built:verify())
    end
  end)

  it("has a checksum to the last address of its route", function()
    local routed = from() / packet.routing { type = 2, addresses = { "fd00::9" } } / udp {}
    local straight = ip6 { src = "fe80::1", dst = "fd00::9" } / udp {}
    assert.equal(straight.udp.checksum, routed.udp.checksum)
    assert.is_true(routed:verify())
  end)

  it("takes addresses as text only in forms that inet_pton takes", function()
    assert.has_error(function()
      return ip6 { src = "fe80:::1" }
    end)
    assert.has_error(function()
      return ip6 { src = "10.0.0.1" }
    end)
  end)
end)
