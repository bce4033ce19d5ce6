local core = require "tun.core"
local packet = require "tun.packet"
local socket = require "socket"
local tun = require "tun"
local errno = tun.errno

describe("a batch", function()
  setup(function()
    assert(tun.sandbox())
  end)

  local dev, udp

  local function open(t)
    t = t or {}
    t.address, t.mode = t.address or "10.9.0.1/24", t.mode or "tun"
    t.inet6_addr_gen_mode = "none"
    dev = assert(tun.open(t))
    udp = assert(socket.udp())
    assert(udp:setsockname("10.9.0.1", 0))
    udp:settimeout(2)
    return dev
  end

  after_each(function()
    if dev then
      dev:close()
      udp:close()
      dev = nil
    end
  end)

  local function say(...)
    for _, text in ipairs { ... } do
      assert(udp:sendto(text, "10.9.0.2", 7))
    end
  end

  -- The packet as an answer to itself.
  local function turn(p)
    p.ip4.src, p.ip4.dst = p.ip4.dst, p.ip4.src
    p.udp.sport, p.udp.dport = p.udp.dport, p.udp.sport
    return p:fix()
  end

  local function heard(n)
    local list = {}
    for i = 1, n do
      list[i] = assert(udp:receive())
    end
    udp:settimeout(0)
    assert.is_nil((udp:receive()))
    udp:settimeout(2)
    return table.concat(list, " ")
  end

  local function payloads(batch)
    local list = {}
    for p in batch:packets() do
      list[#list + 1] = p.payload
    end
    return table.concat(list, " ")
  end

  local function of(...)
    local batch = tun.batch { slots = 8, size = 100 }
    for _, text in ipairs { ... } do
      assert(batch:add(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" }
        / packet.udp { sport = 7, dport = 9 } / text))
    end
    return batch
  end

  -- -- Memory -----------------------------------------------------------------

  it("takes options and names those that there are", function()
    local batch = tun.batch { slots = 3, size = 10, headroom = 0 }
    assert.equal("batch of 0 packets, 3 slots of 10 bytes unused", tostring(batch))
    assert.has_error(function() tun.batch { slot = 3 } end,
      "batch: no option slot; there are: slots, headroom, mode, size")
    assert.has_error(function() tun.batch { slots = 0 } end,
      "slots: 0 is not a number from 1 to 65536")
    assert.has_error(function() tun.batch { slots = 65536, size = 1048576 } end)
    assert.has_error(function() tun.batch { mode = "tin" } end)
    assert.has_error(function() tun.batch "64" end)
  end)

  it("has no more packets than slots, and tells it", function()
    local batch = tun.batch { slots = 2, size = 10 }
    assert.is_true(batch:add "a")
    assert.is_true(batch:add "b")
    local ok, why, code = batch:add "c"
    assert.is_nil(ok)
    assert.equal("batch: all slots are in use: No buffer space available", why)
    assert.equal(errno.ENOBUFS, code)
    assert.equal(2, batch:count())
    assert.equal(2, batch:size())
    assert.has_error(function() batch:add(("x"):rep(11)) end,
      "a packet of 11 bytes; a slot has room for 10")
    assert.has_error(function() batch:add(1) end)
    assert.equal(0, batch:clear():count())
    assert.equal(2, batch:unused())
  end)

  it("keeps the number of slots through all that can be done to it", function()
    math.randomseed(4)
    local one = tun.batch { slots = 16, size = 20 }
    local all = { one, one:sibling(), one:sibling() }
    local function some()
      return all[math.random(3)]
    end
    local works = {
      function(b) b:add("x") end,
      function(b) b:add("y") end,
      function(b) b:clear() end,
      function(b) b:compact() end,
      function(b) if b:packet(1) then b:packet(1):drop() end end,
      function(b) if b:packet(2) then b:packet(2):move(some()) end end,
      function(b) if b:packet(2) then b:swap(1, 2) end end,
      function(b) for p in b:packets() do if math.random(4) == 1 then p:drop() end end end,
      function(b) for p in b:packets() do if math.random(4) == 1 then p:move(some()) end end end,
    }
    for _ = 1, 5000 do
      works[math.random(#works)](some())
      local listed = 0
      for _, b in ipairs(all) do
        b:compact()
        listed = listed + b:count()
      end
      assert.equal(16, listed + one:unused())
    end
  end)

  it("that is collected gives its slots back to those of the same memory", function()
    local batch = tun.batch { slots = 4, size = 10 }
    do
      local other = batch:sibling()
      other:add "a"
      other:add "b"
      assert.equal(2, batch:unused())
      other = nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
    assert.equal(4, batch:unused())
  end)

  it("outlives its name where a packet of it is held", function()
    local p
    do
      p = of("kept"):packet(1)
    end
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.equal("kept", p.payload)
  end)

  -- -- Packets ------------------------------------------------------------------

  it("goes through its packets in order, and they can be changed in place", function()
    local batch = of("a", "b", "c")
    for p in batch:packets() do
      p.udp.dport = 99
      p.payload = p.payload .. p.payload
      p:fix()
    end
    assert.equal("aa bb cc", payloads(batch))
    for p in batch:packets() do
      assert.equal(99, p.udp.dport)
      assert.is_true(p:verify())
      assert.equal(30, #p:bytes())
    end
    assert.equal(90, batch:size())
    assert.equal("bb", batch:packet(2).payload)
    assert.is_nil(batch:packet(4))
    assert.is_nil(batch:packet(0))
    assert.has_error(function() batch:packet "a" end)
  end)

  it("drops, swaps and moves packets", function()
    local batch = of("a", "b", "c", "d")
    local other = batch:sibling()
    batch:swap(1, 4)
    for p in batch:packets() do
      if p.payload == "b" then
        p:drop()
      elseif p.payload == "c" then
        assert(p:move(other))
      end
    end
    assert.equal("d a", payloads(batch))
    assert.equal("c", payloads(other))
    assert.equal(5, batch:unused())
    local far = tun.batch { slots = 1, size = 50 }
    assert(batch:packet(1):move(far))
    assert.equal("d", payloads(far))
    assert.equal("a", payloads(batch))
    local ok, _, code = batch:packet(1):move(far)
    assert.same({ nil, errno.ENOBUFS }, { ok, code })
    assert.equal("a", payloads(batch))
    assert.has_error(function() batch:swap(1, 2) end,
      "place: 2 is not a number from 1 to 1")
    assert.has_error(function() packet.ip4 {}:copy():drop() end)
  end)

  it("moves every packet of a full batch to its own end", function()
    for slots = 1, 5 do
      local batch = tun.batch { slots = slots, size = 100 }
      for i = 1, slots do
        assert(batch:add(packet.ip4 {} / packet.udp {} / tostring(i)))
      end
      local all = payloads(batch)
      for _ = 1, 3 do
        local seen = {}
        for p in batch:packets() do
          seen[#seen + 1] = p.payload
          assert.is_true(p:move(batch))
        end
        assert.equal(all, table.concat(seen, " "))
        assert.equal(all, payloads(batch))
      end
      for _ = 1, 20 * slots do
        assert.is_true(batch:move(#batch > 1 and 1 or batch:packet(1) and 1 or 2, batch))
        batch:compact()
      end
      assert.equal(slots, batch:count())
      assert.equal(0, batch:unused())
    end
  end)

  -- The packets of a batch in order, and the first place that has one.
  local function content(batch)
    local list, first, i = {}, nil, 1
    while batch:slot(i) ~= false do
      local _, at, stop = batch:slot(i)
      if at then
        list[#list + 1] = batch:arena():bytes(at, stop - at)
        first = first or i
      end
      i = i + 1
    end
    return table.concat(list, " "), first
  end

  it("moves packets between full batches of one memory, which leaves gaps", function()
    for slots = 1, 4 do
      local from = assert(core.batch(slots, 100, 0, "tun"))
      local to, texts = from:sibling(), {}
      for i = 1, slots do
        texts[i] = "packet " .. i
        assert(from:append(texts[i]))
      end
      for _ = 1, 6 * slots do
        for i = 1, slots do
          local _, first = content(from)
          assert.is_true(from:move(first, to))
          assert.equal(table.concat(texts, " ", 1, i), (content(to)))
          assert.equal(table.concat(texts, " ", i + 1), (content(from)))
        end
        assert.equal(0, from:unused())
        from, to = to, from
      end
      assert.equal(slots, from:clear():unused())
    end
  end)

  it("copies packets between full batches of two memories, as far as there is room", function()
    local from, to = assert(core.batch(3, 100, 0, "tun")), assert(core.batch(2, 100, 0, "tun"))
    for _, text in ipairs { "a", "b", "c" } do
      assert(from:append(text))
    end
    assert.is_true(from:move(1, to))
    assert.is_true(from:move(3, to))
    local ok, why, code = from:move(2, to)
    assert.same({ nil, "batch: all slots are in use: No buffer space available", errno.ENOBUFS },
      { ok, why, code })
    assert.same({ "b", "a c" }, { (content(from)), (content(to)) })
    assert.has_error(function() from:move(1, to) end, "packet 1 was dropped or moved already")
    to:clear()
    assert.is_true(from:move(2, to))
    assert.same({ "", "b" }, { (content(from)), (content(to)) })
    to:arena():write(to:slot(1) + 24, "\255\255\255\255") -- where it lies
    assert.has_error(function() to:move(1, from) end, "packet 1 is outside of its memory")
    assert.is_nil((to:slot(1)))
  end)

  it("lets a packet lie only in its memory", function()
    local batch = assert(core.batch(2, 100, 0, "tun"))
    assert(batch:append "packet")
    local _, at, stop = batch:slot(1)
    local all = batch:arena():size()
    for _, bad in ipairs { { -1, 1 }, { all + 1, 0 }, { all, 1 }, { 0, -1 }, { 0, all + 1 },
                           { "x", 1 }, { 0, {} }, { 0.5, 1 } } do
      assert.has_error(function() batch:resize(1, bad[1], bad[2]) end,
        "the packet would lie outside of its memory")
    end
    batch:resize(1, at + 1, stop - at - 2)
    assert.equal("acke", (content(batch)))
    assert.is_nil(batch:drop(1):resize(1, at, 1))
    assert.has_error(function() batch:slot "x" end, 'slot: "x" is not a place in the batch')
    assert.has_error(function() core.batch(1, 1, 0, 5) end, 'mode: 5 is not "tun" or "tap"')
    assert.has_error(function() core.batch("x", 1, 0, "tun") end,
      'slots: "x" is not a number from 1 to 65536')
    assert.has_error(function() batch:append("x", 5) end, "vnet: 5 is not a string or nil")
    assert.has_error(function() batch:append("x", nil, {}) end,
      "pi: a table is not a string or nil")
  end)

  it("moves, drops and changes the packet that was seen, wherever it is now", function()
    local batch = of("a", "b", "c")
    local second, third = batch:packet(2), batch:packet(3)
    batch:drop(1):compact()
    assert(second:move(batch))
    assert.equal("c b", payloads(batch))
    batch:compact():swap(1, 2)
    third.payload = "longer"
    third:fix()
    assert.equal("b longer", payloads(batch))
    third:drop()
    third:drop()
    assert.equal("b", payloads(batch))
    assert.has_error(function() third:move(batch) end,
      "the packet was good until it left its batch: keep it with copy()")
    second:drop()
    assert.equal(0, batch:count())
  end)

  it("has views that follow to another one, and refuse when their slot is given back", function()
    local batch = of("a", "b")
    local other = batch:sibling()
    local kept, ip = batch:packet(1), batch:packet(1).ip4
    assert(kept:move(other))
    kept.payload = "A"
    assert.equal("A", payloads(other))
    other:clear()
    for _, use in ipairs { function() return kept:bytes() end, function() kept.payload = "x" end,
                           function() return tostring(ip) end } do
      assert.error_matches(use, "was good until it left its batch")
    end
  end)

  it("is collected, with what it had of a memory, though it was gone through", function()
    local batch = tun.batch { slots = 4 }
    for _ = 1, 20 do
      local other = batch:sibling()
      assert(batch:add "\69")
      assert(batch:move(1, other))
      batch:compact()
      for p in other:packets() do
        assert.equal(1, p:size())
      end
      other = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
    end
    assert.equal(4, batch:unused())
  end)

  it("goes on behind as many as were dropped", function()
    local batch = tun.batch { slots = 65536, size = 20 }
    for _ = 1, 65536 do
      batch:add "\69"
    end
    local seen = 0
    for _ in batch:packets() do
      seen = seen + 1
      for i = 2, seen == 1 and 65535 or 1 do
        batch:drop(i)
      end
    end
    assert.equal(2, seen)
    assert.equal(2, batch:count())
  end)

  it("has room for headers in front, as much as headroom", function()
    local batch = tun.batch { slots = 1, size = 100, headroom = 40 }
    batch:add(packet.ip4 { dst = "10.9.0.1" } / packet.udp {} / "in")
    local outer = packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
    local p = batch:packet(1)
    p:push(outer)
    assert.equal(50, batch:size())
    p = batch:packet(1)
    assert.equal("10.0.0.2", p.ip4.dst)
    assert.equal("in", p.inner.payload)
    assert.is_true(p:verify())
    p:push(outer)
    assert.equal(70, #batch:packet(1):bytes())
    assert.has_error(function() p:push(outer) end)
    assert.equal(70, #batch:packet(1):bytes())
    p = batch:packet(1)
    p:pull "inner"
    p:pull "inner"
    assert.equal("in", batch:packet(1).payload)
    assert.equal(30, batch:size())
    assert.has_error(function() batch:packet(1).payload = ("x"):rep(200) end)
    assert.equal("in", batch:packet(1).payload)
  end)

  it("gives packets that copy() keeps", function()
    local batch = of "keep"
    local copy = batch:packet(1):copy()
    batch:clear():add "other"
    assert.equal("keep", copy.payload)
    copy:push(packet.ip4 {})
    assert.equal("keep", copy.inner.payload)
    assert.has_error(function() copy:drop() end)
  end)

  -- -- Devices ------------------------------------------------------------------

  it("receives until nothing is there or no slot, and sends what is left in order", function()
    open()
    local batch = tun.batch { slots = 4 }
    say("a", "b", "c", "d", "e", "f")
    assert.equal(4, dev:receive(batch))
    assert.equal(errno.ENOBUFS, select(3, dev:receive(batch)))
    for p in batch:packets() do
      turn(p)
      if p.payload == "c" then
        p:drop()
      end
    end
    assert.equal(3, dev:send(batch))
    assert.equal(0, batch:count())
    assert.equal("a b d", heard(3))
    assert.equal(2, dev:receive(batch, 0))
    assert.equal("e f", payloads(batch))
    local n, why, code = dev:receive(batch:clear(), 0.01)
    assert.same({ nil, "timeout", errno.EAGAIN }, { n, why, code })
    dev:settimeout(0)
    assert.is_nil((dev:receive(batch)))
    assert.equal(0, dev:send(batch))
  end)

  it("sends single packets of itself, which stay", function()
    open()
    say("a", "b")
    local batch = tun.batch()
    dev:receive(batch)
    for p in batch:packets() do
      assert.equal(29, dev:send(turn(p)))
    end
    assert.equal("a b", heard(2))
    assert.equal(2, batch:count())
  end)

  for what, t in pairs {
    ["packet information"] = { pi = true },
    ["a virtio-net header"] = { vnet_hdr = true },
    ["both"] = { pi = true, vnet_hdr = true },
    ["a longer virtio-net header"] = { vnet_hdr = true, vnet_hdr_size = 24 },
    ["one longer than any that is known"] = { vnet_hdr = true, vnet_hdr_size = 100 },
  } do
    it("of a device with " .. what .. " has it beside the packets", function()
      open(t)
      say("a", "b")
      local batch = tun.batch()
      dev:receive(batch)
      for p in batch:packets() do
        assert.equal(29, #p:bytes())
        assert.equal(t.pi and 0x800, p.tun_pi and p.tun_pi.proto_n)
        assert.equal(t.vnet_hdr or false, p.virtio_net ~= nil)
        turn(p)
      end
      assert.equal(2, dev:send(batch))
      assert.equal("a b", heard(2))
    end)
  end

  it("of a TAP has frames", function()
    open { mode = "tap" }
    assert(tun.link.set { dev = dev, address = "02:00:00:00:00:01" })
    say "frame"
    local batch = tun.batch()
    repeat
      dev:receive(batch:clear())
    until batch:packet(1).arp
    assert.equal("tap", batch:mode())
    assert.equal("10.9.0.2", batch:packet(1).arp.tpa)
    assert.equal("02:00:00:00:00:01", batch:packet(1).eth.src)
  end)

  it("that has too little headroom for a device is refused", function()
    open { vnet_hdr = true, vnet_hdr_size = 100 }
    local batch = tun.batch { headroom = 99 }
    assert.has_error(function() dev:receive(batch) end,
      "batch: headroom of 99 bytes; tun0 needs 100")
    assert(batch:add(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" }
      / packet.udp { sport = 7, dport = tonumber((select(2, udp:getsockname()))) } / "sent"))
    assert.equal(1, dev:send(batch))
    assert.equal("sent", heard(1))
  end)

  it("whose slots are too small for a packet says so and has those that fit", function()
    open()
    local batch = tun.batch { size = 40 }
    say("a", ("x"):rep(13), "b")
    local words = "tun0: a packet longer than a slot is lost: Message too long"
    assert.same({ 1, words, errno.EMSGSIZE }, { dev:receive(batch) })
    assert.equal(1, dev:receive(batch))
    assert.equal("a b", payloads(batch))
    say(("x"):rep(13))
    assert.same({ nil, words, errno.EMSGSIZE }, { dev:receive(batch) })
  end)

  it("keeps what a link that is down does not take", function()
    open()
    say("a", "b")
    local batch = tun.batch()
    dev:receive(batch)
    for p in batch:packets() do
      turn(p)
    end
    assert(dev:down())
    local n, why, code = dev:send(batch)
    assert.same({ nil, "down", errno.EIO }, { n, why, code })
    assert.equal("a b", payloads(batch))
    assert(dev:up())
    assert.equal(2, dev:send(batch))
    assert.equal("a b", heard(2))
  end)

  it("loses a packet that the kernel refuses, says why, and sends the others", function()
    open()
    local batch = tun.batch()
    say("a", "b")
    dev:receive(batch)
    for p in batch:packets() do
      turn(p)
    end
    batch:add "\0 no packet"
    batch:swap(1, 3)
    local n, why, code = dev:send(batch)
    assert.same({ 2, "tun0: Invalid argument", errno.EINVAL }, { n, why, code })
    assert.equal(0, batch:count())
    assert.equal("b a", heard(2))
  end)

  it("of a device that is gone or closed keeps its packets", function()
    open()
    local batch = of("a", "b")
    assert(tun.link.del { dev = dev })
    assert.same({ nil, "deleted", errno.EBADFD }, { dev:send(batch) })
    local n, why = dev:receive(batch, 1)
    assert.same({ nil, "deleted" }, { n, why })
    dev:close()
    assert.same({ nil, "closed", errno.EBADF }, { dev:send(batch) })
    assert.same({ nil, "closed", errno.EBADF }, { dev:receive(batch) })
    assert.equal("a b", payloads(batch))
  end)

  -- -- Partial checksums ----------------------------------------------------------

  it("has partial checksums that stay valid when packets are changed", function()
    open { offload = true }
    local batch, sibling = tun.batch(), tun.batch()
    for i = 1, 50 do
      say("text " .. i)
    end
    dev:receive(batch)
    assert.equal(50, batch:count())
    for p in batch:packets() do
      assert.is_true(p.virtio_net.needs_csum)
      turn(p)
      p.ip4.ttl = 9
      p.ip4.dst = "10.9.0.77"
      p:fix()
      assert.is_true(p:verify())
      p.ip4.dst = "10.9.0.1"
      p:fix()
      local whole = p:copy()
      whole.ip4.id = 1
      whole.payload = whole.payload
      assert.is_true(whole:fix():verify())
      assert.is_true(whole.virtio_net.needs_csum)
      assert.equal(p.udp.checksum, whole.udp.checksum)
      p:push(packet.ip4 {})
      assert.equal(40, p.virtio_net.csum_start)
      p:pull "inner"
      assert.equal(20, p.virtio_net.csum_start)
      assert(p:move(sibling))
    end
    for p in sibling:packets() do
      assert.is_true(p.virtio_net.needs_csum)
    end
    assert.equal(50, dev:send(sibling))
    for i = 1, 50 do
      assert.equal("text " .. i, (udp:receive()))
    end
  end)

  it("completes partial checksums for a device that does not", function()
    open { offload = true }
    local plain = assert(tun.open { mode = "tun", address = "10.8.0.1/24",
                                    inet6_addr_gen_mode = "none" })
    local receiver = assert(socket.udp())
    receiver:settimeout(2)
    assert(receiver:setsockname("10.8.0.1", 0))
    local _, port = receiver:getsockname()
    say("a", "b")
    local batch = tun.batch()
    dev:receive(batch)
    for p in batch:packets() do
      p.ip4.src, p.ip4.dst, p.udp.dport = "10.8.0.2", "10.8.0.1", tonumber(port)
      p:fix()
      assert.is_true(p.virtio_net.needs_csum)
    end
    assert.equal(29, plain:send(batch:packet(1)))
    assert.equal("a", (receiver:receive()))
    assert.equal(29, plain:send(batch:packet(1):copy()))
    assert.equal("a", (receiver:receive()))
    assert.equal(2, plain:send(batch))
    assert.equal("a", (receiver:receive()))
    assert.equal("b", (receiver:receive()))
    receiver:close()
    plain:close()
  end)
end)
