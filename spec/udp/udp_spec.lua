local tun = require "tun"
local core = require "tun.core"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local errno = tun.errno

local function is(reason, code, ok, why, got)
  assert.is_nil(ok)
  assert.equal(reason, why)
  assert.equal(code, got)
end

-- What the caller's mistake raises, at the line of the caller.
local function raises(words, call)
  local ok, why = pcall(call)
  assert.is_false(ok)
  assert.is_truthy(why:find("^[^:]*udp_spec.lua:%d+: .*" .. words), why)
end

-- A batch of packets with these bytes.
local function batch_of(list, options)
  local batch = assert(tun.batch(options or { slots = math.max(#list, 1) }))
  for _, bytes in ipairs(list) do
    assert(batch:add(bytes))
  end
  return batch
end

-- The packets of a batch as strings, and their peers.
local function content(batch)
  local list, peers, arena = {}, {}, batch:arena()
  for i = 1, #batch do
    local slot, from, to = batch:slot(i)
    list[i], peers[i] = arena:bytes(from, to - from), core.peer(arena, slot)
  end
  return list, peers
end

-- Receive as many datagrams by batches of some slots.
local function collect(socket, count, options)
  local batch, all = assert(tun.batch(options)), {}
  while #all < count do
    assert(socket:receive(batch, 5))
    for _, bytes in ipairs(content(batch)) do
      all[#all + 1] = bytes
    end
    batch:clear()
  end
  is("timeout", errno.EAGAIN, socket:receive(batch, 0))
  return all
end

-- The next datagram that is there.
local function next_bytes(socket)
  return (socket:read(0))
end

-- Datagrams of one size, told apart by a number.
local function numbered(count, size)
  local list = {}
  for i = 1, count do
    local text = ("%d;"):format(i)
    list[i] = text .. ("."):rep(size - #text)
  end
  return list
end

-- How often the kernel gave a datagram, or several in one piece, to a socket, and took.
local function counts()
  local file = assert(io.open "/proc/self/net/snmp")
  local values = file:read("*a"):match "\nUdp: (%d.-)\n"
  file:close()
  file = assert(io.open "/proc/self/net/snmp6")
  local six = file:read "*a"
  file:close()
  local given, taken = values:match "^(%d+) %d+ %d+ (%d+)"
  return given + six:match "Udp6InDatagrams%s+(%d+)", taken + six:match "Udp6OutDatagrams%s+(%d+)"
end

local here, six = "127.0.0.1", "[::1]"

describe("the text of an address", function()
  local arena = assert(tun.batch { slots = 1 }):arena()
  for _, text in ipairs { "10.0.0.1:5000", "0.0.0.0:0", "[::1]:65535", "[2001:db8::1]:53",
                          "[fe80::1%lo]:1" } do
    it(text .. " comes back as it was", function()
      core.setpeer(arena, 0, text)
      assert.equal(text, core.peer(arena, 0))
    end)
  end
  it("of IPv4 within IPv6 is that of IPv4", function()
    core.setpeer(arena, 0, "[::ffff:10.0.0.1]:7")
    assert.equal("10.0.0.1:7", core.peer(arena, 0))
  end)
  it("has the number of a link that has no name", function()
    process.sandbox()
    process.must "ip link add d0 index 77 type bridge"
    core.setpeer(arena, 0, "[fe80::1%d0]:5")
    assert.equal("[fe80::1%d0]:5", core.peer(arena, 0))
    process.must "ip link del d0"
    assert.equal("[fe80::1%77]:5", core.peer(arena, 0))
  end)
  it("is nil when there is none", function()
    core.setpeer(arena, 0, nil)
    assert.is_nil(core.peer(arena, 0))
  end)
  for _, text in ipairs { "", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1",
                          "10.0.0.1:100000", "[::1]:x", "[::1]:65536",
                          "10.0.0.1:5000x", "10.0.0.1: 5", "localhost:5000", "::1:5000", "[::1]",
                          "[::1]5000", "[::1:5000", "[]:1", "[10.0.0.1]:1", "[fe80::1%nix]:1",
                          "10.0.0.1:5\0", ("1"):rep(100) .. ":1" } do
    it(("is not %q"):format(text), function()
      raises("peer: .* is not a numeric address and a port such as ",
        function() core.setpeer(arena, 0, text) end)
    end)
  end
end)

describe("tun.udp", function()
  local server, client
  local closing = {}

  -- A socket that is closed after the spec.
  local function open(t)
    local socket = assert(tun.udp(t))
    closing[#closing + 1] = socket
    return socket
  end

  -- A server, and a client that is connected to it.
  local function pair(address, options)
    local t = { bind = address .. ":5000", rcvbuf = 4000000 }
    local u = { bind = address .. ":0", connect = address .. ":5000", rcvbuf = 4000000 }
    for key, value in pairs(options or {}) do
      t[key], u[key] = value, value
    end
    server, client = open(t), open(u)
  end

  setup(function() assert(tun.sandbox()) end)
  after_each(function()
    for i = #closing, 1, -1 do
      table.remove(closing):close()
      assert(closing[i] == nil)
    end
  end)

  -- -- What it is -------------------------------------------------------------

  it("says where it is and to whom it speaks", function()
    pair(here)
    assert.equal("udp 127.0.0.1:5000", tostring(server))
    assert.equal("127.0.0.1:5000", server:address())
    assert.is_nil(server:peer())
    assert.equal("127.0.0.1:5000", client:peer())
    assert.equal("udp " .. client:address() .. " -> 127.0.0.1:5000", tostring(client))
    assert.is_truthy(client:address():find "^127%.0%.0%.1:%d+$")
  end)

  it("of IPv6 speaks to IPv4 as well", function()
    server, client = open { bind = "[::]:5000" }, open { connect = "127.0.0.1:5000" }
    assert(client:write "four")
    local bytes, peer = server:read(1)
    assert.equal("four", bytes)
    assert.equal(client:address(), peer)
    assert(server:write("back", peer))
    assert.equal("back", (client:read(1)))
  end)

  it("is connected and disconnected later, too", function()
    pair(here)
    assert(server:connect(client:address()))
    assert.equal(client:address(), server:peer())
    assert(server:connect())
    assert.is_nil(server:peer())
  end)

  local refusals = {
    { "an address that is taken", { bind = "127.0.0.1:5000" }, "EADDRINUSE",
      "udp 127.0.0.1:5000: another socket has it; reuse_port = true of both shares it" },
    { "an address of another", { bind = "192.0.2.1:5000" }, "EADDRNOTAVAIL",
      "udp 192.0.2.1:5000: no link here has this address" },
    { "a peer without a route", { connect = "192.0.2.1:5000" }, "ENETUNREACH",
      "udp 192.0.2.1:5000: Network is unreachable" },
    { "a peer of another family", { bind = "127.0.0.1:0", connect = "[::1]:1" }, "EAFNOSUPPORT",
      "udp [::1]:1: the socket is not of this family" },
    { "a link that is not there", { bind = "127.0.0.1:0", dev = "nix" }, "ENODEV",
      "udp: dev: there is no such link" },
    { "v6only of IPv4", { bind = "127.0.0.1:0", v6only = true }, "ENOPROTOOPT",
      "udp: v6only: only an IPv6 socket has it" },
    { "a ttl of 0", { bind = "127.0.0.1:0", ttl = 0 }, "EINVAL", "udp: ttl: it is from 1 to 255" },
    { "a broadcast", { connect = "255.255.255.255:1" }, "ENETUNREACH",
      "udp 255.255.255.255:1: Network is unreachable" },
  }
  for _, row in ipairs(refusals) do
    it("is refused " .. row[1] .. ", and leaves no descriptor", function()
      pair(here)
      local before = process.descriptors()
      is(row[4], errno[row[3]], tun.udp(row[2]))
      assert.equal(before, process.descriptors())
    end)
  end

  local mistakes = {
    { "no options", function() tun.udp() end, "udp: nil is not a table of options" },
    { "neither bind nor connect", function() tun.udp {} end, "udp: say where, bind = " },
    { "an unknown option", function() tun.udp { bind = "0.0.0.0:0", port = 1 } end,
      'udp: no option "port"; there are: bind, connect, dev, ' },
    { "a name", function() tun.udp { bind = "localhost:5000" } end,
      'bind: "localhost:5000" is not a numeric address and a port .*names are not resolved' },
    { "a name to connect to", function() tun.udp { connect = "example.org:53" } end, "connect: " },
    { "a port alone", function() tun.udp { bind = 5000 } end,
      "bind: 5000 is not an address and a port" },
    { "a ttl of text", function() tun.udp { bind = "0.0.0.0:0", ttl = "1" } end,
      'ttl: "1" is not a number from 0 on' },
    { "a ttl of 2^31", function() tun.udp { bind = "0.0.0.0:0", ttl = 2147483648 } end,
      "ttl: 2147483648.* is not a number from 0 on" },
    { "a mark below 0", function() tun.udp { bind = "0.0.0.0:0", mark = -1 } end,
      "mark: %-1 is not a number from 0 on" },
    { "gso of 1", function() tun.udp { bind = "0.0.0.0:0", gso = 1 } end,
      "gso: 1 is not true or false" },
    { "dev of a number", function() tun.udp { bind = "0.0.0.0:0", dev = 1 } end,
      "dev: 1 is not the name of a link or false" },
    { "dev of true", function() tun.udp { bind = "0.0.0.0:0", dev = true } end,
      "dev: a boolean is not the name of a link or false" },
    { "dev of a name with a zero", function() tun.udp { bind = "0.0.0.0:0", dev = "l\0o" } end,
      'dev: "l" is no name of a link' },
    { "dev of a long name", function() tun.udp { bind = "0.0.0.0:0", dev = ("x"):rep(16) } end,
      'dev: "x+" is no name of a link' },
    { "get of an unknown option", function() client:get "port" end, 'no option "port"; there are' },
    { "set of an unknown option", function() client:set { port = 1 } end, 'no option "port"' },
    { "write of a number", function() client:write(1) end, "packet: 1 is not a string" },
    { "send of nothing", function() client:send() end, "packet: nil is not a string" },
    { "a peer that is a number", function() client:write("x", 5000) end,
      "peer: 5000 is not an address and a port" },
    { "a peer that is a name", function() client:send("x", "host:1") end, 'peer: "host:1" is not' },
    { "read of a string", function() client:read "1" end, 'timeout: "1" is not a number' },
    { "connect to a name", function() client:connect "host:1" end, 'connect: "host:1" is not' },
    { "no socket", function() client.read {} end, "called on a table" },
    { "a device's method", function() client.read(tun.batch()) end, "called on a userdata" },
    { "address of a closed one", function() client:close() client:address() end,
      "UDP socket is closed" },
  }
  for _, row in ipairs(mistakes) do
    it("raises for " .. row[1], function()
      pair(here)
      raises(row[3], row[2])
    end)
  end

  -- What every option can be, and is before.
  local options = {
    { "dev", "lo", nil }, { "reuse_port", true, false }, { "reuse_addr", true, false },
    { "broadcast", true, false }, { "mark", 7, 0 }, { "priority", 5, 0 }, { "tos", 16, 0 },
    { "ttl", 3, 64 }, { "df", true, false }, { "df", false, false },
    { "freebind", true, false },
    { "transparent", true, false }, { "gro", false, true }, { "gso", false, true },
    { "rcvbuf", 20000 }, { "sndbuf", 20000 },
  }
  for _, address in ipairs { here, six } do
    for _, row in ipairs(options) do
      local name, value, before = row[1], row[2], row[3]
      it(("%s can be set on %s"):format(name, address), function()
        local socket = open { bind = address .. ":0" }
        if not name:find "buf" then
          assert.equal(before, socket:get(name))
        end
        assert.is_true(socket:set { [name] = value })
        assert.equal(name:find "buf" and 2 * value or value, socket:get(name))
        assert.equal(socket:get(name), open { bind = address .. ":0", [name] = value }:get(name))
      end)
    end
  end

  it("is of any link again", function()
    local socket = open { bind = "127.0.0.1:0", dev = "lo" }
    assert.is_true(socket:set { dev = false })
    assert.is_nil(socket:get "dev")
  end)

  it("sets all options or none", function()
    local socket = open { bind = "127.0.0.1:0", ttl = 9 }
    is("udp: v6only: only an IPv6 socket has it", errno.EOPNOTSUPP,
      socket:set { ttl = 5, tos = 8, v6only = true })
    assert.equal(9, socket:get "ttl")
    assert.equal(0, socket:get "tos")
  end)

  it("sets none when a value is raised, also of those that change others", function()
    local socket = open { bind = "127.0.0.1:0" }
    local size = socket:get "rcvbuf"
    raises('ttl: "x" is not', function()
      socket:set { rcvbuf = 20000, tos = 16, priority = 2, ttl = "x" }
    end)
    assert.same({ size, 0, 0 },
      { socket:get "rcvbuf", socket:get "tos", socket:get "priority" })
    assert.is_true(socket:set { tos = 16, priority = 2 })
    assert.equal(2, socket:get "priority")
  end)

  it("shares a port where all sockets want it", function()
    local first = open { bind = "127.0.0.1:6000", reuse_port = true }
    local second = open { bind = "127.0.0.1:6000", reuse_port = true }
    assert.equal(first:address(), second:address())
  end)

  -- -- One datagram -----------------------------------------------------------

  for _, address in ipairs { here, six } do
    describe("of " .. address .. " carries one datagram:", function()
      before_each(function() pair(address) end)

      it("there and back", function()
        assert.is_true(client:write "ping")
        local bytes, peer = server:read()
        assert.equal("ping", bytes)
        assert.equal(client:address(), peer)
        assert.equal(4, server:send("pong", peer))
        bytes, peer = client:receive()
        assert.equal("pong", bytes)
        assert.equal(server:address(), peer)
      end)

      for _, size in ipairs { 0, 1, 1472, 1473, 65507 } do
        it(size .. " bytes of it", function()
          assert.is_true(client:write(("x"):rep(size)))
          assert.equal(("x"):rep(size), (server:read(1)))
        end)
      end

      it("none of 65528 bytes", function()
        is("udp " .. client:address() .. ": Message too long", errno.EMSGSIZE,
          client:write(("x"):rep(65528)))
      end)

      it("none that nobody is to get", function()
        is("udp " .. server:address() .. ": Destination address required", errno.EDESTADDRREQ,
          server:write "x")
      end)

      it("a packet as its bytes", function()
        local p = packet.ip4 { dst = "10.0.0.2" } / packet.udp { dport = 5 } / "payload"
        assert.is_true(client:write(p))
        assert.equal(p:bytes(), (server:read(1)))
        assert.equal(#p:bytes(), client:send(p))
        assert.equal(p:bytes(), (server:read(1)))
      end)

      it("and no more than one of what the kernel gave in one piece", function()
        local sent = numbered(10, 100)
        assert.equal(10, client:send(batch_of(sent)))
        for i = 1, 10 do
          local bytes, peer = server:read(1)
          assert.equal(sent[i], bytes)
          assert.equal(client:address(), peer)
        end
        is("timeout", errno.EAGAIN, server:read(0))
      end)

      it("or waits for it", function()
        local cpu = os.clock()
        is("timeout", errno.EAGAIN, server:read(0.03))
        server:settimeout(0.03)
        is("timeout", errno.EAGAIN, server:receive())
        is("timeout", errno.EAGAIN, server:receivefrom(100))
        is("timeout", errno.EAGAIN, server:receive(assert(tun.batch())))
        is("timeout", errno.EAGAIN, server:receive(assert(tun.batch()), 0.03))
        assert.is_true(os.clock() - cpu < 0.1)
      end)
    end)
  end

  it("iterates until it is closed, whatever became of what it sent", function()
    pair(here)
    local nobody = open { bind = "127.0.0.1:0" }
    local port = nobody:address()
    nobody:close()
    assert(client:connect(port))
    assert(client:write "to nobody")
    local waiting = open { bind = "127.0.0.1:0" }
    assert(waiting:connect(client:address()))
    assert(client:connect(waiting:address()))
    assert(waiting:write "a")
    assert(waiting:write "b")
    local got = {}
    for bytes, peer in client:each() do
      got[#got + 1] = bytes
      assert.equal(waiting:address(), peer)
      if bytes == "b" then
        client:close()
      end
    end
    assert.same({ "a", "b" }, got)
  end)

  -- -- Batches ----------------------------------------------------------------

  for _, address in ipairs { here, six } do
    describe("of " .. address .. " carries a batch:", function()
      it("50 datagrams by one system call each way", function()
        pair(address)
        local sent = numbered(46, 1400)
        sent[46] = sent[46]:sub(1, 100)
        local batch = batch_of(sent)
        local given, taken = counts()
        assert.equal(46, client:send(batch))
        assert.equal(0, #batch)
        local got = assert(tun.batch())
        assert.equal(46, server:receive(got, 1))
        local given_now, taken_now = counts()
        assert.equal(1, given_now - given)
        assert.equal(1, taken_now - taken)
        local list, peers = content(got)
        assert.same(sent, list)
        assert.equal(client:address(), peers[1])
        assert.equal(client:address(), peers[46])
      end)

      -- Slots, and how many datagrams of which size come to them.
      for _, row in ipairs { { 1, 46, 1400 }, { 2, 64, 10 }, { 7, 300, 200 }, { 45, 450, 1400 },
                             { 64, 1000, 60 }, { 200, 1000, 1000 }, { 1000, 3000, 20 } } do
        for _, size in ipairs { 65557, 2000 } do
          it(("%d datagrams of %d bytes, to %d slots of %d"):format(
            row[2], row[3], row[1], size), function()
            pair(address)
            local sent = numbered(row[2], row[3])
            assert.equal(#sent, client:send(batch_of(sent, { slots = #sent, size = 2000 })))
            assert.same(sent, collect(server, #sent, { slots = row[1], size = size }))
          end)
        end
      end

      for _, row in ipairs { { false, true }, { true, false }, { false, false } } do
        it(("with gso = %s, gro = %s"):format(tostring(row[1]), tostring(row[2])), function()
          pair(address, { gso = row[1], gro = row[2] })
          assert.equal(row[1], client:get "gso")
          assert.equal(row[2], server:get "gro")
          local sent = numbered(300, 700)
          local given, taken = counts()
          assert.equal(300, client:send(batch_of(sent)))
          assert.same(sent, collect(server, 300))
          local given_now, taken_now = counts()
          assert.equal(row[1] and row[2] and 5 or 300, given_now - given)
          assert.equal(row[1] and 5 or 300, taken_now - taken)
        end)
      end

      it("of all sizes, in order", function()
        pair(address)
        math.randomseed(5)
        local sizes, sent = { 1, 40, 52, 52, 52, 1400, 1400, 1400, 9000, 60000 }, {}
        for i = 1, 400 do
          local size = sizes[math.random(#sizes)] + (math.random(8) == 1 and 1 or 0)
          sent[i] = (string.char(i % 256)):rep(size)
        end
        local got, batch = {}, assert(tun.batch { slots = 13 })
        for first = 1, #sent, 40 do
          local some = {}
          for i = first, first + 39 do
            some[#some + 1] = sent[i]
          end
          assert.equal(40, client:send(batch_of(some)))
          while #got < first + 39 do
            assert(server:receive(batch, 1))
            for _, bytes in ipairs(content(batch)) do
              got[#got + 1] = bytes
            end
            batch:clear()
          end
        end
        assert.is_true(table.concat(sent, ";") == table.concat(got, ";"))
      end)

      it("while more comes than can be held back", function()
        pair(address)
        local sent = numbered(46, 1400)
        assert.equal(46, client:send(batch_of(sent)))
        for size = 1, 200 do
          sent[#sent + 1] = ("x"):rep(size)
          assert(client:write(sent[#sent]))
        end
        assert.same(sent, collect(server, #sent, { slots = 40 }))
      end)

      it("with empty datagrams among others", function()
        pair(address)
        local sent = { "", "a", "", "", "bb", "cc", "" }
        assert.equal(7, client:send(batch_of(sent)))
        assert.same(sent, collect(server, 7, { slots = 2 }))
      end)

      it("to each packet's own peer", function()
        pair(address)
        local other = open { bind = address .. ":0", connect = address .. ":5000" }
        for i = 1, 9 do
          assert((i % 3 == 0 and other or client):write("to" .. i))
        end
        local batch = assert(tun.batch())
        repeat
          assert(server:receive(batch, 1))
        until #batch == 9
        assert.equal(9, server:send(batch))
        assert.same({ "to1", "to2", "to4", "to5", "to7", "to8" }, collect(client, 6))
        assert.same({ "to3", "to6", "to9" }, collect(other, 3))
      end)

      it("to the peer that a packet is given", function()
        pair(address)
        local other = open { bind = address .. ":0" }
        assert(client:write "a")
        assert(client:write "b")
        local batch = assert(tun.batch())
        repeat
          assert(server:receive(batch, 1))
        until #batch == 2
        for p in batch:packets() do
          assert.equal(client:address(), p.peer)
        end
        batch:packet(2).peer = other:address()
        assert.equal(other:address(), batch:packet(2).peer)
        assert.equal(2, server:send(batch))
        assert.same({ "a" }, collect(client, 1))
        assert.same({ "b" }, collect(other, 1))
      end)

      it("to one peer, whatever the packets' own", function()
        pair(address)
        local other = open { bind = address .. ":0" }
        assert(client:write "a")
        local batch = assert(tun.batch())
        assert.equal(1, server:receive(batch, 1))
        assert.equal(1, server:send(batch, other:address()))
        assert.same({ "a" }, collect(other, 1))
      end)

      it("without what was dropped", function()
        pair(address)
        local batch = batch_of { "a", "b", "c", "d" }
        batch:drop(1):drop(3)
        assert.equal(2, client:send(batch))
        assert.equal(0, #batch)
        assert.equal(4, batch:unused())
        assert.same({ "b", "d" }, collect(server, 2))
      end)
    end)
  end

  it("says that no slot is free", function()
    pair(here)
    assert(client:write "a")
    local batch = batch_of { "x" }
    assert.equal(errno.ENOBUFS, select(3, server:receive(batch, 1)))
    batch:clear()
    assert.equal(1, server:receive(batch, 1))
  end)

  for _, gro in ipairs { true, false } do
    it("tells what a slot has no room for, gro " .. tostring(gro), function()
      pair(here, { gro = gro })
      assert(client:write "fits")
      assert(client:write(("x"):rep(101)))
      assert(client:write "fits, too")
      local batch = assert(tun.batch { size = 100 })
      local told
      while #batch < 2 do
        local n, why, code = server:receive(batch, 1)
        if not n then
          told = why
          assert.equal(errno.EMSGSIZE, code)
        end
      end
      assert.same({ "fits", "fits, too" }, (content(batch)))
      if not told then
        told = select(2, server:receive(batch, 0))
      end
      assert.equal("udp 127.0.0.1:5000: Message too long", told)
      is("timeout", errno.EAGAIN, server:receive(batch, 0))
    end)
  end

  it("is there to read while it holds something back", function()
    pair(here)
    local socket = require "socket"
    assert.equal(3, client:send(batch_of { "1", "2", "3" }))
    local batch = assert(tun.batch { slots = 1 })
    for i = 1, 3 do
      assert.same({ server }, (tun.poll({ server, client }, 1)))
      assert.equal(server, socket.select({ server }, nil, 1)[1])
      assert.equal(i > 1, server:dirty())
      assert.equal(i > 1 and 0 or nil, server:timeout())
      assert.equal(1, server:receive(batch, 0))
      batch:clear()
    end
    is("timeout", errno.EAGAIN, tun.poll({ server }, 0))
    assert.is_false(server:dirty())
    local ready, events = tun.poll({ { server, "rw" } }, 0)
    assert.same({ { server }, { "w" } }, { ready, events })
  end)

  -- -- What goes wrong --------------------------------------------------------

  describe("and a path of 1500 bytes", function()
    setup(function() process.must "ip link set lo mtu 1500" end)
    teardown(function() process.must "ip link set lo mtu 65536" end)

    for _, address in ipairs { here, six } do
      it("sends longer ones of " .. address .. " one by one", function()
        pair(address)
        local sent = numbered(20, 3000)
        for i = 21, 40 do
          sent[i] = ("%d"):format(i):rep(50)
        end
        local _, before = counts()
        assert.equal(40, client:send(batch_of(sent)))
        local _, after = counts()
        assert.equal(21, after - before)
        assert.same(sent, collect(server, 40))
        assert.is_true(client:get "gso")
      end)

      it("tells of those of " .. address .. " that may not be cut, and sends the rest", function()
        pair(address, { df = true })
        local sent = { "a", ("x"):rep(3000), "b", ("y"):rep(3000), ("z"):rep(3000), "c" }
        local batch = batch_of(sent)
        local n, why, code = client:send(batch)
        assert.equal(3, n)
        assert.equal("udp " .. client:address() .. ": Message too long", why)
        assert.equal(errno.EMSGSIZE, code)
        assert.equal(0, #batch)
        assert.same({ "a", "b", "c" }, collect(server, 3))
      end)
    end
  end)

  for _, address in ipairs { here, six } do
    it("tells at " .. address .. " that nobody is there, and loses nothing by it", function()
      pair(address)
      local port = server:address()
      server:close()
      assert.is_true(client:write "nobody gets this")
      is("udp " .. client:address() .. ": Connection refused", errno.ECONNREFUSED, client:read(1))
      assert.is_true(client:write "nor this")
      assert(tun.poll({ client }, 1))
      is("udp " .. client:address() .. ": Connection refused", errno.ECONNREFUSED,
        client:write "nor this")
      assert.is_true(client:write "nor this")
      assert(tun.poll({ client }, 1))
      server = open { bind = port }
      local batch = batch_of(numbered(100, 300))
      local n, why, code = client:send(batch)
      assert.equal(100, n)
      assert.equal("udp " .. client:address() .. ": Connection refused", why)
      assert.equal(errno.ECONNREFUSED, code)
      assert.same(numbered(100, 300), collect(server, 100))
    end)

    it("tells at " .. address .. " that nobody is there for some of a batch", function()
      pair(address)
      server:close()
      local n, _, code = client:send(batch_of { "a", "bb", "ccc" })
      assert.equal(3, n)
      if not code then
        _, _, code = client:read(1)
      end
      assert.equal(errno.ECONNREFUSED, code)
      server = open { bind = address .. ":0" }
      client:send(batch_of { "a", "bb", "ccc" }, server:address())
      assert.same({ "a", "bb", "ccc" }, collect(server, 3))
    end)
  end

  it("tells of packets without a peer, and sends the rest", function()
    pair(here)
    local batch = assert(tun.batch())
    assert(client:write "a")
    assert.equal(1, server:receive(batch, 1))
    assert(batch:add "to nobody")
    local n, why, code = server:send(batch)
    assert.equal(1, n)
    assert.equal("udp 127.0.0.1:5000: Destination address required", why)
    assert.equal(errno.EDESTADDRREQ, code)
    assert.equal(0, #batch)
    n, why, code = server:send(batch_of { "to nobody" })
    assert.same({ 0, "udp 127.0.0.1:5000: Destination address required", errno.EDESTADDRREQ },
      { n, why, code })
  end)

  it("is closed for good", function()
    pair(here)
    assert.is_true(client:close())
    assert.equal("closed UDP socket", tostring(client))
    is("closed", errno.EBADF, client:read())
    is("closed", errno.EBADF, client:receive())
    is("closed", errno.EBADF, client:write "x")
    is("closed", errno.EBADF, client:send "x")
    local batch = batch_of({ "x" }, { slots = 2 })
    is("closed", errno.EBADF, client:receive(batch))
    is("closed", errno.EBADF, client:send(batch))
    assert.equal(1, #batch)
    for _ in client:each() do
      error "there was nothing"
    end
  end)

  it("leaves no descriptor behind", function()
    local before = process.descriptors()
    for _ = 1, 50 do
      assert(tun.udp { bind = "127.0.0.1:0" })
    end
    assert.equal(before, process.descriptors())
  end)

  for _, wait in ipairs { "read()", "receive()", "receive(tun.batch())" } do
    it("lets Ctrl-C end a script that waits in " .. wait, function()
      local flag = os.tmpname()
      local script = process.script(([[
        local tun = require "tun"
        assert(tun.sandbox())
        local socket = assert(tun.udp { bind = "127.0.0.1:0" })
        os.remove(%q)
        while true do socket:%s end]]):format(flag, wait))
      local output, status = process.run(([[timeout -s KILL 10 sh <<'END'
        %s &
        while test -e %s && kill -0 $!; do :; done
        until grep -q poll /proc/$!/wchan; do :; done
        kill -INT $!
        wait $!
END]]):format(script, flag))
      assert.is_truthy(output:find("interrupted!", 1, true), output)
      assert.equal(1, status)
    end)
  end

  -- -- Beside devices -----------------------------------------------------------

  describe("and a link that does not take packets yet", function()
    local tap, socket

    -- Nobody answers for 10.9.0.2, so that the kernel keeps what is sent there, and counts
    -- it as on its way.
    before_each(function()
      tap = assert(tun.open { name = "t0", mode = "tap", address = "10.9.0.1/24", mtu = 1500 })
      process.sysctl("net/ipv6/conf/t0/disable_ipv6", 1)
      socket = open { bind = "10.9.0.1:0", connect = "10.9.0.2:5000", sndbuf = 20000 }
    end)
    after_each(function() tap:close() end)

    -- Let the kernel send, and tell what arrived.
    local function arrived(batch)
      local got = {}
      process.must "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev t0"
      repeat
        local frame = tap:read(0)
        while frame do
          local p = packet.parse(frame, "eth")
          got[#got + 1] = p.udp and p.payload or nil
          frame = tap:read(0)
        end
        local left = #batch > 0 and socket:send(batch)
      until not left
      return got
    end

    it("keeps what it could not send, and sends nothing twice", function()
      local sent = {}
      for i = 1, 400 do
        sent[i] = ("%d;"):format(i):rep(i % 3 + 100)
      end
      local batch = batch_of(sent)
      local n, why, code = socket:send(batch)
      assert.equal("timeout", why)
      assert.equal(errno.EAGAIN, code)
      assert.is_true(n > 0 and n < 400)
      assert.equal(400 - n, #batch)
      is("timeout", errno.EAGAIN, socket:send(batch))
      assert.same(sent, arrived(batch))
    end)

    it("keeps the rest of a super-packet", function()
      local dev = assert(tun.open { name = "t1", address = "10.8.0.1/24", offload = true })
      closing[#closing + 1] = dev
      process.sysctl("net/ipv6/conf/t1/disable_ipv6", 1)
      local batch = assert(tun.batch())
      local source = open { connect = "10.8.0.2:7" }
      assert.equal(40, source:send(batch_of(numbered(40, 1300))))
      repeat
        assert(dev:receive(batch, 1))
        for p in batch:packets() do
          if not (p.udp and p.udp.dport == 7) then p:drop() end
        end
      until #batch == 1
      assert(socket:set { gso = false }) -- each segment goes alone
      local n, why = socket:send(batch)
      assert.is_nil(n)
      assert.equal("timeout", why)
      assert.equal(1, #batch)
      local got, payloads = arrived(batch), {}
      for i, bytes in ipairs(got) do
        local p = packet.parse(bytes, "ip")
        assert.is_true(p:verify())
        payloads[i] = p.payload
      end
      assert.same(numbered(40, 1300), payloads)
    end)
  end)

  describe("sends what a device with offload gave:", function()
    for _, family in ipairs { { "10.8.0.1/24", "10.8.0.2:7" }, { "fd08::1/64", "[fd08::2]:7" } } do
      for _, address in ipairs { here, six } do
        it(("super-packets to %s over %s"):format(family[2], address), function()
          pair(address)
          local dev = assert(tun.open { name = "t1", address = family[1], offload = true })
          closing[#closing + 1] = dev
          local source = open { connect = family[2] }
          local sent = numbered(45, 1300)
          sent[45] = "the last"
          assert.equal(45, source:send(batch_of(sent)))
          assert(source:write "one more, with a partial checksum")
          sent[46] = "one more, with a partial checksum"
          local batch, count = assert(tun.batch()), 0
          repeat
            assert(tun.poll({ dev, server }, 5))
            if dev:receive(batch, 0) then
              local n = #batch
              assert.equal(n, client:send(batch))
            end
            for bytes in next_bytes, server do
              local p = packet.parse(bytes, "ip")
              if p.udp and p.udp.dport == 7 then
                count = count + 1
                assert.is_true(p:verify())
                assert.equal(sent[count], p.payload)
              end
            end
          until count == 46
        end)
      end
    end
  end)
end)
