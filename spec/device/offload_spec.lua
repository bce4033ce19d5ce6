-- What a device is asked to leave undone, and that the kernel does so.
local tun = require "tun"
local offload = require "tun.device.offload"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local socket = require "socket"
local errno = tun.errno

local ALL = { csum = true, tso4 = true, tso6 = true, tso_ecn = true, uso4 = true, uso6 = true,
              udp_tunnel_gso = true, udp_tunnel_gso_csum = true }

local function open(options)
  local t = { name = "t0", address = "10.9.0.1/24", inet6_addr_gen_mode = "none" }
  for key, value in pairs(options or {}) do
    t[key] = value
  end
  return assert(tun.open(t))
end

local function set(names)
  local t = {}
  for name in names:gmatch "%S+" do
    t[name] = true
  end
  return t
end

-- A copy of a set, less some names.
local function less(names, all)
  local t = {}
  for name in pairs(all or ALL) do
    t[name] = not (" " .. names .. " "):find(" " .. name .. " ", 1, true) or nil
  end
  return t
end

local function raises(message, f, ...)
  local ok, why = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(why:find("^[^\n]*spec/device/offload_spec.lua:%d+: "), why)
  assert.is_truthy(why:find(message, 1, true), why)
end

-- The next IP packet of a kind, and the flags and the GSO type in front of it.
local function next_packet(dev, kind)
  local flags = dev:flags()
  local size = flags.vnet_hdr and dev:get "vnet_hdr_size" or 0
  repeat
    local bytes = assert(dev:read(2))
    local p = packet.parse(bytes:sub(size + 1), "ip")
    if p[kind] then
      return p, size > 0 and bytes:byte(1) or 0, size > 0 and bytes:byte(2) or 0
    end
  until false
end

-- A neighbour on the device to whom a TCP connection of the kernel leads.
local function connect(dev)
  local client = socket.tcp()
  client:settimeout(0)
  client:connect("10.9.0.2", 80)
  local syn = next_packet(dev, "tcp")
  assert(dev:send(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" } / packet.tcp {
    sport = 80, dport = syn.tcp.sport, seq = 1000, ack = syn.tcp.seq + 1, flags = "SA",
    window = 65535, options = { { "mss", 1460 } } }))
  return client
end

-- Send on a connection, and say what comes of it: "whole" for more than the MTU in one,
-- "partial" for a checksum to be done, "plain" for neither.
local function kind_of(dev, client)
  local sent = assert(client:send(("x"):rep(20000)))
  local kind
  while sent > 0 do
    local p, flags, gso = next_packet(dev, "tcp")
    sent = sent - #p.payload
    if #p:bytes() > 1500 then
      kind = gso == 1 and "whole" or "lost"
    elseif #p.payload > 0 then
      kind = kind or flags == 1 and "partial" or "plain"
    end
    assert(dev:send(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" } / packet.tcp {
      sport = 80, dport = p.tcp.sport, seq = 1001, ack = (p.tcp.seq + #p.payload) % 4294967296,
      flags = "A", window = 65535 }))
  end
  return kind
end

local function kind_at_once(dev)
  local client = connect(dev)
  local kind = kind_of(dev, client)
  client:close()
  return kind
end

-- What is asked for, what is then on, what TCP packets are like, bytes of the header.
local rows = {
  { true, ALL, "whole", 24 },
  { { "csum", "tso4" }, set "csum tso4", "whole", 10 },
  { { csum = true, tso4 = true, uso4 = false }, set "csum tso4", "whole", 10 },
  { { "csum", "tso6", "tso_ecn" }, set "csum tso6 tso_ecn", "partial", 10 },
  { { "csum", "uso4", "uso6" }, set "csum uso4 uso6", "partial", 10 },
  { { "csum", "tso4", "udp_tunnel_gso" }, set "csum tso4 udp_tunnel_gso", "whole", 24 },
  { { "csum", "tso4", "single" }, set "csum tso4 single", "whole", 10 },
  { { csum = true }, set "csum", "partial", 10 },
  { {}, false, "plain", 10 },
}

local function shown(value)
  local names = {}
  for key, name in pairs(type(value) == "table" and value or {}) do
    names[#names + 1] = type(key) == "number" and name or name and key or nil
  end
  table.sort(names)
  return type(value) == "table" and "{" .. table.concat(names, " ") .. "}" or tostring(value)
end

describe("offload", function()
  local dev

  before_each(function() assert(tun.sandbox()) end)
  after_each(function()
    if dev then
      dev:close()
    end
  end)

  describe("when a device is opened:", function()
    for _, row in ipairs(rows) do
      it(shown(row[1]), function()
        dev = open { offload = row[1] }
        assert.same(row[2], dev:get "offload")
        assert.is_true(dev:flags().vnet_hdr)
        assert.equal(row[4], dev:get "vnet_hdr_size")
        assert.equal(row[3], kind_at_once(dev))
      end)
    end

    it("false", function()
      dev = open { offload = false, vnet_hdr = true }
      assert.is_false(dev:get "offload")
      assert.equal("plain", kind_at_once(dev))
    end)

    it("false, without a virtio-net header", function()
      dev = open { offload = false }
      assert.is_nil(dev:flags().vnet_hdr)
      assert.is_false(dev:get "offload")
      assert.equal("plain", kind_at_once(dev))
    end)

    it("nothing", function()
      dev = open()
      assert.is_nil(dev:flags().vnet_hdr)
      assert.is_false(dev:get "offload")
    end)

    it("true for a TAP", function()
      dev = open { mode = "tap", offload = true }
      assert.same(ALL, dev:get "offload")
    end)

    it("true, with a header too short for tunnels", function()
      dev = open { offload = true, vnet_hdr_size = 12 }
      assert.same(less "udp_tunnel_gso udp_tunnel_gso_csum", dev:get "offload")
      assert.equal(12, dev:get "vnet_hdr_size")
      assert.equal("whole", kind_at_once(dev))
    end)

    it("true, with a header longer than any that is known", function()
      dev = open { offload = true, vnet_hdr_size = 64 }
      assert.equal(64, dev:get "vnet_hdr_size")
      assert.equal("whole", kind_at_once(dev))
    end)

    it("true, with numbers in the byte order of this machine by name", function()
      local little = process.must "printf '\\1\\0' | od -An -tu2":find "1$" ~= nil
      dev = open { offload = true, vnet_le = little }
      assert.same(ALL, dev:get "offload")
    end)
  end)

  describe("of a running device:", function()
    for _, row in ipairs(rows) do
      it(("from %s to none and back"):format(shown(row[1])), function()
        dev = open { offload = row[1] }
        local client = connect(dev)
        assert.equal(row[3], kind_of(dev, client))
        assert(dev:set { offload = false })
        assert.is_false(dev:get "offload")
        assert.equal("plain", kind_of(dev, client))
        assert(dev:set { offload = row[1] })
        assert.same(row[2], dev:get "offload")
        assert.equal(row[3], kind_of(dev, client))
        client:close()
      end)
    end

    it("what get tells can be set", function()
      dev = open { offload = true }
      local was = dev:get "offload"
      was.single = true
      assert(dev:set { offload = was })
      assert.same(was, dev:get "offload")
      assert(dev:set { offload = true })
      assert.same(ALL, dev:get "offload")
    end)

    it("a header grows when tunnels are turned on", function()
      dev = open { vnet_hdr = true }
      assert.equal(10, dev:get "vnet_hdr_size")
      assert(dev:set { offload = true })
      assert.equal(24, dev:get "vnet_hdr_size")
      assert.equal("whole", kind_at_once(dev))
    end)

    it("a header may shrink when tunnels are turned off with it", function()
      dev = open { offload = true }
      assert(dev:set { offload = true, vnet_hdr_size = 10 })
      assert.same(less "udp_tunnel_gso udp_tunnel_gso_csum", dev:get "offload")
      assert.equal("whole", kind_at_once(dev))
    end)
  end)

  describe("is tried", function()
    it("from the richest set down", function()
      local sets = {}
      local ok, why, code = offload.descend(function(names)
        sets[#sets + 1] = names
        return nil, "no", errno.EINVAL
      end)
      assert.same({ [2] = "no", [3] = errno.EINVAL }, { ok, why, code })
      dev = open { vnet_hdr = true }
      local known = ALL
      for _, names in ipairs(sets) do
        assert(dev:set { offload = names })
        local on = dev:get "offload"
        assert.same({}, less(table.concat(names, " "), on))
        for name in pairs(on) do
          assert.is_true(known[name], name)
        end
        known = on
      end
      assert.same(set "csum", known)
    end)

    it("until one is taken", function()
      local count = 0
      assert.equal("taken", offload.descend(function(names)
        count = count + 1
        return names[5] ~= "uso4" and "taken" or nil, "no", errno.EINVAL
      end))
      assert.equal(4, count)
    end)

    it("no further after another error", function()
      local count = 0
      assert.same({ [2] = "gone", [3] = errno.EBADFD }, { offload.descend(function()
        count = count + 1
        return nil, "gone", errno.EBADFD
      end) })
      assert.equal(1, count)
    end)
  end)

  describe("raises:", function()
    local wrong = {
      { 'offload: "csum" is not true, false, or a set or list of names', { offload = "csum" } },
      { "offload: it needs vnet_hdr = true", { offload = true, vnet_hdr = false } },
      { "vnet_hdr_size: udp_tunnel_gso needs 24 or more",
        { vnet_hdr_size = 20, offload = { "csum", "tso4", "udp_tunnel_gso" } } },
      { "offload: tso4 needs csum", { offload = { "tso4" } } },
    }
    for _, row in ipairs(wrong) do
      it(row[1], function()
        raises(row[1], tun.open, row[2])
        assert.equal(1, #tun.link.list())
      end)
    end

    it("a device that has no virtio-net header", function()
      dev = open()
      raises("t0: offload: it was opened without a virtio-net header: open it with offload = ..."
        .. " or vnet_hdr = true", dev.set, dev, { offload = true })
      assert.is_false(dev:get "offload")
      assert(dev:set { offload = false })
    end)

    it("a header too short for what is on", function()
      dev = open { offload = true }
      raises("vnet_hdr_size: udp_tunnel_gso needs 24 or more", dev.set, dev, { vnet_hdr_size = 12 })
      assert(dev:set { offload = { "csum" }, vnet_hdr_size = 12 })
    end)
  end)

  it("of a deleted device says so", function()
    dev = open { offload = true }
    assert(tun.link.del "t0")
    local ok, why, code = dev:set { offload = false }
    assert.is_nil(ok)
    assert.equal("deleted", why)
    assert.equal(errno.EBADFD, code)
  end)

  describe("of a persistent device", function()
    before_each(function() open { offload = { "csum", "tso4" }, persist = true }:close() end)

    it("stays when it is only attached to", function()
      dev = assert(tun.open { name = "t0" })
      assert.same(set "csum tso4", dev:get "offload")
      assert.equal("whole", kind_at_once(dev))
    end)

    for _, row in ipairs { { true, "whole" }, { { "csum" }, "partial" }, { false, "plain" } } do
      it("is replaced by " .. shown(row[1]), function()
        dev = assert(tun.open { name = "t0", offload = row[1] })
        assert.equal(row[2], kind_at_once(dev))
      end)
    end

    it("is as before when something else fails", function()
      dev = assert(tun.open { name = "t0" })
      raises("owner: -1 is not", dev.set, dev, { offload = { "csum" }, owner = -1 })
      assert.same(set "csum tso4", dev:get "offload")
      assert.equal("whole", kind_at_once(dev))
    end)
  end)

  describe("is as before when something else fails,", function()
    local function fails()
      raises("owner: -1 is not", dev.set, dev, { offload = true, owner = -1 })
    end

    it("if it was set", function()
      dev = open { offload = { "csum", "tso4", "single" } }
      fails()
      assert.same(set "csum tso4 single", dev:get "offload")
      assert.equal(10, dev:get "vnet_hdr_size")
      assert.equal("whole", kind_at_once(dev))
    end)

    it("if nothing ever was", function()
      dev = open { vnet_hdr = true }
      fails()
      assert.is_false(dev:get "offload")
      assert.equal(10, dev:get "vnet_hdr_size")
      assert.equal("plain", kind_at_once(dev))
    end)

    it("with the header that a persistent device had not", function()
      for _, multi_queue in ipairs { false, true } do
        open { name = "p0", persist = true, pi = true, multi_queue = multi_queue,
               address = {} }:close()
        local was = tun.link.get("p0").tun
        raises("owner: -1 is not", tun.open, { name = "p0", multi_queue = multi_queue,
                                               offload = true, pi = false, owner = -1 })
        assert.same(was, tun.link.get("p0").tun)
        assert(tun.link.del "p0")
      end
    end)
  end)

  describe("of a device with queues", function()
    local queue

    before_each(function()
      dev = open { multi_queue = true, offload = { "csum", "tso4" } }
      queue = assert(dev:queue())
    end)
    after_each(function() queue:close() end)

    it("is told by each of them", function()
      assert.same(set "csum tso4", queue:get "offload")
      assert(queue:set { offload = true })
      assert.same(ALL, dev:get "offload")
      assert(dev:set { offload = false })
      assert.is_false(queue:get "offload")
      local third = assert(queue:queue())
      assert(third:set { offload = { "csum", "tso6", "single" } })
      assert.same(set "csum tso6 single", dev:get "offload")
      third:close()
    end)

    it("outlives the one that set it", function()
      assert(dev:set { offload = true })
      dev:close()
      assert.same(ALL, queue:get "offload")
      dev = nil
      collectgarbage()
      collectgarbage()
      assert.equal("whole", kind_at_once(queue))
    end)

    it("is told by who opens it anew with it", function()
      local other = assert(tun.open { name = "t0", multi_queue = true, offload = true })
      assert.same(ALL, other:get "offload")
      assert.equal(24, queue:get "vnet_hdr_size")
      other:close()
    end)
  end)

  describe("of what is sent", function()
    -- Two consecutive segments of a connection. Returns how many packets the kernel got.
    local function send()
      local batch = assert(tun.batch())
      for i = 0, 1 do
        assert(batch:add(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1", id = i } / packet.tcp {
          sport = 80, dport = 81, seq = 1000 * i, ack = 1, flags = "A", window = 65535 }
          / ("x"):rep(1000)))
      end
      local before = tun.link.get("t0").stats.rx_packets
      local _, why = dev:send(batch)
      return tun.link.get("t0").stats.rx_packets - before, why
    end

    for _, row in ipairs {
      { true, 1 }, { { "csum", "tso4" }, 1 }, { { "csum", "tso4", "single" }, 2 },
      { { "csum" }, 2 }, { { "csum", "uso4", "uso6" }, 2 }, { false, 2 },
    } do
      it(("%s: segments become %d"):format(shown(row[1]), row[2]), function()
        dev = open { offload = row[1] }
        assert.equal(row[2], send())
      end)
    end

    -- The kernel refuses what is in front of a packet when somebody else changed its size.
    it("is single after the kernel refused a joined packet, until it is set again", function()
      dev = open { offload = true, vnet_hdr_size = 10, multi_queue = true }
      local other = assert(tun.open { name = "t0", multi_queue = true })
      assert(other:set { vnet_hdr_size = 24 })
      local was = dev:get "offload"
      assert.is_nil(was.single)
      local count, why = send()
      assert.equal(0, count)
      assert.is_truthy(why)
      was.single = true
      assert.same(was, dev:get "offload")
      assert(other:set { vnet_hdr_size = 10 })
      assert.equal(2, send())
      assert(dev:set { offload = true, vnet_hdr_size = 10 })
      assert.is_nil(dev:get "offload".single)
      assert.equal(1, send())
      other:close()
    end)
  end)

  it("leaves no descriptor when it is refused", function()
    local count = process.descriptors()
    pcall(tun.open, { offload = { "csam" } })
    assert.equal(count, process.descriptors())
  end)
end)
