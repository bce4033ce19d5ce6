-- Cutting IP packets to an MTU, and putting fragments together.
local packet = require "tun.packet"

local function data(n)
  local bytes = {}
  for i = 1, n do
    bytes[i] = string.char(i * 7 % 256)
  end
  return table.concat(bytes)
end

local function ip4_packet(n, fields)
  fields = fields or {}
  fields.src, fields.dst, fields.id = "10.0.0.1", "10.0.0.2", 77
  return packet.ip4(fields) / packet.udp { sport = 1000, dport = 2000 } / data(n)
end

local function ip6_packet(n)
  return packet.ip6 { src = "fd00::1", dst = "fd00::2" } / packet.udp { sport = 1000, dport = 2000 }
    / data(n)
end

-- What a reassembler says of each packet; the last is the whole.
local function feed(r, list, now)
  local p, why
  for _, piece in ipairs(list) do
    p, why = r:add(piece, now)
  end
  return p, why
end

local function shuffled(list, order)
  local other = {}
  for i, at in ipairs(order) do
    other[i] = list[at]
  end
  return other
end

-- A fragment by hand: of which bytes, and whether more follow.
local function piece4(at, bytes, more, fields)
  local ip = { src = "10.0.0.1", dst = "10.0.0.2", id = 5, proto = 17, offset = at / 8, mf = more }
  for key, value in pairs(fields or {}) do
    ip[key] = value
  end
  return packet.parse((packet.ip4(ip) / bytes):bytes(), "ip")
end

local function piece6(at, bytes, more, id)
  return packet.parse((packet.ip6 { src = "fd00::1", dst = "fd00::2" }
    / packet.frag { next = 17, offset = at / 8, mf = more, id = id or 5 } / bytes):bytes(), "ip")
end

describe("fragmenting IPv4", function()
  it("cuts to the MTU, in units of 8 bytes", function()
    local list = assert(ip4_packet(3000):fragment(1500))
    assert.equal(3, #list)
    for i, at in ipairs { 0, 185, 370 } do
      assert.equal(at, list[i].ip4.offset)
      assert.equal(i < 3, list[i].ip4.mf)
      assert.equal(77, list[i].ip4.id)
      assert.is_true(list[i]:verify())
    end
    assert.same({ 1500, 1500, 68 }, { #list[1]:bytes(), #list[2]:bytes(), #list[3]:bytes() })
  end)

  it("leaves a packet that fits as it is", function()
    local p = ip4_packet(100)
    assert.same({ p }, p:fragment(1500))
  end)

  it("heeds df", function()
    local list, why = ip4_packet(3000, { df = true }):fragment(1500)
    assert.is_nil(list)
    assert.equal("df is set", why)
  end)

  it("copies only the options that are for every fragment", function()
    local p = ip4_packet(3000, { options = { { "rr", { pointer = 4, addresses = { "0.0.0.0" } } },
                                             { "router_alert", 0 } } })
    local list = assert(p:fragment(1500))
    assert.equal("rr", list[1].ip4:options()[1][1])
    for i = 2, #list do
      assert.equal("router_alert", list[i].ip4:options()[1][1])
      assert.equal(6, list[i].ip4.ihl)
      assert.is_true(list[i]:verify())
    end
  end)

  it("cuts a fragment again", function()
    local whole = ip4_packet(3000)
    local again = {}
    for _, each in ipairs(whole:fragment(1500)) do
      for _, small in ipairs(each:fragment(576)) do
        again[#again + 1] = small
      end
    end
    assert.is_true(#again > 5)
    assert.equal(whole:bytes(), feed(packet.reassembler(), again):bytes())
  end)

  it("keeps the frame in front of every fragment, and drops padding", function()
    local frame = packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
      / packet.vlan { id = 9 } / ip4_packet(1600)
    local list = assert(packet.parse(frame:bytes() .. "padding", "eth"):fragment(1500))
    assert.equal(2, #list)
    assert.equal(9, list[2].vlan.id)
    assert.is_nil(list[2].error)
    assert.equal(frame:bytes(), feed(packet.reassembler(), list):bytes())
  end)

  it("refuses what is no IP packet, and an MTU that is none", function()
    local p = packet.eth {} / packet.arp {}
    assert.same({ nil, "no IP packet" }, { p:fragment(1500) })
    assert.error_matches(function() ip4_packet(3000):fragment(20) end, "68 or more")
    assert.error_matches(function() ip6_packet(3000):fragment(576) end, "1280 or more")
  end)

  it("keeps a chain of IPv6 headers in the first fragment (RFC 7112)", function()
    local function chain(n)
      local p = packet.ip6 { src = "fd00::1", dst = "fd00::2" }
      for _ = 1, n do
        p = p / packet.dstopts { options = { { "padn", ("\0"):rep(252) } } }
      end
      return packet.parse((p / packet.tcp {} / ("x"):rep(1500)):bytes(), "ip")
    end
    local list = assert(chain(4):fragment(1280))
    assert.truthy(list[1].tcp)
    local none, why = chain(5):fragment(1280)
    assert.is_nil(none)
    assert.matches("leave no room", why)
  end)
end)

describe("fragmenting IPv6", function()
  it("puts a fragment header in", function()
    local list = assert(ip6_packet(3000):fragment(1500, 0xabcdef01))
    assert.equal(3, #list)
    for i, at in ipairs { 0, 181, 362 } do
      assert.same({ at, i < 3, 0xabcdef01, "udp" },
        { list[i].frag.offset, list[i].frag.mf, list[i].frag.id, list[i].frag.next })
      assert.is_true(#list[i]:bytes() <= 1500)
    end
  end)

  it("leaves what routers read in front of it", function()
    local p = packet.ip6 { src = "fd00::1", dst = "fd00::2" }
      / packet.hopopts { options = { { "router_alert", 0 } } }
      / packet.routing { type = 2, segleft = 0, addresses = { "fd00::3" } }
      / packet.dstopts { options = {} } / packet.udp { sport = 1, dport = 2 } / data(2000)
    local whole = p:bytes()
    local list = assert(p:fragment(1400))
    local names = {}
    for i, view in ipairs(list[2]:layers()) do
      names[i] = view:name()
    end
    assert.same({ "ip6", "hopopts", "routing", "frag" }, names)
    assert.equal(whole, feed(packet.reassembler(), list):bytes())
  end)

  it("is for the sender only: a fragment is not cut again", function()
    local list = ip6_packet(3000):fragment(1500)
    assert.same({ nil, "a fragment already" }, { list[1]:fragment(1280) })
  end)
end)

describe("a reassembler", function()
  for name, whole in pairs { IPv4 = ip4_packet(5000), IPv6 = ip6_packet(5000) } do
    it("puts " .. name .. " together in any order", function()
      local list = whole:fragment(1500)
      for _, order in ipairs { { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 2, 4, 1, 3 } } do
        local p = assert(feed(packet.reassembler(), shuffled(list, order)))
        assert.equal(whole:bytes(), p:bytes())
        assert.is_true(p:verify())
      end
    end)

    it("drops a duplicate of " .. name .. " alone", function()
      local list = whole:fragment(1500)
      local r = packet.reassembler()
      assert.same({ nil, "waiting" }, { r:add(list[2]) })
      assert.same({ nil, "duplicate" }, { r:add(list[2]) })
      assert.equal(whole:bytes(), feed(r, { list[1], list[3], list[4] }):bytes())
    end)
  end

  it("gives what is no fragment back", function()
    local p = ip4_packet(10)
    assert.equal(p, packet.reassembler():add(p))
    local arp = packet.eth {} / packet.arp {}
    assert.equal(arp, packet.reassembler():add(arp))
  end)

  it("keeps datagrams apart", function()
    local r = packet.reassembler()
    r:add(piece4(0, data(16), true))
    assert.same({ nil, "waiting" }, { r:add(piece4(16, data(8), false, { id = 6 })) })
    assert.same({ nil, "waiting" }, { r:add(piece4(16, data(8), false, { proto = 6 })) })
    assert.same({ nil, "waiting" }, { r:add(piece4(16, data(8), false, { src = "10.0.0.3" })) })
    assert.is_truthy(r:add(piece4(16, data(8), false)))
  end)

  for name, piece in pairs { IPv4 = piece4, IPv6 = piece6 } do
    it("drops " .. name .. " whose fragments overlap, and what is still to come", function()
      for _, at in ipairs { 8, 24 } do -- over the end of the first, over the start of the third
        local r = packet.reassembler()
        r:add(piece(0, data(16), true))
        r:add(piece(32, data(16), true))
        assert.same({ nil, "overlap" }, { r:add(piece(at, data(16), true)) })
        assert.same({ nil, "overlap" }, { r:add(piece(16, data(16), true)) })
        assert.same({ nil, "overlap" }, { r:add(piece(48, data(8), false)) })
        assert.equal(0, r.kept)
      end
    end)

    it("does not take other bytes for the same place of " .. name, function()
      local r = packet.reassembler()
      r:add(piece(0, data(16), true))
      assert.same({ nil, "overlap" }, { r:add(piece(0, ("x"):rep(16), true)) })
    end)

    it("does not take " .. name .. " behind the last fragment", function()
      local r = packet.reassembler()
      r:add(piece(16, data(8), false))
      assert.same({ nil, "overlap" }, { r:add(piece(24, data(8), true)) })
      r = packet.reassembler()
      r:add(piece(24, data(8), true))
      assert.same({ nil, "overlap" }, { r:add(piece(16, data(8), false)) })
    end)

    it("refuses " .. name .. " fragments that cannot be", function()
      local r = packet.reassembler()
      assert.matches("multiple of 8", select(2, r:add(piece(0, data(15), true))))
      assert.matches("multiple of 8", select(2, r:add(piece(8, "", true))))
      assert.matches("too long", select(2, r:add(piece(65528, data(16), false))))
    end)
  end

  it("takes an IPv6 fragment of its own for itself (RFC 6946)", function()
    local r = packet.reassembler()
    r:add(piece6(0, data(16), true))
    local p = assert(r:add(piece6(0, data(24), false)))
    assert.is_nil(p.frag)
    assert.same({ nil, "waiting" }, { r:add(piece6(32, data(8), false)) })
    assert.is_truthy(r:add(piece6(16, data(16), true)))
  end)

  it("forgets after its timeout, by the caller's clock", function()
    local r = packet.reassembler { timeout = 10 }
    local list = ip4_packet(3000):fragment(1500)
    r:add(list[1], 100)
    r:add(list[2], 105)
    assert.same({}, r:expire(109))
    local expired = r:expire(110)
    assert.equal(1, #expired)
    assert.equal(list[1]:bytes(), expired[1]:bytes())
    assert.same({ nil, "waiting" }, { r:add(list[3], 111) })
    assert.same({ 1, 48 }, { r.count, r.kept })
    assert.same({}, r:expire(200)) -- the first never came
    assert.same({ 0, 0 }, { r.count, r.kept })
  end)

  it("lets the oldest go where there is too much", function()
    local r = packet.reassembler { bytes = 4000 }
    for id = 1, 10 do
      r:add(piece4(0, data(1000), true, { id = id }))
    end
    assert.same({ 4, 4000 }, { r.count, r.kept })
    assert.same({ nil, "waiting" }, { r:add(piece4(1000, data(8), false, { id = 1 })) })
    assert.is_truthy(r:add(piece4(1000, data(8), false, { id = 10 })))
    r = packet.reassembler { datagrams = 3 }
    for id = 1, 10 do
      r:add(piece4(0, data(8), true, { id = id }))
    end
    assert.equal(3, r.count)
  end)

  it("takes no more fragments of a datagram than the limit", function()
    local r = packet.reassembler { fragments = 4 }
    for i = 0, 3 do
      r:add(piece4(i * 16, data(8), true))
    end
    assert.matches("limit", select(2, r:add(piece4(64, data(8), true))))
    assert.equal(0, r.kept)
  end)

  it("joins ecn (RFC 3168, 5.3)", function()
    local function ecn(a, b)
      local r = packet.reassembler()
      r:add(piece4(0, data(8), true, { ecn = a }))
      local p, why = r:add(piece4(8, data(8), false, { ecn = b }))
      return p and p.ip4.ecn or why
    end
    assert.same({ 3, 3, 2, 0 }, { ecn(2, 3), ecn(3, 1), ecn(2, 2), ecn(0, 0) })
    assert.matches("differ in ecn", ecn(0, 3))
  end)

  it("tells what it knows when a limit is misspelt", function()
    assert.error_matches(function() packet.reassembler { timeuot = 3 } end, "bytes, datagrams")
    assert.error_matches(function() packet.reassembler { timeout = 0 } end, "number over 0")
  end)
end)

describe("the kernel", function()
  local tun = require "tun"
  local dev

  before_each(function()
    assert(tun.sandbox())
    dev = assert(tun.open { mode = "tun", mtu = 1500, address = { "10.0.0.1/24", "fd00::1/64" } })
  end)
  after_each(function()
    dev:close()
  end)

  -- What comes back, whole. An address of IPv6 is not the kernel's at once: ask again.
  local function answer(list)
    local r = packet.reassembler()
    for _ = 1, 100 do
      for _, piece in ipairs(list) do
        assert(dev:send(piece))
      end
      repeat
        local text = dev:read(0.1)
        local p = text and r:add(packet.parse(text, "ip"))
        if p and (p.icmp or p.icmp6 and p.icmp6.type == "echo_reply") then
          return p
        end
      until not text
    end
  end

  it("puts our IPv4 fragments together, and we put its", function()
    local p = packet.ip4 { src = "10.0.0.2", dst = "10.0.0.1", id = 9 }
      / packet.icmp { type = "echo", id = 1, seq = 2 } / data(5001)
    local back = answer(assert(p:fragment(1000)))
    assert.is_true(back:verify())
    assert.same({ "echo_reply", data(5001) }, { back.icmp.type, back.payload })
  end)

  it("puts our IPv6 fragments together, in any order, and we put its", function()
    local p = packet.ip6 { src = "fd00::2", dst = "fd00::1" }
      / packet.icmp6 { type = "echo", id = 1, seq = 2 } / data(5001)
    local list = assert(p:fragment(1280))
    local back = answer(shuffled(list, { 3, 1, 5, 2, 4 }))
    assert.is_true(back:verify())
    assert.same({ "echo_reply", data(5001) }, { back.icmp6.type, back.payload })
  end)
end)
