-- GRE, VXLAN, and IP in IP.
local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, ip6, udp = packet.ip4, packet.ip6, packet.udp

local ENDS4 = { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }
local ENDS6 = { src = "fe80::1", dst = "fe80::2" }
local INNER4 = { src = "1.1.1.1", dst = "2.2.2.2", id = 2 }
local INNER6 = { src = "fd00::1", dst = "fd00::2" }
local PORTS = { sport = 1, dport = 2 }
local FE80 = "fe800000000000000000000000000001 fe800000000000000000000000000002"
local FD00 = "fd000000000000000000000000000001 fd000000000000000000000000000002"

golden.each(describe, it, {
  {
    "GRE with checksum, key and sequence number",
    bytes = "4500004000010000402f668c0a0000010a000002 b00008004e0e0000 00000007 00000009" ..
      "4500001c00020000401174ca0101010102020202 000100020008f9d5",
    line = "IP 10.0.0.1 > 10.0.0.2: GREv0, key=0x7, seq 9, proto 0x0800, length 44: " ..
      "IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 0",
    read = { gre = { c = true, k = true, s = true, version = 0, proto = 0x0800, checksum = 0x4e0e,
                     key = 7, seq = 9 } },
    inner = { ip4 = { src = "1.1.1.1" }, udp = { dport = 2 } },
    build = function()
      return ip4(ENDS4) / packet.gre { c = true, key = 7, seq = 9 } / ip4(INNER4) / udp(PORTS)
    end,
  },
  {
    "GRE",
    bytes = "4500004800010000402f66840a0000010a000002 000086dd 6000000000081140" .. FD00 ..
      "00010002000805d7",
    line = "IP 10.0.0.1 > 10.0.0.2: GREv0, proto 0x86dd, length 52: " ..
      "IP6 fd00::1.1 > fd00::2.2: UDP, length 0",
    read = { gre = { c = false, k = false, s = false, proto = 0x86dd } },
    inner = { ip6 = { src = "fd00::1" }, udp = { dport = 2 } },
    build = function()
      return ip4(ENDS4) / packet.gre {} / ip6(INNER6) / udp(PORTS)
    end,
  },
  {
    "VXLAN",
    bytes = "4500004e000100004011669c0a0000010a000002 03e812b5003a79f6 0800000000004d00" ..
      "020000000002 020000000001 0800 4500001c00020000401174ca0101010102020202 000100020008f9d5",
    line = "IP 10.0.0.1.1000 > 10.0.0.2.4789: VXLAN, vni 77: " ..
      "IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 0",
    read = { udp = { dport = 4789 }, vxlan = { i = true, vni = 77 } },
    inner = { eth = { src = "02:00:00:00:00:01" }, ip4 = { src = "1.1.1.1" }, udp = { dport = 2 } },
    build = function()
      return ip4(ENDS4) / udp { sport = 1000 } / packet.vxlan { vni = 77 }
        / packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
        / ip4(INNER4) / udp(PORTS)
    end,
  },
  {
    "IPv4 in IPv4",
    bytes = "4500003100010000400466c60a0000010a000002 4500001d00020000401174c90101010102020202" ..
      "00010002000981d378",
    line = "IP 10.0.0.1 > 10.0.0.2: IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 1",
    read = { ip4 = { proto = 4 } },
    inner = { ip4 = { src = "1.1.1.1" }, udp = { length = 9 } },
    build = function()
      return ip4(ENDS4) / ip4(INNER4) / udp(PORTS) / "x"
    end,
  },
  {
    "IPv6 in IPv4",
    bytes = "45000045000100004029668d0a0000010a000002 6000000000091140" .. FD00 ..
      "0001000200098dd478",
    line = "IP 10.0.0.1 > 10.0.0.2: IP6 fd00::1.1 > fd00::2.2: UDP, length 1",
    read = { ip4 = { proto = 41 } },
    inner = { ip6 = { src = "fd00::1" }, udp = { length = 9 } },
    build = function()
      return ip4(ENDS4) / ip6(INNER6) / udp(PORTS) / "x"
    end,
  },
  {
    "IPv4 in IPv6",
    bytes = "60000000001d0440" .. FE80 ..
      "4500001d00020000401174c90101010102020202 00010002000981d378",
    line = "IP6 fe80::1 > fe80::2: IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 1",
    read = { ip6 = { next = 4 } },
    inner = { ip4 = { src = "1.1.1.1" }, udp = { length = 9 } },
    build = function()
      return ip6(ENDS6) / ip4(INNER4) / udp(PORTS) / "x"
    end,
  },
  {
    "IPv6 in IPv6",
    bytes = "6000000000312940" .. FE80 .. "6000000000091140" .. FD00 .. "0001000200098dd478",
    line = "IP6 fe80::1 > fe80::2: IP6 fd00::1.1 > fd00::2.2: UDP, length 1",
    read = { ip6 = { next = 41 } },
    inner = { ip6 = { src = "fd00::1" }, udp = { length = 9 } },
    build = function()
      return ip6(ENDS6) / ip6(INNER6) / udp(PORTS) / "x"
    end,
  },
})

describe("a tunnel", function()
  it("in a tunnel in a tunnel is read only so deep", function()
    local bytes, outer = "", "4500%04x00000000400400000a0000010a000002"
    for _ = 1, 100 do
      bytes = golden.bytes(outer:format(#bytes + 20)) .. bytes
    end
    local found, depth = packet.parse(bytes, "ip"), 0
    assert.is_true(#tostring(found) < 1000)
    while found do
      found, depth = found.inner, depth + 1
    end
    assert.is_true(depth <= 17)
  end)

  it("of GRE without a key has none to read or set", function()
    local found = golden.parse "4500001c00010000402f66b00a0000010a000002 0000080000000000"
    assert.is_nil(found.gre.key)
    local _, message = pcall(function()
      found.gre.key = 7
    end)
    assert.truthy(message:find "gre.key")
  end)

  it("of GRE with more in its flags than in its bytes is no layer", function()
    local found = golden.parse "4500001c00010000402f66b00a0000010a000002 b000080000000000"
    assert.is_nil(found.gre)
    assert.equal("a header of 16 bytes, in 8", found.error.message)
  end)

  it("of GRE in version 1 is no layer", function()
    local found = golden.parse "4500001c00010000402f66b00a0000010a000002 0001880b00000000"
    assert.is_nil(found.gre)
    assert.is_truthy(found.error)
  end)
end)
