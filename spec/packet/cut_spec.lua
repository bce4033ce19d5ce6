-- What is malformed, and what is merely not all there: a fragment, a capture, a quotation.
local packet = require "tun.packet"
local eth, ip4, ip6, udp, tcp = packet.eth, packet.ip4, packet.ip6, packet.udp, packet.tcp
local gre, vxlan, icmp = packet.gre, packet.vxlan, packet.icmp

local function reread(p, kind)
  return packet.parse(p:bytes(), kind or "ip")
end

local function outer(t)
  return ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 7, ttl = t }
end

local function inside()
  return ip4 { src = "10.1.0.1", dst = "10.1.0.2", id = 8 } / udp { sport = 1, dport = 2 }
    / ("x"):rep(1400)
end

describe("what is cut", function()
  it("is no error: the first fragment of a datagram", function()
    local list = assert(reread(outer() / udp {} / ("x"):rep(3000)):fragment(1280))
    local first = reread(list[1])
    assert.is_nil(first.error)
    assert.same({ layer = "udp", offset = 20, message =
      "length of 3008 bytes, but only 1256 are there" }, first.cut)
    assert.truthy(tostring(first):find("[|udp]", 1, true))
    assert.is_nil(reread(list[2]).cut)
  end)

  it("is no error: a header that is not whole in a fragment", function()
    local bytes = (outer() / tcp {} / "x"):bytes():sub(1, 28)
    bytes = bytes:sub(1, 2) .. "\0\28" .. bytes:sub(5, 6) .. "\32\0" .. bytes:sub(9)
    local p = packet.parse(bytes, "ip")
    assert.is_nil(p.error)
    assert.equal("tcp", p.cut.layer)
  end)

  it("is no error: what ends behind the capture, headers too", function()
    local whole = (eth {} / outer() / tcp {} / ("x"):rep(100)):bytes()
    for size = 34, #whole - 1 do
      local p = packet.parse(whole:sub(1, size), "eth")
      assert.is_nil(p.error)
      assert.equal("ip4", p.cut.layer)
    end
  end)

  it("is no error: what an ICMP error quotes", function()
    local quoted = reread(outer() / tcp {} / ("x"):rep(100)):bytes():sub(1, 28)
    local p = reread(outer() / icmp { type = 3, code = 1 } / quoted)
    assert.is_nil(p.error)
    assert.is_nil(p.inner.error)
    assert.equal("ip4", p.inner.cut.layer)
  end)

  it("is no error: what is inside of what is cut", function()
    local whole = (outer() / gre {} / inside()):bytes()
    local p = packet.parse(whole:sub(1, 200), "ip")
    assert.is_nil(p.error)
    assert.is_nil(p.inner.error)
    assert.truthy(p.cut and p.inner.cut)
  end)

  it("is an error where the packet is whole: a length of more than is there", function()
    local p = reread(outer() / udp { length = 100 } / "x")
    assert.is_nil(p.cut)
    assert.equal("udp", p.error.layer)
    p = reread(outer() / gre {} / ip4 { length = 100 } / "x")
    assert.is_nil(p.inner.cut)
    assert.equal("ip4", p.inner.error.layer)
  end)

  it("is told beside an error, each by the first that was found", function()
    local whole = (outer() / tcp { doff = 4 } / ("x"):rep(100)):bytes()
    local p = packet.parse(whole:sub(1, 60), "ip")
    assert.equal("ip4", p.cut.layer)
    assert.equal("tcp", p.error.layer)
  end)

  it("is not fragmented or segmented, whatever the transport is", function()
    for _, transport in ipairs { udp {}, tcp {} } do
      local whole = (outer() / transport / ("x"):rep(3000)):bytes()
      local p = packet.parse(whole:sub(1, 2000), "ip")
      local list, why = p:fragment(1280)
      assert.is_nil(list)
      assert.truthy(why:find("only 2000 are there", 1, true))
    end
  end)

  it("does not finish a datagram", function()
    local list = assert(reread(outer() / udp {} / ("x"):rep(3000)):fragment(1280))
    local last = list[#list]:bytes()
    local r = packet.reassembler()
    for i = 1, #list - 1 do
      r:add(list[i])
    end
    local p, why = r:add(packet.parse(last:sub(1, -9), "ip"))
    assert.is_nil(p)
    assert.truthy(why:find "cut")
    assert.equal(3028, #assert(r:add(packet.parse(last, "ip"))):bytes())
  end)
end)

describe("a fragment that carries a tunnel", function()
  local tunnels = {
    ["IP in IP"] = function() return outer() / inside() end,
    GRE = function() return outer() / gre {} / inside() end,
    ["IPv4 in IPv6"] = function()
      return ip6 { src = "fd00::1", dst = "fd00::2" } / inside()
    end,
    VXLAN = function()
      return outer() / udp { dport = 4789 } / vxlan { vni = 3 } / eth {} / inside()
    end,
  }
  for name, build in pairs(tunnels) do
    it("is not damaged by who looks at it, changes it and fixes it: " .. name, function()
      local whole = build():copy()
      local list = assert(whole:fragment(1280))
      local first = reread(list[1])
      local _ = { tostring(first), first:show(), first.inner and first.inner.inner }
      first.ip.dscp = 1
      first:fix()
      assert.is_true(first:verify())
      first:fix "all"
      local r = packet.reassembler()
      r:add(first)
      local again
      for i = 2, #list do
        again = r:add(list[i]) or again
      end
      again.ip.dscp = 0
      assert.equal(whole:bytes(), again:fix():bytes())
      assert.is_true(again:verify())
    end)
  end
end)

describe("a packet longer than its length can say", function()
  for name, it_is in pairs { IPv4 = { 3, 4 }, IPv6 = { 5, 6 } } do
    it("goes to the end of its bytes, and can be fixed: " .. name, function()
      local header = name == "IPv4" and ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
        or ip6 { src = "fd00::1", dst = "fd00::2" }
      local bytes = (header / tcp { dport = 80 } / ("x"):rep(60000)):bytes() .. ("y"):rep(10000)
      bytes = bytes:sub(1, it_is[1] - 1) .. "\0\0" .. bytes:sub(it_is[2] + 1)
      local p = packet.parse(bytes, "ip")
      assert.is_nil(p.error or p.cut)
      assert.equal(70000, #p.payload)
      p.ip.dscp = 3
      p:fix()
      p.tcp.dport = 8080
      p:fix "all"
      assert.equal(0, p.ip.length)
      assert.is_true(p:verify())
      assert.is_nil((p:fragment(1280)))
    end)
  end
end)
