local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, ip6, udp = packet.ip4, packet.ip6, packet.udp

golden.each(describe, it, {
  {
    "UDP with an odd length",
    bytes = "4500001f00010000401166cb0a0000010a000002 03e807d0000b0cb9 6f6464",
    line = "IP 10.0.0.1.1000 > 10.0.0.2.2000: UDP, length 3",
    read = { udp = { sport = 1000, dport = 2000, length = 11, checksum = 0x0cb9 } },
    build = function()
      return ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 1 } / udp { sport = 1000, dport = 2000 }
        / "odd"
    end,
  },
})

describe("UDP", function()
  local zero = "4500001f00010000401166cb0a0000010a000002 03e807d0000b0000 6f6464"

  it("without a checksum is correct", function()
    local found = golden.parse(zero)
    assert.is_true(found:verify())
    found:fix()
    assert.equal(0, found.udp.checksum)
  end)

  it("without a checksum stays so when a field changes", function()
    local found = golden.parse(zero)
    found.udp.sport = 7
    found:fix()
    assert.equal(0, found.udp.checksum)
  end)

  it("without a checksum has source that says so", function()
    local found = golden.parse(zero)
    assert.equal(zero:gsub("%s", ""), golden.hex(golden.run(found:lua()):bytes()))
  end)

  it("has ffff where its sum is 0", function()
    local built = ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { sport = 0xebcc, dport = 1 }
      / "\0\0"
    local missing = built.udp.checksum
    built = ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { sport = 0xebcc, dport = 1 }
      / string.char(math.floor(missing / 256), missing % 256)
    assert.equal(0xffff, built.udp.checksum)
    assert.is_true(built:verify())
  end)

  it("with a length over the packet is read as far as it goes", function()
    local found = golden.parse "4500001c00010000401166ce0a0000010a000002 0001 0002 0064 0000"
    assert.equal("length of 100 bytes, but only 8 are there", found.error.message)
    assert.equal(2, found.udp.dport)
  end)

  it("with a length below its header has no payload", function()
    local found = golden.parse("4500002000010000401166ca0a0000010a000002" ..
      "0001 0002 0007 0000 01020304")
    assert.equal("length of 7 bytes is less than the header", found.error.message)
  end)

  it("shorter than the rest of IP leaves the rest out of its payload", function()
    local found = golden.parse("4500002000010000401166ca0a0000010a000002" ..
      "0001 0002 000a 0000 01020304")
    assert.equal("\1\2", found.payload)
    assert.is_nil(found.error)
  end)

  it("over IPv6 has a checksum of the long pseudo header", function()
    local built = ip6 { src = "fd00::1", dst = "fd00::2" } / udp { sport = 1, dport = 2 }
    assert.equal(0x05d7, built.udp.checksum)
  end)

  it("refuses a port that is none", function()
    local _, message = pcall(udp, { sport = 70000 })
    assert.truthy(message:find("udp.sport: 70000 is not a number from 0 to 65535", 1, true))
  end)
end)
