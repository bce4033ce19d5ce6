local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, udp = packet.ip4, packet.udp

golden.each(describe, it, {
  {
    "IPv4 with options",
    bytes = "48000028000100004011beb20a0000010a000002 94040000 070704 01020304 00" ..
      "000100020008ebd8",
    line = "IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 0",
    read = {
      ip4 = { version = 4, ihl = 8, dscp = 0, ecn = 0, length = 40, id = 1, df = false, mf = false,
              offset = 0, ttl = 64, proto = 17, checksum = 0xbeb2, src = "10.0.0.1",
              src_n = 0x0a000001, dst = "10.0.0.2",
              options = { { "router_alert", 0 },
                          { "rr", { pointer = 4, addresses = { "1.2.3.4" } } }, { "eol" } } },
      udp = { sport = 1 },
    },
    build = function()
      return ip4 { id = 1, src = "10.0.0.1", dst = "10.0.0.2", options = {
        { "router_alert", 0 }, { "rr", { addresses = { "1.2.3.4" } } }, { "eol" } } }
        / udp { sport = 1, dport = 2 }
    end,
  },
  {
    "IPv4 with a protocol that is no layer here",
    bytes = "4500 0018 0000 4000 40fd 25e7 0a000001 0a000002 01020304",
    line = "IP 10.0.0.1 > 10.0.0.2: ip-proto-253, length 4",
    read = { ip4 = { df = true, proto = 253 } },
    build = function()
      return ip4 { src = "10.0.0.1", dst = "10.0.0.2", proto = 253, df = true } / "\1\2\3\4"
    end,
  },
})

describe("IPv4", function()
  it("and IPv6 count a hop down, and say when they end there", function()
    for _, header in ipairs { packet.ip4 { ttl = 3 }, packet.ip6 { hlim = 3 } } do
      local p = packet.parse((header / packet.udp {} / "x"):bytes(), "ip")
      assert.same({ true, true, false, false }, { p.ip:decrement_ttl(), p.ip:decrement_ttl(),
        p.ip:decrement_ttl(), p.ip:decrement_ttl() })
      assert.equal(1, p.ip4 and p.ip4.ttl or p.ip6.hlim)
      assert.is_true(p:fix():verify())
    end
  end)

  local function error_of(hex)
    local found = golden.parse(hex)
    return found.error and found.error.message, found
  end

  it("with a header longer than the packet is no layer", function()
    local message, found = error_of "4f00 0014 0000 0000 4011 0000 0a000001 0a000002"
    assert.equal("a header of 60 bytes, in 20", message)
    assert.is_nil(found.ip4)
    assert.truthy(tostring(found):find("[|ip4: a header of 60 bytes, in 20]", 1, true))
  end)

  it("with a header of less than 20 bytes is no layer", function()
    assert.truthy(error_of "4400 0014 0000 0000 4011 0000 0a000001 0a000002")
  end)

  it("longer than the bytes is read as far as it goes", function()
    local message, found = error_of("4500 0064 0000 0000 4011 0000 0a000001 0a000002" ..
      "0001 0002 0008 0000")
    assert.is_nil(message)
    assert.same({ layer = "ip4", offset = 0,
                  message = "length of 100 bytes, but only 28 are there" }, found.cut)
    assert.equal(100, found.ip4.length)
    assert.equal(2, found.udp.dport)
  end)

  it("shorter than its header has nothing behind it", function()
    local message, found = error_of("4500 0013 0000 0000 4011 0000 0a000001 0a000002" ..
      "0001000200080000")
    assert.equal("length of 19 bytes is less than the header", message)
    assert.is_nil(found.udp)
  end)

  it("of another version is no layer", function()
    local found = golden.parse("020000000002020000000001 0800 6500001400000000" ..
      "40110000 0a000001 0a000002", "eth")
    assert.is_nil(found.ip4)
    assert.equal("not version 4", found.error.message)
  end)

  it("in later fragments has no transport", function()
    local found = golden.parse "4500 001c 0001 00b9 4011 0000 0a000001 0a000002 0001000200080000"
    assert.is_nil(found.udp)
    assert.equal(8, #found.payload)
    assert.equal("IP 10.0.0.1 > 10.0.0.2: udp fragment at 1480, length 8", tostring(found))
  end)

  it("has an option of length 0 as data", function()
    local found = golden.parse "4600 0018 0000 0000 4011 0000 0a000001 0a000002 94000000"
    local list = found.ip4:options()
    assert.equal("rest", list[1][1])
    assert.equal("\148\0\0\0", list[1][2])
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("has an option over its end as data", function()
    local found = golden.parse "4600 0018 0000 0000 4011 0000 0a000001 0a000002 01940400"
    assert.same({ "nop", "rest" }, { found.ip4:options()[1][1], found.ip4:options()[2][1] })
  end)

  it("has no options beyond its bytes when ihl is changed", function()
    local found = golden.parse "4500 0018 0000 0000 40fd 0000 0a000001 0a000002 01010101"
    found.ip4.ihl = 15
    assert.equal(4, #found.ip4:options())
  end)

  it("refuses what does not fit, and tells the names there are", function()
    local found = golden.parse "4500 0014 0000 0000 40fd 0000 0a000001 0a000002"
    assert.has_error(function()
      found.ip4.ttl = 256
    end)
    local _, message = pcall(function()
      return found.ip4.ttll
    end)
    assert.truthy(message:find("ip4 has no field ttll; there are: version, ihl,", 1, true))
    _, message = pcall(ip4, { options = { { "mss", 5 } } })
    assert.truthy(message:find("ip4: no option mss; there are: eol, ", 1, true))
  end)
end)
