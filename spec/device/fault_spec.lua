-- Devices of which one system call fails: options, and batches that are sent in parts. What is
-- sent into one of two TAPs on a bridge comes out of the other.
local coalesce = dofile "spec/batch/coalesce.lua"
local core = require "tun.core"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local spec = require "tun.spec"
local tun = require "tun"
local with = dofile "spec/failing.lua"

local header = coalesce.header
local TCP4 = 1 -- linux/virtio_net.h
local SENT, AT = 38, 24 -- in struct slot

describe("a device of which a system call fails", function()
  local dev

  before_each(function()
    assert(tun.sandbox())
    dev = assert(tun.open { name = "t0", mode = "tap", offload = true, napi = true })
  end)
  after_each(function() dev:close() end)

  -- What is called, which call fails and how, and what is told.
  local rows = {
    { "get offload", "SIOCETHTOOL", 1, "ENODEV", "t0: offload: No such device" },
    { "get offload", "SIOCETHTOOL", 2, "ENODEV", "t0: offload: No such device" },
    { "get offload", "SIOCETHTOOL", 3, "ENODEV", "t0: offload: No such device" },
    { "get features", "TUNGETFEATURES", 1, "EFAULT", "t0: features: Bad address" },
    { "get threaded", "fsopen", 1, "EMFILE", "/sys: Too many open files" },
    { "get threaded", "fsconfig", 1, "EBUSY", "/sys: Device or resource busy" },
    { "get threaded", "fsmount", 1, "EMFILE", "/sys: Too many open files" },
    { "get threaded", "openat", 1, "ENOMEM", "t0: threaded: Cannot allocate memory", again = true },
    { "get threaded", "read", 1, "ENOMEM", "t0: threaded: Cannot allocate memory", again = true },
    { "get sndbuf", "TUNGETSNDBUF", 1, "EFAULT", "t0: sndbuf: Bad address" },
    { "get mac", "SIOCGIFHWADDR", 1, "EFAULT", "t0: mac: Bad address" },
    { "get netns", "TUNGETDEVNETNS", 1, "EMFILE", "t0: netns: Too many open files" },
    { "get vnet_hdr_size", "TUNGETVNETHDRSZ", 1, "EBADFD", "deleted" },
  }
  for _, row in ipairs(rows) do
    local name = row[1]:match "%S+$"
    it(("tells no %s: %s %d, %s"):format(name, row[2], row[3], row[4]), function()
      if row.again then
        assert.is_false(dev:get(name)) -- what it opens, it keeps
      end
      local before = process.descriptors()
      assert.same({ nil, row[5], row[4] },
        { with(row[2], row[3], row[4], function() return dev:get(name) end) })
      assert.equal(before, process.descriptors())
      assert.is_truthy(dev:get(name) ~= nil)
    end)
  end

  it("sets nothing when its header cannot be looked at", function()
    assert.same({ nil, "t0: sndbuf: Invalid argument", "EINVAL" },
      { with("TUNGETVNETLE", 1, "EINVAL",
        function() return core.setoption(dev, "sndbuf", 5000) end) })
    assert.are_not.equal(5000, dev:get "sndbuf")
    assert.same({ nil, "t0: vnet_hdr_size: Bad address", "EFAULT" }, -- what is set, is
      { with("TUNGETVNETHDRSZ", 2, "EFAULT",
        function() return core.setoption(dev, "vnet_hdr_size", 100) end) })
    assert.equal(100, dev:get "vnet_hdr_size")
  end)

  for _, row in ipairs { { "openat", "EMFILE", "Too many open files" },
                         { "TUNGETFEATURES", "EPERM", "Operation not permitted" } } do
    it("tells no features without " .. row[1], function()
      local before = process.descriptors()
      assert.same({ nil, "/dev/net/tun: " .. row[3], row[2] },
        { with(row[1], 1, row[2], core.features) })
      assert.equal(before, process.descriptors())
    end)
  end

  it("is not opened with an index that is refused", function()
    assert.same({ nil, "t1: Invalid argument", "EINVAL" }, { with("TUNSETIFINDEX", 1, "EINVAL",
      function() return core.open { name = "t1", mode = "tun", index = 77 } end) })
    assert.is_nil(tun.link.get "t1")
  end)

  it("says no more than the kernel of a packet that looks right", function()
    local plain = assert(tun.open { name = "t2", up = true })
    for _, bytes in ipairs { packet.ip4 {}:bytes(), packet.ip6 {}:bytes() } do
      assert.same({ nil, "t2: Invalid argument", "EINVAL" },
        { with("write", 1, "EINVAL", function() return plain:write(bytes) end) })
    end
    plain:close()
  end)

  it("keeps flags that are read from a sysfs of their own", function()
    assert(tun.open { name = "p0", mode = "tap", persist = true }):close()
    local index = tun.link.get("p0").index
    local sysfs = assert(core.sysfs())
    local function kept()
      return core.kept_flags(sysfs:fd(), index, "p0")
    end
    local flags = kept()
    assert.is_true(flags.tap and flags.persist)
    for _, row in ipairs { { "openat", "EACCES", "Permission denied" },
                           { "read", "ENOMEM", "Cannot allocate memory" } } do
      for nth = 1, 2 do
        local before = process.descriptors()
        assert.same({ nil, "p0: tun_flags: " .. row[3], row[2] },
          { with(row[1], nth, row[2], kept) })
        assert.equal(before, process.descriptors())
      end
    end
    for _, index_of in ipairs { 0, "1", -1, 1.5 } do
      assert.error_matches(function() core.kept_flags(sysfs:fd(), index_of, "p0") end,
        "is not the index of a link$")
    end
    sysfs:close()
    assert.equal(sysfs:fd(), -1)
    -- The one that is mounted for all is of the host.
    for _, errno in ipairs { "EPERM", "ENOSYS" } do
      local for_all = assert((with("fsopen", 1, errno, core.sysfs)))
      assert.is_nil((core.kept_flags(for_all:fd(), index, "p0")))
      for_all:close()
    end
  end)

  it("waits once more when the packet that was there is gone", function()
    local batch = assert(tun.batch())
    assert(tun.link.set { name = "t0", up = true })
    assert(with("read", 1, "EAGAIN", function() return dev:receive(batch, 2) end) > 0)
  end)
end)

for kind, options in pairs { ["a plain TAP"] = {}, ["one with packet information"] = { pi = true },
                             ["one with a virtio-net header"] = { vnet_hdr = true } } do
  describe("a batch into " .. kind, function()
    local near, far, batch

    setup(function()
      assert(tun.sandbox())
      process.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
      options.name, options.mode, options.up = "t0", "tap", true
      near = assert(tun.open(options))
      far = assert(tun.open { name = "t1", mode = "tap", up = true })
      process.must [[
        ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up &&
        ip link set t0 master br0 && ip link set t1 master br0]]
    end)
    teardown(function()
      near:close()
      far:close()
    end)
    before_each(function()
      batch = assert(tun.batch { mode = "tap", slots = 16 })
    end)

    local function frame(payload)
      return packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
        / packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 7 }
        / packet.tcp { sport = 1, dport = 2, seq = 8, has_ack = true } / payload
    end

    -- A super-packet of three segments, which are these.
    local super, vnet = frame(("a"):rep(500) .. ("b"):rep(500) .. ("c"):rep(90)):bytes(),
      header { gso_type = TCP4, gso_size = 500, hdr_len = 54 }
    local segments = spec.split(super, vnet, nil, true)
    local before, behind = frame("before"):bytes(), frame("behind"):bytes()

    -- That these come out at the other end, and nothing else of ours.
    local function arrives(wanted)
      local list = {}
      repeat
        local bytes = far:read(#list < #wanted and 2 or 0)
        if bytes and bytes:sub(7, 12) == super:sub(7, 12) then
          list[#list + 1] = bytes
        end
      until not bytes
      assert.same(wanted, list)
    end

    local function is(t, n, why, code)
      assert.same(t, { n, why, core.errno[code] })
    end

    -- -- Super-packets that a device has to have split ------------------------

    -- The first segment that it may meet: a device with a virtio-net header takes a
    -- super-packet whole, unless a part of it is sent.
    local first = options.vnet_hdr and 2 or 1

    local function append_sent(sent)
      assert(batch:append(super, vnet))
      batch:arena():write(batch:slot(1) + SENT,
        core.little_endian and string.char(sent, 0) or string.char(0, sent))
    end

    for nth = first, 3 do
      for _, row in ipairs { { "EAGAIN", "timeout" },
                             { "ENOBUFS", "t0: No buffer space available" } } do
        it(("is kept from segment %d on when that meets %s"):format(nth, row[1]), function()
          append_sent(first - 1)
          assert.same({ nil, row[2], row[1] }, { with("write", nth - first + 1, row[1],
            function() return near:send(batch) end) })
          assert.equal(1, #batch)
          arrives { (table.unpack or unpack)(segments, first, nth - 1) } -- luacheck: compat
          assert.equal(1, near:send(batch))
          arrives { (table.unpack or unpack)(segments, nth) } -- luacheck: compat
          assert.equal(16, batch:unused())
        end)
      end
    end

    it("is told of a segment that is refused, and goes on behind it", function()
      append_sent(first - 1)
      assert(batch:add(behind))
      assert.same({ 1, "t0: Message too long", "EMSGSIZE" },
        { with("write", 2, "EMSGSIZE", function() return near:send(batch) end) })
      arrives({ segments[first], behind })
      assert.equal(16, batch:unused())
    end)

    if options.vnet_hdr then
      it("is split when the kernel refuses a super-packet", function()
        assert(batch:append(super, vnet))
        assert(batch:add(behind))
        assert.equal(2, (with("write", 1, "EINVAL", function() return near:send(batch) end)))
        arrives({ segments[1], segments[2], segments[3], behind })
      end)

      it("goes by more than one window of packets that may join", function()
        local many = assert(tun.batch { mode = "tap", slots = 300, size = 2000 })
        local wanted = {}
        for i = 1, 300 do
          wanted[i] = frame("packet " .. i):bytes()
          assert(many:add(wanted[i]))
        end
        assert(near:set { offload = { csum = true, tso4 = true } })
        assert.equal(300, near:send(many))
        arrives(wanted)
        assert(near:set { offload = false })
      end)

      it("is kept when a joined one is not taken", function()
        assert(near:set { offload = { csum = true, tso4 = true } })
        for _, bytes in ipairs(segments) do
          assert(batch:add(bytes))
        end
        assert.same({ nil, "timeout", "EAGAIN" },
          { with("writev", 1, "EAGAIN", function() return near:send(batch) end) })
        assert.equal(3, #batch)
        arrives({})
        assert.equal(3, near:send(batch))
        arrives(segments)
        assert(near:set { offload = false })
      end)
    end

    it("begins anew with one that has less segments than were sent", function()
      append_sent(7)
      assert.equal(1, near:send(batch))
      arrives(segments)
    end)

    -- -- What is left out -----------------------------------------------------

    local unfit = {
      { "a super-packet without a size of segments", super, header { gso_type = TCP4 } },
      { "one of a kind that there is not", super, header { gso_type = 7, gso_size = 500 } },
      { "a checksum behind the end", super, header { flags = 1, csum_start = 2000 } },
    }
    for _, row in ipairs(unfit) do
      it("is without " .. row[1], function()
        for _, each in ipairs { { before }, { row[2], row[3] }, { behind } } do
          assert(batch:append(each[1], each[2]))
        end
        is({ 2, "t0: Invalid argument", "EINVAL" }, near:send(batch))
        arrives({ before, behind })
        assert.equal(0, #batch)
      end)
    end

    it("is without what lies outside of the memory", function()
      for _, bytes in ipairs { before, super, behind } do
        assert(batch:add(bytes))
      end
      batch:arena():write(batch:slot(2) + AT, "\255\255\255\255")
      is({ 2, "t0: Invalid argument", "EINVAL" }, near:send(batch))
      arrives({ before, behind })
    end)
  end)
end
