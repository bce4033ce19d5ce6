-- Views of layers follow their packet, wherever it goes.
local packet = require "tun.packet"
local eth, vlan, ip4, ip6, udp, vxlan = packet.eth, packet.vlan, packet.ip4, packet.ip6,
  packet.udp, packet.vxlan

local function reread(p, kind)
  return packet.parse(p:bytes(), kind or "ip")
end

local function names(p)
  local list = {}
  for i, layer in ipairs(p:layers()) do
    list[i] = layer:name()
  end
  return table.concat(list, "/")
end

describe("a view", function()
  local p, ip

  before_each(function()
    p = reread(ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { dport = 5 } / "x")
    ip = p.ip4
  end)

  it("follows a packet that grows", function()
    for n = 1, 5 do
      p.payload = ("y"):rep(2000 * n)
      collectgarbage()
      ip.ttl = 9 + n
      assert.equal(9 + n, p.ip4.ttl)
      assert.equal("10.0.0.1", ip.src)
    end
    p:fix()
    assert.is_true(p:verify())
  end)

  it("follows a packet that others are put in front of", function()
    for n = 1, 10 do
      p:push(ip4 {} / udp { dport = 4789 } / vxlan { vni = n } / eth {})
    end
    local inmost = p
    while inmost.inner do
      inmost = inmost.inner
    end
    ip.ttl = 3
    assert.equal(3, inmost.ip4.ttl)
  end)

  it("of a packet inside follows when that grows", function()
    p = reread(ip4 {} / ip6 {} / udp {} / "x")
    local inner = p.inner.ip6
    p.inner.payload = ("z"):rep(3000)
    inner.hlim = 7
    assert.equal(7, p.inner.ip6.hlim)
  end)

  it("of a packet inside refuses once that is the outer one, or is replaced", function()
    p = reread(ip4 {} / ip6 {} / udp {} / "x")
    local inner = p.inner
    local hops = inner.ip6
    p:pull "inner"
    for i = 1, 10 do
      p:push(ip4 { id = i })
    end
    for _, use in ipairs { function() return hops.hlim end, function() hops.hlim = 7 end,
                           function() return tostring(hops) end, function() inner.payload = "y" end,
                           function() return inner:bytes() end } do
      local ok, why = pcall(use)
      assert.is_false(ok)
      assert.matches("the packet inside took the place of the outer one: use that", why)
    end
    p = reread(ip4 {} / ip4 {} / udp {} / "x")
    inner = p.inner
    p.payload = "x"
    p.payload = ("x"):rep(60000)
    local ok, why = pcall(function() inner.payload = ("y"):rep(50000) end)
    assert.is_false(ok)
    assert.matches("was good until it was replaced: take packet.inner again", why)
  end)

  it("of a layer behind another one follows when that grows and shrinks", function()
    p = reread(ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { dport = 5 } / "x")
    local udp_view = p.udp
    ip = p.ip4
    ip.options = { { "router_alert", 7 }, { "stream", 9 } }
    udp_view.dport = 77
    assert.equal(77, p.udp.dport)
    ip.options = {}
    udp_view.dport = 78
    ip.ttl = 5
    assert.same({ 78, 5, "x" }, { p.udp.dport, p.ip4.ttl, p.payload })
    assert.is_true(p:fix():verify())
  end)

  it("of one of several layers of a kind follows as well", function()
    p = reread(eth {} / vlan { id = 1 } / vlan { id = 2 } / ip4 {} / udp {} / "x", "eth")
    local second = p:layers()[3]
    p.payload = ("y"):rep(5000)
    second.id = 9
    assert.equal(9, p:layers()[3].id)
  end)
end)

describe("pull", function()
  it("passes the last of several tags or extension headers", function()
    local p = reread(eth {} / vlan { id = 1 } / vlan { id = 2 } / ip4 {} / udp {} / "x", "eth")
    p:pull "ip4"
    assert.equal("ip4/udp", names(p))
    assert.truthy(tostring(p):find "UDP, length 1")
    assert.is_true(p:fix():verify())
    p = reread(ip6 {} / packet.hopopts {} / packet.dstopts {} / udp {} / "x")
    p:pull "udp"
    assert.equal("udp", names(p))
    assert.truthy(tostring(p):find "UDP, length 1")
    assert.equal("x", p.payload)
  end)
end)
