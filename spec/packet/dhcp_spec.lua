local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local dhcp = packet.dhcp

-- A message behind IPv4 and UDP; the options are hex.
local HEADER = "01010600 00001234 0000 8000 00000000 00000000 00000000 00000000" ..
  "020000000001" .. ("00"):rep(10) .. "626f6f74" .. ("00"):rep(60 + 128) .. "63825363"

golden.each(describe, it, {
  {
    "DHCP request",
    bytes = "4500012000010000401165ca0a0000010a000002 00440043010cd223" .. HEADER ..
      "350103 32040a000005 0c03626f78 3703010306 ff",
    line = "IP 10.0.0.1.68 > 10.0.0.2.67: BOOTP/DHCP, Request from 02:00:00:00:00:01, " ..
      "request, length 260",
    read = {
      dhcp = { op = 1, htype = 1, hlen = 6, hops = 0, xid = 0x1234, secs = 0, broadcast = true,
               ciaddr = "0.0.0.0", chaddr = "02:00:00:00:00:01", sname = "boot", file = "",
               magic = 0x63825363,
               options = { { "type", "request" }, { "requested", "10.0.0.5" },
                           { "hostname", "box" }, { "parameters", { 1, 3, 6 } }, { "end" } } },
    },
    build = function()
      return packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }
        / packet.udp { sport = 68, dport = 67 }
        / dhcp { xid = 0x1234, broadcast = true, chaddr = "02:00:00:00:00:01", sname = "boot",
                 options = { { "type", "request" }, { "requested", "10.0.0.5" },
                             { "hostname", "box" }, { "parameters", { 1, 3, 6 } }, { "end" } } }
    end,
  },
})

describe("DHCP", function()
  local function options_of(hex)
    return golden.parse(HEADER .. hex, "dhcp").dhcp:options()
  end

  it("has nothing but zeros behind the end of its options", function()
    local list = options_of "350101 ff 000000"
    assert.same({ "type", "end", "rest" }, { list[1][1], list[2][1], list[3][1] })
    assert.equal("\0\0\0", list[3][2])
  end)

  it("has options over its end as data, and options of length 0 without value", function()
    local list = options_of "0c00 00 3504 01"
    assert.same({ "hostname", "pad", "rest" }, { list[1][1], list[2][1], list[3][1] })
    assert.equal("", list[1][2])
  end)

  it("gives the value of an option by its name", function()
    local found = golden.parse(HEADER .. "350105 3604 0a000001 33040000003c ff", "dhcp").dhcp
    assert.equal("ack", found:option "type")
    assert.equal("10.0.0.1", found:option "server")
    assert.equal(60, found:option "lease")
    assert.is_nil(found:option "mtu")
  end)

  it("has options in file and sname where overload says so, file first", function()
    local function found(overload)
      local p = dhcp { options = { { "type", "ack" }, { "overload", overload } },
                       file = "\12\4file\15\1a\255rest", sname = "\12\5sname\56\2hi\255" }
      local it = packet.parse(p:bytes(), "dhcp").dhcp
      return { it:option "type", it:option "hostname" or "", it:option "domain" or "",
               it:option "message" or "" }
    end
    assert.same({ "ack", "", "", "" }, found(0))
    assert.same({ "ack", "file", "a", "" }, found(1))
    assert.same({ "ack", "sname", "", "hi" }, found(2))
    assert.same({ "ack", "file", "a", "hi" }, found(3))
    assert.same({ "ack", "", "", "" }, found(4))
  end)

  it("without its magic cookie is none", function()
    local found = golden.parse(HEADER:gsub("63825363", "00000000"), "dhcp")
    assert.is_nil(found.dhcp)
    assert.equal("not DHCP's magic cookie", found.error.message)
  end)

  it("refuses options that are too long, and names that are none", function()
    assert.has_error(function()
      return dhcp { options = { { "hostname", ("x"):rep(256) } } }
    end)
    assert.has_error(function()
      return dhcp { options = { { "hostnam", "x" } } }
    end)
    assert.has_error(function()
      return dhcp { sname = ("x"):rep(65) }
    end)
  end)
end)
