local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, icmp = packet.ip4, packet.icmp

local function ping()
  return ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / icmp { type = "echo", id = 1, seq = 2 }
    / "payload"
end

describe("a packet", function()
  it("is one line in a string", function()
    assert.equal("IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 15",
      tostring(ping()))
  end)

  it("shows all fields by layer", function()
    assert.equal([[
ip4
  version      4
  ihl          5
  dscp         0
  ecn          0
  length       35
  id           0
  reserved     false
  df           false
  mf           false
  offset       0
  ttl          64
  proto        1 (icmp)
  checksum     0x66d8
  src          10.0.0.1
  dst          10.0.0.2
icmp
  type         8 (echo)
  code         0
  checksum     0x3acd
  id           1
  seq          2
payload
  7 bytes      7061796c6f6164]], ping():show())
  end)

  it("dumps its bytes with the layers marked", function()
    assert.equal([[
ip4         0000  45 00 00 23 00 00 00 00  40 01 66 d8 0a 00 00 01  E..#....@.f.....
            0010  0a 00 00 02                                       ....
icmp        0014  08 00 3a cd 00 01 00 02                           ..:.....
payload     001c  70 61 79 6c 6f 61 64                              payload]], ping():hexdump())
  end)

  it("gives the source that builds it", function()
    assert.equal([[
packet.ip4{ src = "10.0.0.1", dst = "10.0.0.2" }
  / packet.icmp{ type = "echo", id = 1, seq = 2 }
  / "payload"]], ping():lua())
  end)

  it("has fields in its source that are not what building computes", function()
    local built = ping()
    built.icmp.checksum = 7
    assert.truthy(built:lua():find("packet.icmp{ type = \"echo\", checksum = 7,", 1, true))
    assert.equal(built:bytes(), golden.run(built:lua()):bytes())
  end)

  it("is bytes in its source when it cannot be built of layers", function()
    local found = golden.parse "45000014"
    assert.equal('packet.parse("E\\000\\000\\020", "ip")', found:lua())
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("says in every form why reading stopped", function()
    local found = golden.parse "4500001800010000401166d20a0000010a000002 01020304"
    local words = "[|udp: truncated: 8 bytes needed, 4 there]"
    assert.truthy(tostring(found):find(words, 1, true))
    assert.truthy(found:show():find(words, 1, true))
  end)

  it("has layers that show themselves", function()
    local built = ping()
    assert.equal("ICMP echo request, id 1, seq 2, length 15", tostring(built.icmp))
    assert.truthy(built.icmp:show():find("type         8 (echo)", 1, true))
  end)

  it("shows only fields that mean something", function()
    local built = ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
      / icmp { type = "unreachable", code = 4, mtu = 1400 }
    local text = built:show()
    assert.truthy(text:find "mtu +1400")
    assert.is_nil(text:find "seq")
    assert.is_nil(text:find "gateway")
  end)

  it("escapes what is not printable in its source and its fields", function()
    local built = packet.udp {} / "\0\"\\\n\255é"
    assert.equal(built:bytes(), golden.run(built:lua()):bytes())
    assert.is_nil(built:lua():find "[%z\128-\255]")
  end)
end)

describe("a protocol of a script", function()
  packet.header("spec_proto", {
    { "kind", 8, enum = { hello = 1, bye = 2 } },
    { "flag", 1 },
    { "rest", 7 },
    { "number", 16 },
    follows = { udp = 40000 },
  })

  it("is printed by its fields, and its source builds it", function()
    local built = ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
      / packet.udp { sport = 5, dport = 40000 }
      / packet.spec_proto { kind = "hello", flag = true, number = 7 } / "x"
    assert.equal("IP 10.0.0.1.5 > 10.0.0.2.40000: "
      .. "spec_proto kind hello, flag true, rest 0, number 7", tostring(built))
    assert.truthy(built:show():find("spec_proto\n  kind         1 (hello)\n", 1, true))
    assert.equal(built:bytes(), golden.run(built:lua()):bytes())
    local source = 'spec_proto{ kind = "hello", flag = true, number = 7 }'
    assert.truthy(built:lua():find(source, 1, true))
  end)
end)

describe("a protocol", function()
  it("tells its fields, their widths, and what they are when not given", function()
    assert.equal([[
udp
  sport          16  0
  dport          16  0
  length         16  computed
  checksum       16  computed]], tostring(packet.udp))
    assert.truthy(tostring(packet.tcp):find "\n  options +%*  a list of options$")
    assert.truthy(tostring(packet.eth):find "dst +48  ff:ff:ff:ff:ff:ff")
  end)
end)

describe("a line has", function()
  local eth, vlan, udp, dns = packet.eth, packet.vlan, packet.udp, packet.dns

  it("all tags in front of the addresses, in their order", function()
    local p = packet.parse((eth {} / packet.svlan { id = 1 } / vlan { id = 2 } / vlan { id = 3 }
      / ip4 {} / udp {} / "x"):bytes(), "eth")
    assert.equal("svlan 1, vlan 2, vlan 3, IP 0.0.0.0.0 > 0.0.0.0.0: UDP, length 1", tostring(p))
  end)

  it("the code of a DNS answer, and all questions", function()
    local p = ip4 {} / udp { sport = 53 } / dns { id = 7, qr = true, rcode = "nxdomain",
      questions = { { name = "a.example", type = "A" }, { name = "b.example", type = "AAAA" } } }
    assert.equal("IP 0.0.0.0.53 > 0.0.0.0.0: 7 NXDomain A? a.example., AAAA? b.example. 0/0/0 (35)",
      tostring(p))
  end)
end)
