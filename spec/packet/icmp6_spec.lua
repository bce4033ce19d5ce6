-- ICMPv6, neighbour discovery and MLD.
local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip6, icmp6 = packet.ip6, packet.icmp6

local ENDS = "fe800000000000000000000000000001 fe800000000000000000000000000002"

local function from(hlim)
  return ip6 { src = "fe80::1", dst = "fe80::2", hlim = hlim }
end

local function alert()
  return from(1) / packet.hopopts { options = { { "router_alert", 0 }, { "padn", "" } } }
end

golden.each(describe, it, {
  {
    "ICMPv6 echo with an odd length",
    bytes = "60000000000b3a40" .. ENDS .. "8000be4f00010002616263",
    line = "IP6 fe80::1 > fe80::2: ICMP6, echo request, id 1, seq 2, length 11",
    read = { icmp6 = { type = 128, code = 0, checksum = 0xbe4f, id = 1, seq = 2 } },
    build = function()
      return from() / icmp6 { type = "echo", id = 1, seq = 2 } / "abc"
    end,
  },
  {
    "ICMPv6 packet too big",
    bytes = "6000000000383a40" .. ENDS .. "02008a5900000500 6000000000081140" ..
      "fe800000000000000000000000000002 fe800000000000000000000000000003 00010002000802d5",
    line = "IP6 fe80::1 > fe80::2: ICMP6, packet too big, mtu 1280, length 56",
    read = { icmp6 = { type = 2, mtu = 1280 } },
    inner = { ip6 = { src = "fe80::2" }, udp = { sport = 1 } },
    build = function()
      return from() / icmp6 { type = "too_big", mtu = 1280 }
        / ip6 { src = "fe80::2", dst = "fe80::3" } / packet.udp { sport = 1, dport = 2 }
    end,
  },
  {
    "neighbour solicitation",
    bytes = "6000000000203aff" .. ENDS .. "87007a1b00000000 fe800000000000000000000000000002" ..
      "0101020000000001",
    line = "IP6 fe80::1 > fe80::2: ICMP6, neighbor solicitation, who has fe80::2, length 32",
    read = { icmp6 = { type = 135 },
             ns = { target = "fe80::2", options = { { "slla", "02:00:00:00:00:01" } } } },
    build = function()
      return from(255) / icmp6 {} / packet.ns { target = "fe80::2",
        options = { { "slla", "02:00:00:00:00:01" } } }
    end,
  },
  {
    "neighbour advertisement",
    bytes = "6000000000203aff" .. ENDS .. "8800b819c0000000 fe800000000000000000000000000002" ..
      "0201020000000002",
    line = "IP6 fe80::1 > fe80::2: ICMP6, neighbor advertisement, tgt is fe80::2, length 32",
    read = { na = { router = true, solicited = true, override = false, target = "fe80::2",
                    options = { { "tlla", "02:00:00:00:00:02" } } } },
    build = function()
      return from(255) / icmp6 {} / packet.na { router = true, solicited = true, target = "fe80::2",
        options = { { "tlla", "02:00:00:00:00:02" } } }
    end,
  },
  {
    "router solicitation",
    bytes = "6000000000083aff" .. ENDS .. "85007db800000000",
    line = "IP6 fe80::1 > fe80::2: ICMP6, router solicitation, length 8",
    read = { rs = { options = {} } },
    build = function()
      return from(255) / icmp6 {} / packet.rs {}
    end,
  },
  {
    "router advertisement",
    bytes = "6000000000503aff" .. ENDS .. "8600a6c24088070800000000 00000000" ..
      "030440c000001c2000000e1000000000fd000000000000000000000000000000 0501000000000578" ..
      "1903000000000258fd000000000000000000000000000053",
    line = "IP6 fe80::1 > fe80::2: ICMP6, router advertisement, length 80",
    read = {
      ra = {
        hlim = 64, managed = true, other = false, preference = 1, lifetime = 1800, reachable = 0,
        options = {
          { "prefix", { length = 64, on_link = true, autonomous = true, valid = 7200,
                        preferred = 3600, prefix = "fd00::" } },
          { "mtu", { mtu = 1400 } },
          { "rdnss", { lifetime = 600, addresses = { "fd00::53" } } },
        },
      },
    },
    build = function()
      return from(255) / icmp6 {} / packet.ra { managed = true, preference = "high", options = {
        { "prefix", { length = 64, on_link = true, autonomous = true, valid = 7200,
                      preferred = 3600, prefix = "fd00::" } },
        { "mtu", { mtu = 1400 } },
        { "rdnss", { lifetime = 600, addresses = { "fd00::53" } } },
      } }
    end,
  },
  {
    "redirect of neighbour discovery",
    bytes = "6000000000303aff" .. ENDS .. "890079fa00000000 fe800000000000000000000000000009" ..
      "fd000000000000000000000000000001 0201020000000009",
    line = "IP6 fe80::1 > fe80::2: ICMP6, redirect, fd00::1 to fe80::9, length 48",
    read = { redirect = { target = "fe80::9", dst = "fd00::1" } },
    build = function()
      return from(255) / icmp6 {} / packet.redirect { target = "fe80::9", dst = "fd00::1",
        options = { { "tlla", "02:00:00:00:00:09" } } }
    end,
  },
  {
    "MLD report",
    bytes = "6000000000200001" .. ENDS .. "3a00050200000100 830080a000000000" ..
      "ff020000000000000000000000000005",
    line = "IP6 fe80::1 > fe80::2: HBH ICMP6, multicast listener report ff02::5, length 24",
    read = { hopopts = { next = 58 }, icmp6 = { type = 131 },
             mld = { max_response = 0, group = "ff02::5" } },
    build = function()
      return alert() / icmp6 { type = "mld_report" } / packet.mld { group = "ff02::5" }
    end,
  },
  {
    "MLDv2 query",
    bytes = "6000000000440001" .. ENDS .. "3a00050200000100 8200791003e80000" ..
      "ff020000000000000000000000000005 0a7d0002" ..
      "fd000000000000000000000000000001 fd000000000000000000000000000002",
    line = "IP6 fe80::1 > fe80::2: HBH ICMP6, multicast listener query ff02::5 " ..
      "v2, 2 source(s), length 60",
    read = { mld = { max_response = 1000, group = "ff02::5" },
             mld2 = { s = true, qrv = 2, qqic = 125, nsources = 2,
                      sources = { "fd00::1", "fd00::2" } } },
    build = function()
      return alert() / icmp6 { type = "mld_query" }
        / packet.mld { max_response = 1000, group = "ff02::5" }
        / packet.mld2 { s = true, sources = { "fd00::1", "fd00::2" } }
    end,
  },
  {
    "MLDv2 report",
    bytes = "6000000000480001" .. ENDS .. "3a00050200000100 8f00736a00000002" ..
      "04000000ff020000000000000000000000000005" ..
      "01000001ff020000000000000000000000000006fd000000000000000000000000000001",
    line = "IP6 fe80::1 > fe80::2: HBH ICMP6, multicast listener report v2, " ..
      "2 group record(s), length 64",
    read = {
      mld2_report = { nrecords = 2, records = {
        { type = "to_ex", group = "ff02::5", sources = {} },
        { type = "is_in", group = "ff02::6", sources = { "fd00::1" } } } },
    },
    build = function()
      return alert() / icmp6 {} / packet.mld2_report { records = {
        { type = "to_ex", group = "ff02::5" },
        { type = "is_in", group = "ff02::6", sources = { "fd00::1" } } } }
    end,
  },
})

describe("neighbour discovery", function()
  it("has an option of length 0 as data", function()
    local found = golden.parse("6000000000203aff" .. ENDS ..
      "87007a1b00000000 fe800000000000000000000000000002 0100020000000001")
    local list = found.ns:options()
    assert.same({ "rest", "\1\0\2\0\0\0\0\1" }, { list[1][1], list[1][2] })
    assert.is_nil(list[2])
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("has an option over its end as data", function()
    local list = golden.parse("6000000000203aff" .. ENDS ..
      "87007a1b00000000 fe800000000000000000000000000002 0102020000000001").ns:options()
    assert.equal("rest", list[1][1])
  end)

  it("says when it is too short for its target", function()
    local found = golden.parse("60000000000c3aff" .. ENDS .. "87007a1b00000000 fe800000")
    assert.equal("ns", found.icmp6.type)
    assert.is_nil(found.ns)
    assert.equal("ns", found.error.layer)
  end)
end)

describe("MLDv2", function()
  it("has as many records and sources as there are, whatever it says", function()
    local found = golden.parse("60000000001c3a01" .. ENDS ..
      "8f0000000000ffff 0400ffff ff020000000000000000000000000005")
    assert.same({}, found.mld2_report.records)
    found = golden.parse("60000000001c3a01" .. ENDS ..
      "8200000000000000 ff020000000000000000000000000005 027dffff")
    assert.same({}, found.mld2.sources)
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)
end)
