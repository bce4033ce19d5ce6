local packet = require "tun.packet"
local eth, ip4, ip6 = packet.eth, packet.ip4, packet.ip6
local udp, tcp, icmp = packet.udp, packet.tcp, packet.icmp

local function names(p)
  local list = {}
  for i, view in ipairs(p:layers()) do
    list[i] = view:name()
  end
  return table.concat(list, "/")
end

-- The message of an error, and the line that it names.
local function complaint(f, ...)
  local ok, why = pcall(f, ...)
  assert.is_false(ok)
  return why
end

describe("a packet that is built", function()
  it("has every length, number and checksum computed", function()
    local p = eth {} / ip4 { dst = "10.0.0.2" } / udp { sport = 1, dport = 2 } / "odd"
    assert.equal("eth/ip4/udp", names(p))
    assert.same({ "ip4", 0x0800 }, { p.eth.type, p.eth.type_n })
    assert.equal("udp", p.ip4.proto)
    assert.equal(31, p.ip4.length)
    assert.equal(11, p.udp.length)
    assert.is_true(p:verify())
    assert.is_true(packet.parse(p:bytes(), "eth"):verify())
  end)

  it("keeps what was given, even when it is wrong", function()
    local p = ip4 { length = 5, proto = 99, checksum = 1 } / udp { checksum = 0, length = 3 } / "x"
    assert.equal(5, p.ip4.length)
    assert.equal(99, p.ip4.proto)
    assert.equal(1, p.ip4.checksum)
    assert.equal(3, p.udp.length)
    assert.equal(0, p.udp.checksum)
  end)

  it("may have a layer that a wrong number leads to", function()
    local p = udp { length = 8 } / "x"
    assert.equal(8, p.udp.length)
    assert.equal("x", (eth { type = 0x1234 } / tcp {} / "x").payload)
  end)

  it("becomes a packet in the same table at the first use", function()
    local stack = ip4 {} / icmp { type = "echo", id = 1, seq = 2 }
    local before = stack
    assert.equal("echo", stack.icmp.type)
    assert.is_true(rawequal(before, stack))
    stack.icmp.seq = 3
    assert.equal(3, before.icmp.seq)
  end)

  it("leaves the headers that it was built of as they are", function()
    local front, back = ip4 { dst = "10.0.0.2" }, udp { dport = 7 }
    local a, b = front / back / "a", front / back / "bb"
    assert.equal(1, #a.payload)
    a.udp.dport = 8
    front.ip4.ttl = 9
    assert.equal(7, b.udp.dport)
    assert.equal(64, b.ip4.ttl)
    assert.equal(9, front.ip4.ttl)
    assert.equal(7, (front / back).udp.dport)
  end)

  it("takes more headers and bytes when it was used", function()
    local p = ip4 { dst = "10.0.0.2" } / udp {} / packet.vxlan { vni = 3 } / eth {} / ip4 {}
    assert.equal(3, p.vxlan.vni)
    local more = p / udp { dport = 5 } / "x"
    assert.equal(5, more.inner.udp.dport)
    assert.equal(3, more.vxlan.vni)
    assert.is_true(more:verify())
    assert.is_true(packet.parse(more:bytes(), "ip"):verify())
    assert.is_nil(p.inner.udp)
  end)

  it("may be one header alone", function()
    local p = udp { dport = 9 }
    assert.equal(9, p.udp.dport)
    assert.equal(8, #p:bytes())
  end)

  it("goes behind headers as it is", function()
    local ping = ip4 { dst = "10.0.0.2" } / icmp { type = "echo" } / "payload"
    local bytes = ping:bytes()
    local framed = eth {} / ping
    assert.equal("ip4", framed.eth.type)
    assert.equal(bytes, framed:bytes():sub(15))
    assert.equal("eth/ip4/icmp", names(framed))
  end)

  it("has an inner packet behind the header of a tunnel", function()
    local inner = ip4 { dst = "10.0.0.9" } / udp { dport = 7 } / "in"
    local p = ip4 { dst = "10.0.0.2" } / udp {} / packet.vxlan { vni = 5 } / eth {} / inner
    assert.equal("ip4/udp/vxlan", names(p))
    assert.equal("eth/ip4/udp", names(p.inner))
    assert.equal(4789, p.udp.dport)
    assert.equal(7, p.inner.udp.dport)
    assert.is_true(p:verify())
    local read = packet.parse(p:bytes(), "ip")
    assert.equal("in", read.inner.payload)
    assert.is_true(read:verify())
  end)

  it("has tunnels in tunnels", function()
    local p = ip4 {} / packet.gre { key = 1 } / ip6 {} / packet.gre {} / ip4 {} / udp { dport = 3 }
    assert.equal(3, p.inner.inner.udp.dport)
    assert.equal("gre", p.ip4.proto)
    assert.is_true(p:verify())
  end)

  it("has the number of IP in IP", function()
    local p = ip4 {} / ip4 { dst = "10.0.0.9" } / udp {}
    assert.equal("ip4", p.ip4.proto)
    assert.equal("10.0.0.9", p.inner.ip4.dst)
  end)

  it("has the port of what follows unless one is given", function()
    assert.equal(53, (ip4 {} / udp {} / packet.dns {}).udp.dport)
    assert.equal(99, (ip4 {} / udp { dport = 99 } / packet.dns {}).udp.dport)
  end)

  it("takes names for enums and booleans for bits", function()
    local p = ip4 { df = true, proto = "tcp" } / icmp { type = "echo_reply" }
    assert.is_true(p.ip4.df)
    assert.equal("tcp", p.ip4.proto)
    assert.equal("echo_reply", p.icmp.type)
  end)

  it("takes more fields than a few at once", function()
    local fields = { sport = 1, dport = 2, seq = 3, window = 4, urgent = 5, syn = true,
                     fin = true, rst = true, psh = true, urg = true, ece = true, cwr = true }
    local p = ip4 {} / tcp(fields) / "x"
    for name, value in pairs(fields) do
      assert.equal(value, p.tcp[name])
    end
    fields.nonsense = 1
    assert.matches("tcp has no field nonsense", complaint(tcp, fields))
  end)

  it("is the same the first time and later, whatever its headers are", function()
    local function stacks(i)
      return {
        ip4 { id = i } / udp { dport = 7 } / ("x"):rep(i),
        eth {} / ip6 {} / tcp { options = i % 2 == 0 and { { "mss", 1460 } } or nil },
        ip4 { length = 99 } / icmp {} / "x",
        ip4 {} / icmp { type = "unreachable" } / (ip4 {} / udp {} / "x"),
        ip6 {} / packet.hopopts {} / udp {} / "x",
        ip4 {} / packet.gre {} / ip4 {} / udp {} / packet.dns {},
      }
    end
    local function bytes(i, j)
      return stacks(i)[j]:bytes()
    end
    for j = 1, 6 do
      local first = bytes(4, j)
      for i = 1, 100 do
        bytes(i, j)
      end
      assert.equal(first, bytes(4, j))
    end
    assert.equal(99, stacks(1)[3].ip4.length)
  end)

  it("may be one of any number of sizes", function()
    local front = ip4 {} / udp {}
    for i = 1, 3000 do
      local p = front / packet.dhcp { options = { { 224, ("x"):rep(i % 200) }, { "end" } } }
      if i % 100 == 0 then
        assert.equal(20 + p.udp.length, #p:bytes())
        assert.equal("", p.payload)
        assert.is_true(p:verify())
      end
    end
  end)

  it("takes addresses as text and as numbers", function()
    assert.equal("10.0.0.1", ip4 { src = 0x0a000001 }.ip4.src)
    assert.equal(0x0a000002, ip4 { dst_n = 0x0a000002 }.ip4.dst_n)
  end)
end)

describe("what cannot be built", function()
  it("is a field that does not exist: raised with the caller's line", function()
    local why = complaint(function() return ip4 { tl = 3 } end)
    assert.matches("build_spec.lua:%d+: ip4 has no field tl; there are: version, ihl,", why)
    assert.matches("options", why)
  end)

  it("is a value that does not fit", function()
    assert.matches("build_spec.lua:%d+: ip4.ttl: 256 is not a number from 0 to 255",
      complaint(function() return ip4 { ttl = 256 } end))
    assert.matches("ip4.ttl: 1.5 is not", complaint(ip4, { ttl = 1.5 }))
    assert.matches('ip4.src: 10.0.0.256 is not an IPv4 address',
      complaint(ip4, { src = "10.0.0.256" }))
    assert.matches("ip4.df: 2 is not true or false", complaint(ip4, { df = 2 }))
    assert.matches("icmp.type: ecco is not .* echo, echo_reply,",
      complaint(icmp, { type = "ecco" }))
  end)

  it("is an order that no number tells", function()
    assert.matches("build_spec.lua:%d+: udp cannot stand in front of ip4",
      complaint(function() return udp {} / ip4 {} end))
    assert.matches("nothing can be put behind bytes", complaint(function() return "x" / ip4 {} end))
    assert.matches("nothing can be put behind bytes",
      complaint(function() return ip4 {} / "x" / "y" end))
  end)

  it("is more than a length can tell", function()
    local p = ip4 {} / udp {} / ("x"):rep(65536)
    assert.matches("build_spec.lua:%d+: udp.length: 65544 does not fit in 16 bits",
      complaint(function() return p:bytes() end))
  end)

  it("is something else than headers and bytes", function()
    assert.matches("a header, a packet or bytes expected behind /, not a number",
      complaint(function() return ip4 {} / 7 end))
    assert.matches("ip4: a table of fields expected, not a string", complaint(ip4, "10.0.0.1"))
  end)
end)

describe("a protocol of a script", function()
  packet.header("spec_tlv", {
    { "kind", 8, enum = { first = 1 } },
    { "size", 8, computed = "size" },
    { "rest", 16, computed = "extent" },
    { "sum", 16, computed = "checksum" },
    { "spare", 16 },
    level = "transport",
    sum = "TRANSPORT",
    size = "size * 8",
    extent = "rest + 2",
    checksum = { over = "extent", pseudo = true },
    follows = { ip = 253 },
  })

  it("takes part in everything", function()
    local p = ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
      / packet.spec_tlv { kind = "first" } / "abc"
    assert.same({ "spec_tlv", 253 }, { p.ip4.proto, p.ip4.proto_n })
    assert.equal(1, p.spec_tlv.size)
    assert.equal(9, p.spec_tlv.rest)
    local read = packet.parse(p:bytes(), "ip")
    assert.equal("ip4/spec_tlv", names(read))
    assert.is_true(read:verify())
    read.ip4.dst = "10.0.0.3"
    read.spec_tlv.spare = 77
    assert.is_true(read:fix():verify())
  end)
end)
