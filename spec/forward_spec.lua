local coalesce = dofile "spec/batch/coalesce.lua"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local tun = require "tun"
local errno = tun.errno

describe("tun.forward", function()
  local a, b, socket

  -- A child that sends back what comes to 10.9.0.1.
  local ECHO = [[
    local server = assert(require("socket").bind("10.9.0.1", 9))
    server:settimeout(5)
    print "ready" io.flush()
    local client = assert(server:accept())
    client:settimeout(5)
    repeat
      local text, why, rest = client:receive(65536)
      client:send(text or rest)
    until why ]]

  local function device(name, address, t)
    local options = { name = name, address = address, mode = "tun", inet6_addr_gen_mode = "none" }
    for key, value in pairs(t or {}) do
      options[key] = value
    end
    return assert(tun.open(options))
  end

  -- Two devices in namespaces of their own; the one that runs this ends in b's.
  local function open(t, u, child)
    assert(tun.sandbox())
    a = device("a", "10.9.0.1/24", t)
    socket = child and io.popen(process.script(child))
    assert(not socket or socket:read() == "ready")
    assert(tun.sandbox())
    b = device("b", "10.9.0.2/24", u)
  end

  after_each(function()
    a:close()
    b:close()
    if socket then
      socket:close()
      socket = nil
    end
  end)

  -- A child that sends so many bytes through the echo server, and tells how many came back
  -- as they were.
  local function client(n)
    return io.popen(process.script(([[
      local socket = require "socket"
      local c = socket.tcp()
      c:settimeout(20)
      assert(c:connect("10.9.0.1", 9))
      local piece, total, got = ("0123456789abcdef"):rep(4096), %d, 0
      local sent = 0
      while sent < total do
        assert(c:send(piece))
        sent = sent + #piece
        local text = assert(c:receive(#piece))
        assert(text == piece, "other bytes came back")
        got = got + #text
      end
      print(got)
      c:close() ]]):format(n)))
  end

  local MIB = 1048576

  for what, pair in pairs {
    ["plain devices"] = { {}, {} },
    ["devices with offload"] = { { offload = true }, { offload = true } },
    ["a device with offload and a plain one"] = { { offload = true }, {} },
    ["a plain device and one with offload"] = { {}, { offload = true } },
    ["devices with packet information"] = { { pi = true }, { pi = true, vnet_hdr = true } },
  } do
    it("carries TCP both ways between " .. what, function()
      open(pair[1], pair[2], ECHO)
      local child = client(4 * MIB)
      local there, back = 0, 0
      local result, why = tun.forward(a, b, { edit = function(p, from, to)
        assert(from ~= to and (to == a or to == b))
        if from == b and p.tcp and p.tcp.fin then
          b:close()
        elseif p.tcp then
          there, back = there + (from == a and 1 or 0), back + (from == b and 1 or 0)
        end
      end, seconds = 20 })
      assert.equal("closed", why)
      assert.equal(4 * MIB, child:read "*n")
      child:close()
      assert.is_true(result[1].packets <= there and result[1].packets > there - 32)
      assert.is_true(result[2].packets <= back + 1 and result[2].packets > back - 32)
      assert.is_true(result[1].bytes > 4 * MIB and result[2].bytes > 4 * MIB)
      assert.same({ 0, 0, 0, 0 }, { result[1].refused, result[1].dropped, result[1].failed,
                                    result[2].failed }, result[1].failure or result[2].failure)
    end)
  end

  it("drops what edit says, and sends what it changed", function()
    open()
    local pings = io.popen "ping -c 6 -i 0.1 -W 1 10.9.0.1"
    local seen = 0
    local result = tun.forward(a, b, { seconds = 2, edit = function(p, from)
      if from == b then
        seen = seen + 1
        return p.icmp.seq % 2 == 0
      end
      p.ip4.ttl = 7
      p:fix()
    end })
    local text = pings:read "*a"
    pings:close()
    assert.equal(6, seen)
    assert.truthy(text:find "6 packets transmitted, 3 received")
    assert.truthy(text:find "ttl=7")
    assert.same({ 3, 3, 3 }, { result[1].packets, result[2].packets, result[2].dropped })
  end)

  it("loses the packet at which edit raises, and no other", function()
    open()
    local pings = io.popen "ping -c 6 -i 0.1 -W 1 -t 2 10.9.0.1"
    local result = tun.forward(a, b, { seconds = 2, edit = function(p, from)
      if from == b and p.icmp.seq % 3 == 0 then
        p.ip4.ttl = -1
      end
      assert.is_true(p.ip:decrement_ttl())
      p:fix()
    end })
    local text = pings:read "*a"
    pings:close()
    assert.truthy(text:find "6 packets transmitted, 4 received")
    assert.same({ 4, 0, 2 }, { result[2].packets, result[2].refused, result[2].failed })
    assert.matches("forward_spec.lua:%d+: ip4.ttl: %-1 is not a number", result[2].failure)
    assert.same({ 4, 0, nil }, { result[1].packets, result[1].failed, result[1].failure })
  end)

  it("goes on when a link is down and comes back", function()
    open()
    local pings = io.popen "ping -c 6 -i 0.2 -W 1 10.9.0.1"
    local downs = 0
    local result, why, code = tun.forward(a, b, { seconds = 3, edit = function(p, from)
      if from == b and p.icmp.seq == 2 then
        assert(a:down())
        downs = downs + 1
      elseif from == b and p.icmp.seq == 4 then
        assert(a:up())
      end
    end })
    assert.same({ "timeout", errno.EAGAIN }, { why, code })
    assert.truthy(pings:read("*a"):find "6 packets transmitted, 4 received")
    pings:close()
    assert.equal(1, downs)
    assert.equal(2, result[2].dropped)
  end)

  for what, words in pairs { deleted = "deleted", closed = "closed" } do
    it("ends when a device is " .. what, function()
      open()
      local pings = io.popen "ping -c 1 -W 1 10.9.0.1"
      local _, why = tun.forward(a, b, { seconds = 10, edit = function(_, from)
        if from == a then
          return true
        elseif what == "closed" then
          a:close()
        else
          assert(tun.link.del { dev = a })
        end
      end })
      assert.equal(words, why)
      pings:close()
    end)
  end

  it("ends at once when a device is closed already", function()
    open()
    a:close()
    local result, why, code = tun.forward(a, b)
    assert.same({ "closed", errno.EBADF, 0 }, { why, code, result[1].packets })
  end)

  it("names its options", function()
    open()
    assert.has_error(function() tun.forward(a, b, { edits = print }) end,
      "forward: no option edits; there are: edit, slots, headroom, seconds")
    assert.has_error(function() tun.forward(a, b, { edit = 1 }) end,
      "forward: edit: 1 is not a function")
    assert.has_error(function() tun.forward(a, 7) end)
  end)

  it("stops at Ctrl-C", function()
    local text, status = process.lua([[
      local tun = require "tun"
      assert(tun.sandbox())
      local a = assert(tun.open())
      local b = assert(tun.open())
      print(pcall(tun.forward, a, b))]], "timeout -s INT 1")
    assert.truthy(text:find "interrupted!", text)
    assert.is_true(status ~= 0)
  end)

  it("holds packets that the other side does not take, and reads no more", function()
    open()
    local sent, refusing, taken = 0, true, {}
    -- A side that takes one packet at a time, as a full socket does.
    local slow = { fd = function() return b:fd() end }
    function slow.receive(_, batch)
      if sent == 3 then
        return nil, "closed", errno.EBADF
      end
      for i = 1, sent == 0 and 3 or 0 do
        batch:add(packet.ip4 { src = "10.9.0.2", dst = "10.9.0.1" }
          / packet.icmp { type = "echo", seq = i })
      end
      return sent == 0 and 3 or 0
    end
    function slow.send(_, batch)
      refusing = not refusing
      if refusing then
        return nil, "timeout", errno.EAGAIN
      end
      local p = batch:compact():packet(1)
      taken[#taken + 1] = p.icmp.seq
      p:drop()
      sent = #taken
      return 1, "timeout", errno.EAGAIN
    end
    local _, why = tun.forward(a, slow, { seconds = 5 })
    assert.equal("closed", why)
    assert.same({ 1, 2, 3 }, taken)
  end)
end)

describe("tun.forward of a peer's frames", function()
  local tap, from, to

  setup(function()
    assert(tun.sandbox())
    process.must "ip link set lo up"
    tap = assert(tun.open { name = "tap", mode = "tap", offload = true, up = true })
    to = assert(tun.udp { bind = "127.0.0.1:4000" })
    from = assert(tun.udp { connect = "127.0.0.1:4000" })
  end)

  teardown(function()
    tap:close()
    from:close()
    to:close()
  end)

  local function taken()
    local file = assert(io.open "/proc/net/dev")
    local bytes, packets = file:read("*a"):match "tap: *(%d+) +(%d+)"
    file:close()
    return tonumber(packets), tonumber(bytes)
  end

  -- Two segments of a flow, behind so many VLAN tags and with so many bytes of TCP options.
  local function segments(tags, options)
    local p = {
      ether = "\2\0\0\0\0\2\2\0\0\0\0\1" .. ("\129\0\0\5"):rep(tags) .. "\134\221", v6 = true,
      src = "\253" .. ("\0"):rep(14) .. "\2", dst = "\253" .. ("\0"):rep(14) .. "\1", tos = 0,
      ttl = 64, sport = 1, dport = 2, seq = 0, ack = 5, flags = 16, window = 9,
      options = ("\1"):rep(options), payload = coalesce.payload(100),
    }
    return coalesce.build(p).bytes, coalesce.build(coalesce.with(p, { seq = 100 })).bytes
  end

  for _, row in ipairs { { 2, 0, 1 }, { 3, 40, 1 }, { 4, 40, 2 }, { 14, 0, 2 }, { 60, 0, 2 },
                         { 100, 0, 2 }, { 15000, 0, 2 } } do
    local tags, options, count = row[1], row[2], row[3]
    it(("sends %d of two with %d tags and %d bytes of TCP options"):format(count, tags, options),
      function()
      local packets, bytes = taken()
      local one, two = segments(tags, options)
      assert(from:send(one))
      assert(from:send(two))
      local result, why = tun.forward(to, tap, { seconds = 0.1 })
      assert.equal("timeout", why)
      assert.equal(2, result[1].packets)
      local now, with = taken()
      assert.equal(count, now - packets)
      assert.equal(count == 2 and #one + #two or #one + 100, with - bytes)
    end)
  end
end)
