local packet = require "tun.packet"
local eth, ip4, ip6 = packet.eth, packet.ip4, packet.ip6
local udp, tcp, icmp = packet.udp, packet.tcp, packet.icmp

local function wrong(p)
  local ok, why, list = p:verify()
  local words = {}
  if ok then
    return ""
  end
  assert.is_string(why)
  for i, each in ipairs(list) do
    words[i] = each.layer .. "." .. each.field
  end
  table.sort(words)
  return table.concat(words, " ")
end

-- A packet as it was read.
local function reread(p, kind)
  return packet.parse(p:bytes(), kind or "ip")
end

local function plain(transport)
  return reread(ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / transport / "payload")
end

describe("verify", function()
  it("is true of a packet in which nothing is wrong", function()
    assert.is_true(plain(tcp { dport = 80 }):verify())
  end)

  it("names every wrong length and checksum", function()
    local p = reread(ip4 { checksum = 7 } / udp { length = 30 } / "x")
    local _, _, list = p:verify()
    assert.equal("ip4.checksum udp.checksum udp.length", wrong(p))
    for _, each in ipairs(list) do
      assert.is_true(each.is ~= each.should)
    end
  end)

  it("changes nothing", function()
    local p = reread(ip4 { checksum = 7 } / udp {} / "x")
    local before = p:bytes()
    p:verify()
    assert.equal(before, p:bytes())
  end)

  it("looks at the packets inside", function()
    local p = reread(ip4 {} / packet.gre {} / ip4 { checksum = 7 } / udp {} / "x")
    assert.equal("ip4.checksum", wrong(p))
  end)

  it("lets a quoted packet be what it is", function()
    local p = reread(ip4 {} / icmp { type = "unreachable" } / (ip4 { checksum = 7 } / udp {} / "x"))
    assert.equal("", wrong(p))
  end)

  it("takes a packet that is too long for its lengths", function()
    local bytes = (ip4 { length = 5 } / udp {}):bytes() .. ("y"):rep(70000)
    assert.matches("ip4.length", wrong(packet.parse(bytes, "ip")))
  end)
end)

describe("fix after a change of", function()
  local changes = {
    ["an address"] = function(p) p.ip4.src = "192.168.255.255" end,
    ["an address as a number"] = function(p) p.ip4.dst_n = 0xffffffff end,
    ["the time to live"] = function(p) p.ip4.ttl = 1 end,
    ["a part of a byte"] = function(p) p.ip4.dscp = 46; p.ip4.ecn = 1 end,
    ["a bit"] = function(p) p.ip4.df = true end,
    ["several, several times"] = function(p)
      for i = 1, 100 do
        p.ip4.id, p.ip4.src_n = i * 600, i * 7777777
      end
    end,
    ["a length, wrong"] = function(p) p.ip4.length = 99 end,
    ["a checksum, wrong"] = function(p) p.ip4.checksum = 99 end,
    ["nothing"] = function() end,
  }
  for what, change in pairs(changes) do
    local transports = { tcp = tcp { dport = 80 }, udp = udp { dport = 53 },
                         icmp = icmp { id = 3 } }
    for name, transport in pairs(transports) do
      it(what .. " is right for " .. name, function()
        local p = plain(transport)
        change(p)
        assert.is_true(p:fix():verify())
        assert.is_true(reread(p):verify())
      end)
    end
  end

  it("a port is the same as computing all of it", function()
    for port = 0, 65535, 257 do
      local p = plain(tcp { dport = 80, seq = port * 3 })
      local q = p:copy()
      p.tcp.sport, q.tcp.sport = port, port
      q.tcp.checksum = 0
      assert.equal(q:fix():bytes(), p:fix():bytes())
    end
  end)

  it("everything to zero finds the sum that has two forms", function()
    local p = reread(ip4 {} / icmp { type = "echo_reply", id = 1 })
    p.icmp.id = 0
    p:fix()
    assert.equal(0xffff, p.icmp.checksum)
  end)

  it("an IPv6 address counts in the transport's checksum", function()
    for _, transport in ipairs { tcp {}, udp {}, packet.icmp6 { type = "echo" } } do
      local p = reread(ip6 { src = "fd00::1", dst = "fd00::2" } / transport / "odd")
      p.ip6.src = "2001:db8:ffff::ffff"
      assert.is_true(p:fix():verify())
    end
  end)

  it("an IPv6 address behind extension headers does", function()
    local p = reread(ip6 { src = "fd00::1", dst = "fd00::2" } / packet.hopopts {} / udp {} / "odd")
    p.ip6.src = "2001:db8::1"
    assert.is_true(p:fix():verify())
  end)
end)

describe("fix", function()
  it("leaves an absent UDP checksum absent", function()
    local p = plain(udp { checksum = 0 })
    p.ip4.src = "10.0.0.9"
    assert.equal(0, p:fix().udp.checksum)
    assert.equal(0, p:fix().udp.checksum)
    assert.is_true(p:verify())
  end)

  it("leaves Ethernet padding and the lengths that exclude it", function()
    local frame = (eth {} / ip4 {} / udp {} / "x"):bytes()
    local p = packet.parse(frame .. ("\0"):rep(60 - #frame), "eth")
    assert.is_true(p:verify())
    p.ip4.ttl = 3
    p:fix()
    p.ip4.length = 7
    p:fix()
    assert.equal(29, p.ip4.length)
    assert.equal(60, #p:bytes())
    assert.equal("x", p.payload)
  end)

  it("sums pseudo headers with the last destination of a routing header", function()
    local p = ip6 { src = "fd00::1", dst = "fd00::2" }
      / packet.routing { type = 0, segleft = 1, addresses = { "fd00::9" } }
      / udp { dport = 9 } / "x"
    local direct = ip6 { src = "fd00::1", dst = "fd00::9" } / udp { dport = 9 } / "x"
    assert.equal(direct.udp.checksum, p.udp.checksum)
    assert.is_true(reread(p):verify())
  end)

  it("leaves a checksum to the device where virtio-net says so", function()
    local whole = ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / tcp { dport = 80 } / "abcd"
    local p = packet.virtio_net { needs_csum = true, csum_start = 20, csum_offset = 16 } / whole
    local q = packet.parse(p:bytes(), "virtio_net")
    q:fix()
    assert.equal(whole.ip4.checksum, p.ip4.checksum)
    assert.equal(whole.ip4.checksum, q.ip4.checksum)
    -- What the device does: the sum from the transport on, into the field.
    local sum, bytes = 0, q:bytes():sub(11 + 20)
    for i = 1, #bytes, 2 do
      sum = sum + bytes:byte(i) * 256 + (bytes:byte(i + 1) or 0)
    end
    while sum > 65535 do
      sum = sum % 65536 + math.floor(sum / 65536)
    end
    assert.equal(whole.tcp.checksum, 65535 - sum)
    assert.is_true(q:verify())
    q.ip4.src = "10.9.9.9"
    assert.is_true(q:fix():verify())
  end)

  it("does not compute the transport's checksum of a fragment, but keeps it right", function()
    local whole = ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp { dport = 7 }
      / ("x"):rep(100)
    local first = packet.parse(whole:bytes():sub(1, 68), "ip")
    first.ip4.mf, first.ip4.length = true, 68
    first:fix()
    assert.equal(whole.udp.checksum, first.udp.checksum)
    assert.equal(108, first.udp.length)
    first.ip4.src, whole.ip4.src = "10.9.9.9", "10.9.9.9"
    assert.equal(whole:fix().udp.checksum, first:fix().udp.checksum)
  end)

  it("keeps the transport's checksum right in a fragment of IPv6", function()
    local whole = packet.ip6 { src = "fd00::1", dst = "fd00::2" }
      / packet.frag { id = 1, mf = true }
      / udp { sport = 5, dport = 7, checksum = 0x1234 } / ("x"):rep(16)
    local first = packet.parse(whole:bytes(), "ip")
    first.ip6.src, first.udp.dport = "fd00::4", 9
    assert.equal(0x1234 - 3 - 2, first:fix().udp.checksum)
  end)

  it("fixes the packet inside of a tunnel first", function()
    local p = reread(ip4 {} / udp {} / packet.vxlan {} / eth {} / ip4 {} / udp {} / "x")
    p.inner.ip4.ttl = 3
    p.inner.udp.sport = 9
    assert.equal("ip4.checksum udp.checksum", wrong(p))
    assert.is_true(p:fix():verify())
  end)

  it("leaves a quoted packet untouched", function()
    local quoted = (ip4 { checksum = 7 } / udp { length = 200 } / "x"):bytes()
    local p = reread(ip4 {} / icmp { type = "unreachable" } / quoted)
    p.ip4.id = 9
    p.icmp.checksum = 0
    p:fix()
    assert.equal(quoted, p.inner:bytes())
    assert.is_true(p:verify())
  end)

  it("recomputes what a new payload changes", function()
    local p = plain(udp {})
    p.payload = "a payload that is longer than before"
    p:fix()
    assert.equal(8 + 36, p.udp.length)
    assert.equal(28 + 36, p.ip4.length)
    assert.is_true(reread(p):verify())
  end)

  it("says which length a packet has outgrown", function()
    local p = plain(udp {})
    p.payload = ("x"):rep(65530)
    local ok, why = pcall(function() p:fix() end)
    assert.is_false(ok)
    assert.matches("fix_spec.lua:%d+: udp.length: 65538 does not fit in 16 bits", why)
  end)
end)

describe("fix promises", function()
  local function broken(more)
    local p = plain(udp { sport = 1, dport = 2 })
    p.udp.checksum = more
    return reread(p)
  end

  it("that what was wrong stays wrong, once or twice", function()
    local p = broken(0x1234)
    p.ip4.ttl = 3
    p:fix()
    p:fix()
    assert.equal("udp.checksum", wrong(p))
    assert.equal(0x1234, p.udp.checksum)
    p.udp.dport = 3
    p:fix()
    assert.equal("udp.checksum", wrong(p))
    p:fix "all"
    assert.equal("", wrong(p))
  end)

  it("that looking at what is inside changes nothing", function()
    local p = broken(0x1234)
    p:push(ip4 { src = "10.0.0.3", dst = "10.0.0.4" })
    p = reread(p:fix())
    p.inner.udp.checksum = 0x4321
    p = reread(p)
    local _ = tostring(p)
    p.ip4.ttl = 9
    p:fix()
    assert.equal(0x4321, p.inner.udp.checksum)
    p.inner.ip4.ttl = 9
    p:fix()
    assert.is_true(p:verify())
  end)

  it("that no checksum stays none", function()
    local p = broken(0)
    p.udp.dport = 3
    p:fix()
    p:fix()
    assert.equal(0, p.udp.checksum)
  end)

  it("nothing but all, and nothing", function()
    assert.has_error(function() plain(udp {}):fix "some" end)
  end)
end)

describe("verify takes for right", function()
  it("the other form of zero", function()
    for _, p in ipairs { plain(tcp {}), plain(icmp {}) } do
      local layer = p.tcp or p.icmp
      layer[p.tcp and "window" or "id"] = layer[p.tcp and "window" or "id"] + 0
      p.ip4.id = (p.ip4.id + p.ip4.checksum) % 65535
      p:fix()
      p.ip4.checksum = 0xffff
      assert.equal("", wrong(p))
      assert.equal(0xffff, p:fix "all".ip4.checksum)
    end
  end)

  it("UDP that is shorter than its packet (RFC 9868)", function()
    local p = plain(udp {})
    p.udp.length, p.udp.checksum = 10, 0
    p = reread(p)
    assert.equal("pa", p.payload)
    assert.equal("", wrong(p))
    p.ip4.ttl = 7
    p:fix "all"
    assert.same({ 35, 10 }, { p.ip4.length, p.udp.length })
    assert.equal("", wrong(p))
  end)

  it("the end of a source route for the destination", function()
    for _, kind in ipairs { "lsrr", "ssrr" } do
      local p = reread(ip4 { src = "10.0.0.1", dst = "10.0.0.2",
        options = { { "nop" }, { kind, { addresses = { "10.0.0.3", "10.0.0.4" } } } } }
        / udp {} / "payload")
      assert.equal("", wrong(p))
      local direct = reread(ip4 { src = "10.0.0.1", dst = "10.0.0.4" } / udp {} / "payload")
      assert.equal(direct.udp.checksum, p.udp.checksum)
      p.ip4.dst = "10.9.0.9"
      assert.equal("", wrong(p:fix()))
    end
  end)

  it("a home address for the source", function()
    local p = reread(ip6 { src = "fd00::1", dst = "fd00::2" }
      / packet.dstopts { options = { { "home_address", "fd00::9" } } } / udp {} / "payload")
    assert.equal("", wrong(p))
    assert.equal(reread(ip6 { src = "fd00::9", dst = "fd00::2" } / udp {} / "payload").udp.checksum,
      p.udp.checksum)
    p.ip6.src = "fd00::3"
    assert.equal("", wrong(p:fix()))
  end)
end)
