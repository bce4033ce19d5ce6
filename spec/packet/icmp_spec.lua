local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, icmp = packet.ip4, packet.icmp

local ENDS = { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }
local QUOTED = "4500001c00020000401166c50a0000020a000009 03e800350008e7b6"

local function quoted()
  return ip4 { src = "10.0.0.2", dst = "10.0.0.9", id = 2 }
    / packet.udp { sport = 1000, dport = 53 }
end

golden.each(describe, it, {
  {
    "ICMP echo with an odd length",
    bytes = "4500001f00010000400166db0a0000010a000002 0800339a00010002 616263",
    line = "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 11",
    read = { icmp = { type = 8, code = 0, checksum = 0x339a, id = 1, seq = 2 } },
    build = function()
      return ip4(ENDS) / icmp { type = "echo", id = 1, seq = 2 } / "abc"
    end,
  },
  {
    "ICMP that asks for fragments",
    bytes = "4500003800010000400166c20a0000010a000002 03040ba800000578" .. QUOTED,
    line = "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.9 unreachable - need to frag (mtu 1400), length 36",
    read = { icmp = { type = 3, code = 4, mtu = 1400 } },
    inner = { ip4 = { dst = "10.0.0.9" }, udp = { dport = 53 } },
    build = function()
      return ip4(ENDS) / icmp { type = "unreachable", code = 4, mtu = 1400 } / quoted()
    end,
  },
  {
    "ICMP redirect",
    bytes = "4500003800010000400166c20a0000010a000002 050104250a0000fe" .. QUOTED,
    line = "IP 10.0.0.1 > 10.0.0.2: ICMP redirect to 10.0.0.254, length 36",
    read = { icmp = { type = 5, code = 1, gateway = "10.0.0.254", gateway_n = 0x0a0000fe } },
    inner = { ip4 = { id = 2 } },
    build = function()
      return ip4(ENDS) / icmp { type = "redirect", code = 1, gateway = "10.0.0.254" } / quoted()
    end,
  },
})

describe("ICMP", function()
  local function unreachable(code, rest)
    return golden.parse("4500 0038 0001 0000 4001 66c2 0a000001 0a000002" ..
      "03" .. code .. "0000 00000000" .. (rest or QUOTED))
  end

  it("tells which port is unreachable", function()
    assert.equal("IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.9 udp port 53 unreachable, length 36",
      tostring(unreachable "03"))
  end)

  it("leaves what it quotes as it is", function()
    local found = unreachable("03", "4500001c0002000040111234 0a0000020a000009 03e8003500085678")
    found:fix "all"
    assert.equal(0x1234, found.inner.ip4.checksum)
    assert.equal(0x5678, found.inner.udp.checksum)
    assert.is_true(found:verify())
  end)

  it("shows the layers of what it quotes, in its source too", function()
    local found = golden.parse("4500003800010000400166c20a0000010a000002 03040ba800000578" ..
      QUOTED)
    assert.truthy(("\n" .. found:show()):find("\nip4\n.*\nicmp\n.*\nip4\n.*\nudp\n"))
    assert.equal([[
packet.ip4{ id = 1, src = "10.0.0.1", dst = "10.0.0.2" }
  / packet.icmp{ type = "unreachable", code = 4, mtu = 1400 }
  / packet.ip4{ id = 2, src = "10.0.0.2", dst = "10.0.0.9" }
  / packet.udp{ sport = 1000, dport = 53 }]], found:lua())
  end)

  it("quotes a packet that is cut off", function()
    local found = golden.parse("4500 0034 0001 0000 4001 66c6 0a000001 0a000002" ..
      "0303fcfc00000000" .. "450005dc00020000400600000a0000020a000009 03e80050")
    assert.is_nil(found.error)
    assert.is_nil(found.inner.error)
    assert.equal("ip4", found.inner.cut.layer)
    assert.equal("10.0.0.9", found.inner.ip4.dst)
  end)

  it("quotes nothing when it is no error", function()
    local found = golden.parse "4500001f00010000400166db0a0000010a000002 0800339a00010002 616263"
    assert.is_nil(found.inner)
  end)

  it("reads errors that quote errors only so deep", function()
    local bytes, error_of = "", "4500%04x00000000400100000a0000010a000002 0303000000000000"
    for _ = 1, 100 do
      bytes = golden.bytes(error_of:format(#bytes + 28)) .. bytes
    end
    local found, depth = packet.parse(bytes, "ip"), 0
    while found do
      found, depth = found.inner, depth + 1
    end
    assert.is_true(depth <= 17)
  end)
end)

describe("an error of ICMP", function()
  it("has extensions behind what it quotes (RFC 4884)", function()
    local long = packet.ip4 { length = 1028 } / packet.udp { length = 1008 } / ("q"):rep(100)
    local p = packet.parse((packet.ip4 {} / packet.icmp { type = "time_exceeded", length = 32 }
      / (long:bytes():sub(1, 128)
      .. golden.bytes "2000 0000 0008 0101 0001 0108")):bytes(), "ip")
    assert.equal(32, p.icmp.length)
    local list = p.icmp:extensions()
    assert.same({ "mpls", 1, 1 }, { list[1][1], list[1].ctype, #list[1][2] })
    assert.same({ 16, true, 8 },
      { list[1][2][1].label, list[1][2][1].s, list[1][2][1].ttl })
    assert.is_nil(packet.parse((packet.ip4 {} / packet.icmp { type = "unreachable" }
      / long):bytes(), "ip").icmp:extensions())
  end)
end)
