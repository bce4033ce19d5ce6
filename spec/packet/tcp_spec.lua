local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, tcp = packet.ip4, packet.tcp

local ENDS = { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }

golden.each(describe, it, {
  {
    "TCP with the options of a connection's start",
    bytes = "4500003c00010000400666b90a0000010a000002" ..
      "03e8005000000064000000c8a01220000e870000 020405b4 0402 080a0000000100000002 01 030307",
    line = "IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [S.], seq 100, ack 200, win 8192, options " ..
      "[mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7], length 0",
    read = {
      tcp = { sport = 1000, dport = 80, seq = 100, ack = 200, doff = 10, flags = 0x12, syn = true,
              has_ack = true, fin = false, rst = false, psh = false, urg = false, window = 8192,
              urgent = 0,
              options = { { "mss", 1460 }, { "sack_ok" }, { "timestamps", { value = 1, echo = 2 } },
                          { "nop" }, { "wscale", 7 } } },
    },
    build = function()
      return ip4(ENDS) / tcp { sport = 1000, dport = 80, seq = 100, ack = 200, flags = "SA",
        window = 8192,
        options = { { "mss", 1460 }, { "sack_ok" }, { "timestamps", { value = 1, echo = 2 } },
                    { "nop" }, { "wscale", 7 } } }
    end,
  },
  {
    "TCP with selective acknowledgements and an odd length",
    bytes = "4500003f00010000400666b60a0000010a000002" ..
      "03e8005000000064000000c8a01820004ccd0000 0101 051200000001000000020000000300000004 6f6464",
    line = "IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [P.], seq 100:103, ack 200, win 8192, options " ..
      "[nop,nop,sack 1:2:3:4], length 3",
    read = { tcp = { options = { { "nop" }, { "nop" }, { "sack", { 1, 2, 3, 4 } } } } },
    build = function()
      return ip4(ENDS) / tcp { sport = 1000, dport = 80, seq = 100, ack = 200, psh = true,
        has_ack = true, window = 8192,
        options = { { "nop" }, { "nop" }, { "sack", { 1, 2, 3, 4 } } } } / "odd"
    end,
  },
})

describe("TCP", function()
  local function with(doff, hex)
    return golden.parse(("4500 %04x 0001 0000 4006 0000 0a000001 0a000002" ..
      "0001 0002 00000000 00000000 %x002 0000 0000 0000"):format(40 + #hex / 2, doff) .. hex)
  end

  it("has an option of length 0 as data", function()
    local found = with(6, "02000000")
    assert.same({ "rest", "\2\0\0\0" }, { found.tcp:options()[1][1], found.tcp:options()[1][2] })
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("has an option whose value is of another size as raw bytes", function()
    local list = with(6, "02030500").tcp:options()
    assert.same({ "mss", "\5", "eol" }, { list[1][1], list[1].raw, list[2][1] })
  end)

  it("with a header over the packet is no layer", function()
    local found = with(15, "")
    assert.is_nil(found.tcp)
    assert.equal("a header of 60 bytes, in 20", found.error.message)
  end)

  it("with a header below 20 bytes is no layer", function()
    assert.is_nil(with(4, "").tcp)
  end)

  it("takes flags one by one, as letters and as a number", function()
    local built = ip4(ENDS) / tcp { flags = "FPA" }
    assert.same({ "FPA", 0x19 }, { built.tcp.flags, built.tcp.flags_n })
    built.tcp.fin = false
    built.tcp.syn = true
    assert.same({ "SPA", 0x1a }, { built.tcp.flags, built.tcp.flags_n })
    built.tcp.flags = 4
    assert.is_true(built.tcp.rst)
    assert.equal("R", built.tcp.flags)
    for _, spelling in ipairs { "X", "AS", "S.", "sa", "SS" } do
      assert.error_matches(function()
        built.tcp.flags = spelling
      end, "^tcp.flags: " .. spelling .. " is not letters of FSRPAUEC")
    end
    built.tcp.flags = ""
    assert.equal(0, built.tcp.flags_n)
  end)

  it("fills its options up to whole words", function()
    local built = ip4(ENDS) / tcp { options = { { "wscale", 7 } } }
    assert.equal(6, built.tcp.doff)
    assert.is_true(built:verify())
  end)

  it("refuses more options than a header has room for", function()
    assert.has_error(function()
      return (ip4(ENDS) / tcp { options = { { "md5", ("x"):rep(60) } } }):bytes()
    end)
  end)

  it("has options replaced, and grows and shrinks with them", function()
    local built = ip4(ENDS) / tcp { syn = true, options = { { "mss", 1460 }, { "wscale", 7 } } }
    local list = built.tcp:options()
    list[1][2] = 1300
    built.tcp:set_options(list)
    assert.is_true(built:fix():verify())
    assert.equal(1300, built.tcp:options()[1][2])
    built.tcp:set_options { { "mss", 500 } }
    assert.is_true(built:fix():verify())
    assert.equal(24, #built:bytes() - 20)
    built.tcp.options = { { "timestamps", { value = 1, echo = 2 } } }
    assert.is_true(built:fix():verify())
    assert.same({ 32, 8 }, { #built:bytes() - 20, built.tcp.doff })
    assert.has_error(function()
      built.tcp.options = { { "md5", ("x"):rep(60) } }
    end)
    assert.same({ value = 1, echo = 2 }, built.tcp.options[1][2])
  end)

  it("takes options of kinds that have no name", function()
    local built = ip4(ENDS) / tcp { options = { { 253, "ab" } } }
    assert.same({ 253, "ab" }, { built.tcp:options()[1][1], built.tcp:options()[1][2] })
  end)
end)
