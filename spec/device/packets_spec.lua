local packet = require "tun.packet"
local socket = require "socket"
local tun = require "tun"

describe("a device", function()
  setup(function()
    assert(tun.sandbox())
  end)

  local dev, udp

  local function open(t)
    t.address = "10.9.0.1/24"
    dev = assert(tun.open(t))
    udp = assert(socket.udp())
    udp:settimeout(2)
    return dev
  end

  after_each(function()
    dev:close()
    udp:close()
  end)

  local function say(text)
    assert(udp:sendto(text, "10.9.0.2", 7))
  end

  -- The next packet with such a payload.
  local function heard(text)
    for p in dev:packets() do
      if p.udp and p.payload == text then
        return p
      end
    end
  end

  -- The packet as an answer to itself.
  local function turn(p)
    p.ip4.src, p.ip4.dst = p.ip4.dst, p.ip4.src
    p.udp.sport, p.udp.dport = p.udp.dport, p.udp.sport
    return p
  end

  it("gives packets with names and sends them back", function()
    open { mode = "tun" }
    for i = 1, 200 do
      say("hello " .. i)
      local p = heard("hello " .. i)
      assert.equal("10.9.0.1", p.ip4.src)
      p.ip4.ttl = 7
      assert.equal(#p:bytes(), assert(dev:send(turn(p):fix())))
      assert.equal("hello " .. i, (udp:receive()))
    end
  end)

  it("sends packets that were built, and bytes", function()
    open { mode = "tun" }
    local _, port = (function()
      assert(udp:setsockname("*", 0))
      return udp:getsockname()
    end)()
    local p = packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" }
      / packet.udp { sport = 7, dport = tonumber(port) } / "built"
    assert.equal(33, assert(dev:send(p)))
    assert.equal("built", (udp:receive()))
    assert.equal(33, assert(dev:send(p:bytes())))
    assert.equal("built", (udp:receive()))
    assert.has_error(function() dev:send {} end)
  end)

  it("gives the next packet, the script's own", function()
    open { mode = "tun", inet6_addr_gen_mode = "none" }
    local kept = {}
    for i = 1, 5 do
      say("next " .. i)
      kept[i] = assert(dev:next(2))
    end
    for i = 1, 5 do
      assert.equal("next " .. i, kept[i].payload)
    end
    assert.same({ nil, "timeout", tun.errno.EAGAIN }, { dev:next(0) })
    dev:settimeout(0.01)
    assert.same({ nil, "timeout", tun.errno.EAGAIN }, { dev:next() })
    local ok, message = pcall(function() dev:next "x" end)
    assert.is_false(ok)
    assert.matches("packets_spec.lua:%d+: next: \"x\" is not a number of seconds", message)
    assert(tun.link.del(dev))
    assert.equal("deleted", select(2, dev:next(1)))
    dev:close()
    assert.equal("closed", select(2, dev:next(1)))
  end)

  it("ends its loop when nothing came for so long", function()
    open { mode = "tun", inet6_addr_gen_mode = "none" }
    local function count(seconds)
      local n = 0
      for p in dev:packets(seconds) do
        n = n + (p.udp and 1 or 0)
      end
      return n
    end
    for i = 1, 3 do
      say("timed " .. i)
    end
    assert.equal(3, count(0))
    assert.equal(0, count(0.01))
    say "set"
    dev:settimeout(0)
    assert.equal(1, count())
    assert.is_false(pcall(function() dev:packets(-1) end))
  end)

  it("hands on why there is no packet to send", function()
    open { mode = "tun" }
    assert.same({ nil, "it asks nothing" }, { dev:send(nil, "it asks nothing") })
    assert.same({ nil, "x", 5 }, { dev:send(nil, "x", 5) })
    assert.is_false(pcall(function() dev:send(nil) end))
  end)

  it("with a link layer gives frames", function()
    open { mode = "tap" }
    assert(tun.link.set { dev = dev, address = "02:00:00:00:00:01" })
    say "frame"
    local p
    for each in dev:packets() do
      p = each
      if p.arp and p.arp.tpa == "10.9.0.2" then
        break
      end
    end
    assert.equal("02:00:00:00:00:01", p.eth.src)
    assert(dev:send(packet.eth { src = "02:00:00:00:00:02", dst = p.eth.src }
      / packet.arp { op = "reply", sha = "02:00:00:00:00:02", spa = "10.9.0.2",
                     tha = p.eth.src, tpa = "10.9.0.1" }))
    p = heard "frame"
    p.eth.src, p.eth.dst = p.eth.dst, p.eth.src
    assert(dev:send(turn(p)))
    assert.equal("frame", (udp:receive()))
  end)

  for what, t in pairs {
    ["packet information"] = { mode = "tun", pi = true },
    ["a virtio-net header"] = { mode = "tun", vnet_hdr = true },
    ["both"] = { mode = "tun", pi = true, vnet_hdr = true },
    ["a longer virtio-net header"] = { mode = "tun", vnet_hdr = true, vnet_hdr_size = 12 },
  } do
    it("with " .. what .. " in front gives it as layers, and takes packets without", function()
      open(t)
      say "fronted"
      local p = heard "fronted"
      assert.equal(t.pi or false, p.tun_pi ~= nil)
      assert.equal(t.vnet_hdr or false, p.virtio_net ~= nil)
      assert(dev:send(turn(p)))
      assert.equal("fronted", (udp:receive()))
      local bare = packet.ip4 { src = p.ip4.src, dst = p.ip4.dst }
        / packet.udp { sport = p.udp.sport, dport = p.udp.dport } / "bare"
      assert(dev:send(bare))
      assert.equal("bare", (udp:receive()))
    end)
  end

  it("gives what comes while its virtio-net header changes", function()
    open { mode = "tun", vnet_hdr = true }
    local sizes = { 12, 256, 20, 10 }
    for i, size in ipairs(sizes) do
      say("before " .. i)
      assert(heard("before " .. i))
      assert(dev:set { vnet_hdr_size = size })
      say("after " .. i)
      for each in dev:packets() do
        if each.udp and each.payload == "after " .. i then
          assert(dev:send(turn(each)))
          break
        end
      end
      assert.equal("after " .. i, (udp:receive()))
    end
    say "one"
    for each in dev:packets() do
      if each.udp and each.payload == "one" then
        assert(dev:set { vnet_hdr_size = 256 })
        say "two"
      elseif each.udp and each.payload == "two" then
        break
      end
    end
  end)

  it("ends the loop when it is deleted", function()
    open { mode = "tun" }
    say "last"
    for p in dev:packets() do
      if p.payload == "last" then
        assert(tun.link.del { dev = dev })
      end
    end
    for _ in dev:packets() do
      error "a deleted device has packets"
    end
    dev:close()
    for _ in dev:packets() do
      error "a closed device has packets"
    end
  end)
end)
