local packet = require "tun.packet"
local eth, ip4, ip6 = packet.eth, packet.ip4, packet.ip6
local udp, tcp, vlan = packet.udp, packet.tcp, packet.vlan

local function names(p)
  local list = {}
  for i, view in ipairs(p:layers()) do
    list[i] = view:name()
  end
  return table.concat(list, "/")
end

local function frame(payload)
  return packet.parse((eth {} / ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
    / udp { sport = 1, dport = 2 } / (payload or "payload")):bytes(), "eth")
end

describe("a packet", function()
  it("has the layers that are there, and nil for others", function()
    local p = frame()
    assert.equal("eth/ip4/udp", names(p))
    assert.is_nil(p.tcp)
    assert.is_nil(p.ip6)
    assert.is_nil(p.error)
    assert.equal(p.ip4.src, p.ip.src)
    assert.equal("payload", p.payload)
  end)

  it("refuses names of layers and fields that do not exist", function()
    local p = frame()
    local function line(f)
      local ok, why = pcall(f)
      assert.is_false(ok)
      assert.matches("packet_spec.lua:%d+: ", why)
      return why
    end
    assert.matches("a packet has no layer upd; there are: .*udp", line(function() return p.upd end))
    assert.matches("udp has no field port; there are: sport, dport",
      line(function() return p.udp.port end))
    assert.matches("udp has no field port; there are:", line(function() p.udp.port = 1 end))
    assert.matches("udp.dport: 70000 is not a number from 0 to 65535",
      line(function() p.udp.dport = 70000 end))
    assert.matches("udp.dport: nil is not", line(function() p.udp.dport = nil end))
    assert.matches("a packet's udp cannot be set", line(function() p.udp = 1 end))
    assert.matches('packet: no layer "upd"', line(function() packet.parse("", "upd") end))
  end)

  it("has lengths without fractions, also behind a header whose fields may be absent", function()
    assert.truthy((packet.gre { key = 1 } / packet.ip4 {}):bytes())
    local line = tostring(packet.eth { type = 0x1234 } / "x")
    assert.truthy(line:find "length 15$")
  end)

  it("tells where and why reading stopped, with what could be read", function()
    local p = packet.parse(frame():bytes():sub(1, 38), "eth")
    assert.equal("eth/ip4", names(p))
    assert.is_nil(p.error)
    assert.same({ layer = "ip4", offset = 14,
                  message = "length of 35 bytes, but only 24 are there" }, p.cut)
    local q = packet.parse((eth {} / ip4 { ihl = 15 } / udp {}):bytes(), "eth")
    assert.equal("eth", names(q))
    assert.same({ layer = "ip4", offset = 14, message = "a header of 60 bytes, in 28" }, q.error)
    assert.equal("", packet.parse("", "eth").payload)
    assert.equal("eth", packet.parse("", "eth").error.layer)
  end)

  it("reads two tags: the outer one is found", function()
    local p = packet.parse((eth {} / packet.svlan { id = 1 } / vlan { id = 2 } / vlan { id = 3 }
      / ip4 {}):bytes(), "eth")
    assert.equal("eth/svlan/vlan/vlan/ip4", names(p))
    assert.equal(2, p.vlan.id)
    assert.equal(3, p:layers()[4].id)
  end)

  it("is copied with all that is its own", function()
    local p = frame()
    p.ip4.ttl = 9
    local copy = p:copy()
    p.ip4.src = "1.2.3.4"
    assert.equal("10.0.0.1", copy.ip4.src)
    assert.is_true(copy:fix():verify())
    local tunnel = ip4 {} / packet.gre {} / ip4 { dst = "10.0.0.9" } / udp {}
    local second = tunnel:copy()
    tunnel.inner.ip4.dst = "10.0.0.8"
    assert.equal("10.0.0.9", second.inner.ip4.dst)
  end)

  it("outlives the collector with its memory", function()
    local list = {}
    for i = 1, 500 do
      list[i] = ip4 { id = i } / udp { dport = i } / ("x"):rep(i)
      local _ = list[i].ip4
    end
    collectgarbage()
    for i = 1, 500 do
      assert.equal(i, list[i].udp.dport)
      assert.is_true(list[i]:verify())
    end
  end)
end)

describe("the payload of a packet", function()
  it("is replaced, in place and beyond", function()
    local p = frame()
    for _, text in ipairs { "", "short", ("long"):rep(1000) } do
      p.payload = text
      assert.equal(text, p:fix().payload)
      assert.equal(42 + #text, #p:bytes())
      assert.is_true(packet.parse(p:bytes(), "eth"):verify())
    end
  end)

  it("may be that of a packet inside", function()
    local p = packet.parse((ip4 {} / packet.gre {} / ip4 {} / udp {} / "x"):bytes(), "ip")
    p.inner.payload = ("y"):rep(300)
    p:fix()
    assert.equal(("y"):rep(300), p.inner.payload)
    assert.equal(#p:bytes(), p.ip4.length)
    assert.is_true(packet.parse(p:bytes(), "ip"):verify())
  end)

  it("is bytes", function()
    local ok, why = pcall(function() frame().payload = 7 end)
    assert.is_false(ok)
    assert.matches("payload: a number is not a string", why)
  end)
end)

describe("push", function()
  it("puts headers in front", function()
    local p = (ip4 { dst = "10.0.0.2" } / udp {} / "x"):push(eth {} / vlan { id = 5 })
    assert.equal("eth/vlan/ip4/udp", names(p))
    assert.same({ "vlan", "ip4" }, { p.eth.type, p.vlan.type })
    assert.is_true(packet.parse(p:bytes(), "eth"):verify())
  end)

  it("makes the packet the inner one of a tunnel", function()
    local p = frame():push(ip4 { dst = "9.9.9.9" } / udp {} / packet.vxlan { vni = 7 })
    assert.equal("ip4/udp/vxlan", names(p))
    assert.equal("eth/ip4/udp", names(p.inner))
    assert.equal("9.9.9.9", p.ip4.dst)
    assert.equal("10.0.0.2", p.inner.ip4.dst)
    assert.is_true(p:verify())
    p.inner.ip4.ttl = 1
    assert.is_true(packet.parse(p:fix():bytes(), "ip"):verify())
  end)

  it("finds room when the headroom is used up", function()
    local p = frame()
    for i = 1, 12 do
      p:push(ip4 { id = i } / packet.gre {})
    end
    assert.equal(12, p.ip4.id)
    local q = packet.parse(p:bytes(), "ip")
    for _ = 1, 12 do
      q = q.inner
    end
    assert.equal("payload", q.payload)
    assert.is_true(packet.parse(p:bytes(), "ip"):verify())
  end)

  it("leaves the received bytes behind as they are", function()
    local bytes = (ip4 { checksum = 1 } / udp { length = 5 } / "x"):bytes()
    assert.equal(bytes, packet.parse(bytes, "ip"):push(eth {}):bytes():sub(15))
  end)

  it("tells a transport its addresses", function()
    local p = (udp { dport = 7 } / "x"):push(ip4 { dst = "10.0.0.2" })
    assert.is_true(p:verify())
  end)

  it("refuses what cannot stand there", function()
    local ok, why = pcall(function() frame():push(tcp {}) end)
    assert.is_false(ok)
    assert.matches("packet_spec.lua:%d+: tcp cannot stand in front of eth", why)
    ok, why = pcall(function() frame():push "bytes" end)
    assert.is_false(ok)
    assert.matches("push: headers expected, not a string", why)
  end)
end)

describe("pull", function()
  it("removes the first header", function()
    local p = frame():pull()
    assert.equal("ip4/udp", names(p))
    assert.equal(35, #p:bytes())
    assert.is_true(p:fix():verify())
  end)

  it("removes all in front of a layer", function()
    assert.equal("udp", names(frame():pull "udp"))
  end)

  it("removes a tunnel", function()
    local p = frame()
    local bytes = p:bytes()
    p:push(ip6 {} / packet.gre { seq = 1 }):pull "inner"
    assert.equal(bytes, p:bytes())
    assert.equal("eth/ip4/udp", names(p))
    p:push(ip4 {} / udp {} / packet.vxlan {})
    assert.equal("payload", p.inner.payload)
  end)

  it("says that a layer is not there, and leaves the packet as it is", function()
    local p = frame()
    local bytes = p:bytes()
    assert.same({ nil, "the packet has no layer tcp" }, { p:pull "tcp" })
    assert.same({ nil, "there is no packet inside" }, { p:pull "inner" })
    assert.same({ nil, "the packet has no layer behind the first" },
      { packet.parse("", "eth"):pull() })
    assert.equal(bytes, p:bytes())
  end)

  it("refuses what is the name of no layer", function()
    local ok, why = pcall(function() frame():pull "tpc" end)
    assert.is_false(ok)
    assert.matches("packet_spec.lua:%d+: pull: tpc is the name of no layer", why)
    assert.is_false(pcall(function() frame():pull(5) end))
  end)
end)

describe("packet.parse", function()
  it("takes IP packets of either version, as a TUN gives", function()
    assert.equal("ip4/udp", names(packet.parse((ip4 {} / udp {}):bytes())))
    assert.equal("ip6/udp", names(packet.parse((ip6 {} / udp {}):bytes())))
  end)

  it("says how a frame is read", function()
    local p = packet.parse(frame():bytes())
    assert.equal('neither IPv4 nor IPv6 by the first four bits; a frame is read with '
      .. 'packet.parse(bytes, "eth")', p.error.message)
    assert.equal("eth/ip4/udp", names(packet.parse(frame():bytes(), "eth")))
    assert.not_matches("frame", packet.parse("x", "ip").error.message)
  end)

  it("takes what a device puts in front", function()
    local p = packet.virtio_net {} / frame()
    assert.equal("virtio_net/eth/ip4/udp", names(packet.parse(p:bytes(), "virtio_net/eth")))
  end)
end)

describe("a layer", function()
  it("has fields that are gone through, those that are there", function()
    local list = {}
    for name, value in frame().udp:fields() do
      list[#list + 1] = ("%s=%s"):format(name, tostring(value))
    end
    assert.equal("sport=1 dport=2 length=15 checksum=", table.concat(list, " "):sub(1, 35))
    local seen = {}
    for name, value in (ip4 {} / tcp { options = { { "mss", 1400 } } }).tcp:fields() do
      seen[name] = value
    end
    assert.equal(1400, seen.options[1][2])
    for name in (ip4 {} / packet.icmp { type = "echo" }).icmp:fields() do
      seen[name] = true
    end
    assert.is_true(seen.seq)
    assert.is_nil(seen.gateway)
  end)

  it("of IP has a ttl, whatever the version calls it", function()
    for _, ip in ipairs { ip4 { ttl = 9 }, ip6 { ttl = 9 }, ip6 { hlim = 9 } } do
      local p = ip / udp {}
      assert.equal(9, p.ip.ttl)
      p.ip.ttl = 8
      assert.equal(8, p.ip4 and p.ip4.ttl or p.ip6.hlim)
      assert.is_true(p:fix():verify())
    end
    assert.not_matches("ttl", (ip6 {} / udp {}):show())
  end)
end)

describe("a packet", function()
  it("has a size", function()
    local p = frame()
    assert.equal(#p:bytes(), p:size())
    assert.equal("integer", math.type and math.type(p:size()) or "integer")
    assert.equal(p:size() - 14, p:pull "ip4":size())
  end)

  it("lists methods and layers where a name is neither", function()
    local ok, why = pcall(function() return frame():fixx() end)
    assert.is_false(ok)
    assert.matches("packet_spec.lua:%d+: a packet has no layer fixx; there are: .*tcp.*"
      .. "; nor a method of that name; there are: .*fix", why)
  end)
end)
