-- Cutting TCP segments to an MSS.
local packet = require "tun.packet"

local function segment(fields, n, ip)
  fields.sport, fields.dport = 80, 50000
  return (ip or packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 65535, df = true })
    / packet.tcp(fields) / ("x"):rep(n)
end

describe("segmenting", function()
  it("numbers the segments and computes what depends on it", function()
    local p = segment({ seq = 2 ^ 32 - 1000, ack = 5, has_ack = true }, 2500)
    local list = assert(p:segment(1000))
    assert.equal(3, #list)
    for i, seq in ipairs { 2 ^ 32 - 1000, 0, 1000 } do
      assert.equal(seq, list[i].tcp.seq)
      assert.equal(({ 65535, 0, 1 })[i], list[i].ip4.id)
      assert.equal(({ 1000, 1000, 500 })[i], #list[i].payload)
      assert.is_true(list[i].tcp.has_ack)
      assert.is_true(list[i]:verify())
      assert.is_true(packet.parse(list[i]:bytes(), "ip"):verify())
    end
  end)

  it("leaves fin and psh to the last, cwr to the first", function()
    local list = assert(segment({ flags = "FPAC" }, 30):segment(10))
    local flags = {}
    for i, p in ipairs(list) do
      flags[i] = { p.tcp.fin, p.tcp.psh, p.tcp.cwr }
    end
    assert.same({ { false, false, true }, { false, false, false }, { true, true, false } }, flags)
  end)

  it("keeps the end of urgent data where it is", function()
    local list = assert(segment({ urg = true, urgent = 15 }, 30):segment(10))
    local urgent = {}
    for i, p in ipairs(list) do
      urgent[i] = { p.tcp.urg, p.tcp.urgent }
    end
    assert.same({ { true, 15 }, { true, 5 }, { false, 0 } }, urgent)
  end)

  it("copies options, and works over IPv6 and Ethernet", function()
    local options = { { "nop" }, { "nop" }, { "timestamps", { value = 1, echo = 2 } } }
    local p = packet.eth {} / segment({ options = options }, 3000,
      packet.ip6 { src = "fd00::1", dst = "fd00::2" })
    local list = assert(p:segment(1428))
    assert.same({ 1428, 1428, 144 }, { #list[1].payload, #list[2].payload, #list[3].payload })
    for _, each in ipairs(list) do
      assert.equal("timestamps", each.tcp:options()[3][1])
      assert.is_true(each:verify())
    end
  end)

  it("leaves the packet itself, and one that fits", function()
    local p = segment({}, 3000)
    local before = p:bytes()
    p:segment(1000)
    assert.equal(before, p:bytes())
    assert.same({ p }, p:segment(3000))
  end)

  it("leaves nothing for the device to do", function()
    local p = packet.virtio_net { needs_csum = true, gso_type = "tcp4", gso_size = 1000,
                                  csum_start = 20, csum_offset = 16 } / segment({}, 3000)
    for _, each in ipairs(assert(p:segment(1000))) do
      assert.equal(("\0"):rep(10), each:bytes():sub(1, 10))
      assert.is_true(each:verify())
    end
  end)

  it("says why not", function()
    local udp = packet.ip4 {} / packet.udp {} / ("x"):rep(100)
    assert.same({ nil, "no TCP segment" }, { udp:segment(10) })
    assert.same({ nil, "syn or rst with data" }, { segment({ syn = true }, 100):segment(10) })
    local part = segment({}, 100, packet.ip4 { mf = true })
    assert.same({ nil, "a fragment" }, { part:segment(10) })
    assert.error_matches(function() udp:segment(0) end, "mss")
  end)
end)
