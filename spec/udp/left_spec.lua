-- Batches of which a UDP socket leaves some out, or which it sends in parts: super-packets
-- whose header does not fit, packets without a peer or outside of the memory, more pieces than
-- go by one system call.
local arrival = dofile "spec/udp/arrival.lua"
local coalesce = dofile "spec/batch/coalesce.lua"
local core = require "tun.core"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local spec = require "tun.spec"
local tun = require "tun"
local with = dofile "spec/failing.lua"

local header = coalesce.header
local TCP4, UDP_L4 = 1, 5 -- linux/virtio_net.h
local SENT, AT = 38, 24 -- in struct slot

-- A super-packet of n segments of `each` bytes, and its virtio-net header.
local function super(n, each)
  local ip = packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 7 }
  local tcp = packet.tcp { sport = 1, dport = 2, seq = 8, has_ack = true }
  local bytes = {}
  for i = 1, n do
    bytes[i] = ("%d;"):format(i):rep(each):sub(1, each)
  end
  return (ip / tcp / table.concat(bytes)):bytes(), header { gso_type = TCP4, gso_size = each }
end

describe("a UDP socket and a batch:", function()
  local server, client

  setup(function() assert(tun.sandbox()) end)
  before_each(function()
    server = assert(tun.udp { bind = "127.0.0.1:0", rcvbuf = 4000000 })
    client = assert(tun.udp { bind = "127.0.0.1:0", connect = server:address() })
  end)
  after_each(function()
    server:close()
    client:close()
  end)

  -- That these come, and nothing else.
  local function arrives(wanted, socket)
    assert.same(wanted, arrival.read(socket or server, #wanted))
  end

  -- What a batch of packets, each with its virtio-net header or none, comes to.
  local function sends(list, options)
    options = options or {}
    options.slots = #list
    local batch = assert(tun.batch(options))
    for _, each in ipairs(list) do
      assert(batch:append(each[1], each[2]))
    end
    local n, why, code = client:send(batch)
    assert.equal(0, #batch)
    return n, why, core.errno[code]
  end

  -- -- What is left out -------------------------------------------------------

  local bytes, vnet = super(3, 100)
  local unfit = {
    { "a super-packet without a size of segments", bytes, header { gso_type = TCP4 } },
    { "one of a kind that there is not", bytes, header { gso_type = 7, gso_size = 100 } },
    { "one of another protocol", bytes, header { gso_type = UDP_L4, gso_size = 100 } },
    { "one that is cut", bytes:sub(1, -2), vnet },
    { "one that has no header", bytes:sub(1, 30), vnet },
    { "a checksum behind the end", bytes, header { flags = 1, csum_start = 400 } },
  }
  for _, row in ipairs(unfit) do
    it("leaves out " .. row[1], function()
      assert.same({ 2, ("udp %s: Invalid argument"):format(client:address()), "EINVAL" },
        { sends { { "before" }, { row[2], row[3] }, { "behind" } } })
      arrives({ "before", "behind" })
    end)
  end

  it("leaves out what lies outside of the memory", function()
    local batch = assert(tun.batch())
    for _, text in ipairs { "before", "outside", "behind" } do
      assert(batch:add(text))
    end
    batch:arena():write(batch:slot(2) + AT, "\255\255\255\255")
    local n, why, code = client:send(batch)
    assert.same({ 2, ("udp %s: Invalid argument"):format(client:address()), core.errno.EINVAL },
      { n, why, code })
    arrives({ "before", "behind" })
    assert.equal(batch:clear():unused(), 64)
  end)

  -- A tag is not counted in what a packet may have.
  it("leaves out a segment longer than all room for such", function()
    local tagged = ("\2"):rep(12) .. ("\129\0\0\1"):rep(70000) .. "\8\0"
    assert.same({ 1, ("udp %s: Message too long"):format(client:address()), "EMSGSIZE" },
      { sends({ { tagged .. bytes, vnet }, { "behind" } }, { size = 300000, mode = "tap" }) })
    arrives({ "behind" })
  end)

  it("leaves out those that have no peer, among such that have", function()
    local other = assert(tun.udp { bind = "127.0.0.1:0" })
    local second = assert(tun.udp { bind = "127.0.0.1:0" })
    local batch = assert(tun.batch())
    for i, peer in ipairs { server, server, false, second, server } do
      assert(batch:add("to " .. i))
      batch:packet(i).peer = peer and peer:address() or nil
    end
    local n, why, code = other:send(batch)
    assert.same({ 4, ("udp %s: Destination address required"):format(other:address()),
      core.errno.EDESTADDRREQ }, { n, why, code })
    arrives({ "to 1", "to 2", "to 5" })
    arrives({ "to 4" }, second)
    other:close()
    second:close()
  end)

  -- Peers that differ in their family, address or port alone: nothing is joined.
  it("goes to each of several peers", function()
    process.must "ip addr add fd00::1/128 dev lo nodad"
    local sockets, batch = {}, assert(tun.batch())
    local sender = assert(tun.udp { bind = "[::]:0" })
    for i, address in ipairs { "127.0.0.1:7000", "127.0.0.2:7000", "127.0.0.2:7001",
                               "[::1]:7001", "[fd00::1]:7001", "[fd00::1]:7002" } do
      sockets[i] = assert(tun.udp { bind = address })
      for n = 2 * i - 1, 2 * i do
        assert(batch:add(("to %02d"):format(n)))
        batch:packet(n).peer = address
      end
    end
    assert.equal(12, sender:send(batch))
    for i, socket in ipairs(sockets) do
      arrives({ ("to %02d"):format(2 * i - 1), ("to %02d"):format(2 * i) }, socket)
      socket:close()
    end
    sender:close()
  end)

  it("leaves out all that go as one message to nobody, one by one", function()
    local batch = assert(tun.batch())
    for i = 1, 4 do
      assert(batch:add("no peer " .. i))
    end
    batch:drop(1):drop(3)
    local n, why, code = server:send(batch)
    assert.same({ 0, ("udp %s: Destination address required"):format(server:address()),
      core.errno.EDESTADDRREQ }, { n, why, code })
    assert.equal(0, #batch)
    assert.equal(64, batch:unused())
  end)

  it("leaves out a super-packet that nobody is to get", function()
    local batch = assert(tun.batch())
    assert(batch:append(bytes, vnet))
    local n, _, code = server:send(batch)
    assert.same({ 0, core.errno.EDESTADDRREQ }, { n, code })
    assert.equal(0, #batch)
  end)

  -- -- What goes in parts -----------------------------------------------------

  it("goes in order where pieces end in the middle of a message", function()
    local list, wanted = { { "one" } }, { "one" }
    for i = 2, 1200 do
      wanted[i] = ("%4d"):format(i):rep(5)
      list[i] = { wanted[i] }
    end
    assert.equal(1200, (sends(list)))
    arrives(wanted)
  end)

  -- Segments of how many bytes, and how many: of one message, of several, of more bytes than
  -- are split at once.
  for _, row in ipairs { { 1300, 40 }, { 500, 120 }, { 20, 3000 }, { 20000, 3 } } do
    it(("sends %d segments of %d bytes, beside others"):format(row[2], row[1]), function()
      local big, gso = super(row[2], row[1])
      local wanted = { "before" }
      for _ = 1, 5 do
        for _, part in ipairs(spec.split(big, gso)) do
          wanted[#wanted + 1] = part
        end
      end
      wanted[#wanted + 1] = "behind"
      assert.equal(7, (sends { { "before" }, { big, gso }, { big, gso }, { big, gso },
                               { big, gso }, { big, gso }, { "behind" } }))
      arrives(wanted)
    end)
  end

  -- 120 segments are two messages, of which the first fails.
  for _, code in ipairs { "EINVAL", "EIO", "EMSGSIZE" } do
    it("sends each segment alone after " .. code, function()
      local big, gso = super(120, 500)
      assert.equal(2, (with("sendmmsg", 1, code, function()
        return (sends { { big, gso }, { "behind" } })
      end)))
      local wanted = spec.split(big, gso)
      wanted[#wanted + 1] = "behind"
      arrives(wanted)
    end)
  end

  it("begins anew with a super-packet that has less segments than were sent", function()
    local batch = assert(tun.batch())
    assert(batch:append(bytes, vnet))
    batch:arena():write(batch:slot(1) + SENT, core.little_endian and "\3\0" or "\0\3")
    assert.equal(1, client:send(batch))
    arrives(spec.split(bytes, vnet))
  end)

  it("goes on with a super-packet behind what was sent", function()
    local batch = assert(tun.batch())
    assert(batch:append(bytes, vnet))
    batch:arena():write(batch:slot(1) + SENT, core.little_endian and "\2\0" or "\0\2")
    assert.equal(1, client:send(batch))
    arrives({ spec.split(bytes, vnet)[3] })
  end)

  -- -- What comes -------------------------------------------------------------

  it("receives into fewer slots than one piece had lately", function()
    local batch, few = assert(tun.batch { slots = 100 }), assert(tun.batch { slots = 10 })
    for _, n in ipairs { 40, 10 } do
      local into = n == 40 and batch or few
      for i = 1, n do
        assert(batch:add(("%3d"):format(i)))
      end
      assert.equal(n, client:send(batch))
      assert.equal(n, server:receive(into, 1))
      assert.equal((" %d"):format(n), into:packet(n):bytes())
      into:clear()
    end
  end)

  it("tells who sent a datagram, of several by turns", function()
    local other = assert(tun.udp { bind = "127.0.0.1:0", connect = server:address() })
    for i, socket in ipairs { client, other, other, client } do
      assert(socket:write("from " .. i))
    end
    for i, socket in ipairs { client, other, other, client } do
      assert.same({ "from " .. i, socket:address() }, { server:read(2) })
    end
    other:close()
  end)

  it("tells read() of a datagram that a batch had no room for", function()
    assert(server:set { gro = false })
    local batch = assert(tun.batch { size = 100 })
    assert(client:write "fits")
    assert(client:write(("x"):rep(101)))
    arrival.settle()
    assert.equal(1, server:receive(batch, 1))
    assert.is_true(server:dirty())
    local got, why, code = server:read(0)
    assert.same({ nil, ("udp %s: Message too long"):format(server:address()),
      core.errno.EMSGSIZE }, { got, why, code })
    assert.is_false(server:dirty())
  end)
end)
