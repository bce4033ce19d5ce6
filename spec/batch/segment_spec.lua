-- Splitting what the kernel sends: its super-packets are read from a device with offload,
-- split, and written to a plain one in another namespace, where a socket gets the bytes.
local core = require "tun.core"
local spec = require "tun.spec"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local socket = require "socket"
local tun = require "tun"

-- linux/virtio_net.h
local TCP4, TCP6, UDP, IN4, IN6, ECN = 1, 4, 5, 0x20, 0x40, 0x80
local VNET = 24

-- Sends datagrams for every line of its input: where to, of which size, and how many
-- bytes in all, of which the kernel makes the datagrams (udp(7), UDP_SEGMENT).
local SENDER = [[
import socket, sys
data = bytes(i * i % 251 for i in range(65536))
for line in sys.stdin:
    to, port, size, total = line.split()
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(17, 103, int(size))
        s.sendto(data[:int(total)], (to, int(port)))
]]

-- The same bytes.
local DATA = {}
for i = 0, 65535 do
  DATA[i + 1] = string.char(i * i % 251)
end
DATA = table.concat(DATA)

-- What one end has beside its device d0. The tunnel over IPv4 has no checksum of its own.
local END = [[
ip addr add fd00:1::$me/64 dev d0 nodad
ip link add v4 address 02:00:00:00:00:0$me type vxlan id 4 dev d0 dstport 4789 noudpcsum \
  local 10.1.0.$me remote 10.1.0.$you
ip link add v6 address 02:00:00:00:00:0$me type vxlan id 6 dev d0 dstport 4789 \
  local fd00:1::$me remote fd00:1::$you
for tunnel in 4 6; do
  ip link set v$tunnel up mtu $((1450 - 20 * ($tunnel == 6)))
  ip addr add 10.$tunnel.0.$me/24 dev v$tunnel
  ip addr add fd00:$tunnel::$me/64 dev v$tunnel nodad
  ip neigh add 10.$tunnel.0.$you lladdr 02:00:00:00:00:0$you dev v$tunnel
  ip neigh add fd00:$tunnel::$you lladdr 02:00:00:00:00:0$you dev v$tunnel
done
]]

-- Ways to the other end: its address, the most bytes of a datagram, the kind of tunnel.
local WAYS = {
  { "IPv4", "10.1.0.2", 1500 - 28, 0 },
  { "IPv6", "fd00:1::2", 1500 - 48, 0 },
  { "IPv4 in VXLAN over IPv4", "10.4.0.2", 1450 - 28, IN4 },
  { "IPv6 in VXLAN over IPv4", "fd00:4::2", 1450 - 48, IN4 },
  { "IPv4 in VXLAN over IPv6", "10.6.0.2", 1430 - 28, IN6 },
  { "IPv6 in VXLAN over IPv6", "fd00:6::2", 1430 - 48, IN6 },
}

describe("the kernel's super-packets", function()
  local a, b, sender
  local clients, udp = {}, {}

  -- An end of the way in a namespace of its own, where this process stays.
  local function open(me, options)
    assert(tun.sandbox())
    options.name, options.address = "d0", ("10.1.0.%d/24"):format(me)
    local dev = assert(tun.open(options))
    process.must((END:gsub("%$(%l+)", { me = me, you = 3 - me })))
    local ecn = assert(io.open("/proc/sys/net/ipv4/tcp_ecn", "w"))
    ecn:write "1\n"
    ecn:close()
    return dev
  end

  setup(function()
    a = open(1, { offload = true, vnet_hdr_size = VNET })
    sender = assert(io.popen(("python3 -c '%s'"):format(SENDER), "w"))
    for i = 1, 20 do
      clients[i] = { assert(socket.tcp4()), assert(socket.tcp6()) }
    end
    b = open(2, {})
    for i, make in ipairs { socket.udp4, socket.udp6 } do
      udp[i] = assert(make())
      assert(udp[i]:setsockname("*", 7000))
      udp[i]:settimeout(2)
    end
  end)

  teardown(function()
    sender:close()
    for i = 1, 2 do
      udp[i]:close()
      for _, each in ipairs(clients) do
        each[i]:close()
      end
    end
    a:close()
    b:close()
  end)

  -- -- Ways to carry packets over -----------------------------------------------

  -- What a packet's virtio-net header says.
  local function kind(bytes)
    return bytes:byte(2)
  end

  local function right(bytes)
    local p = packet.parse(bytes, "ip")
    assert.is_nil(p.error)
    assert.is_true(p:verify())
    assert.is_true(not p.inner or p.inner:verify())
    return p
  end

  -- Write the packets that one stands for. Returns what it was, and them.
  local function carry(bytes, mtu)
    local parts = assert(spec.split(bytes:sub(VNET + 1), bytes:sub(1, VNET), mtu))
    for _, part in ipairs(parts) do
      local p = right(part)
      assert.is_true(#part <= 1500)
      assert.is_true(not mtu or #part <= mtu or kind(bytes) == 0 and p.inner ~= nil)
      assert(b:write(part))
    end
    return kind(bytes), parts
  end

  -- -- UDP -----------------------------------------------------------------------

  -- Read until the packet has come that goes to a port, and carry over what comes.
  local function carry_datagrams(total, size)
    while true do
      local bytes = assert(a:read(2))
      local gso, parts = carry(bytes)
      local p = packet.parse(parts[1], "ip")
      p = p.inner or p
      if p.udp and p.udp.dport == 7000 then
        assert.equal(math.ceil(total / size), #parts)
        return gso
      end
    end
  end

  for _, way in ipairs(WAYS) do
    local name, address, most, tunnel = (unpack or table.unpack)(way)
    local sizes = { 1, 2, most - 1, most, most + 1, 2 * most - 1, 2 * most, 2 * most + 1,
                    3 * most + 7, 17 * most, 43 * most + 11, 44 * most }
    for _, total in ipairs(sizes) do
      it(("of UDP over %s, %d bytes, arrive"):format(name, total), function()
        local receiver = udp[address:find ":" and 2 or 1]
        sender:write(("%s 7000 %d %d\n"):format(address, most, total))
        sender:flush()
        local gso = carry_datagrams(total, most)
        assert.equal(total > most and UDP + tunnel or 0, gso)
        for at = 1, total, most do
          assert.equal(DATA:sub(at, math.min(at + most - 1, total)), (assert(receiver:receive())))
        end
      end)
    end
  end

  -- -- TCP -----------------------------------------------------------------------

  local empty = ("\0"):rep(VNET)

  -- Carry what is there in both directions: on(bytes) of every packet.
  local function pump(over)
    local any = over()
    while true do
      local bytes, _, code = b:read(0)
      if not bytes then
        assert.equal(core.errno.EAGAIN, code)
        return any
      end
      any = true
      assert(a:write(empty .. bytes))
    end
  end

  local port = 8000

  -- Connect through the devices; returns the other end.
  local function connect(client, address, over)
    local make = address:find ":" and socket.tcp6 or socket.tcp4
    local server = assert(make())
    port = port + 1
    assert(server:bind(address, port))
    assert(server:listen(1))
    server:settimeout(0)
    client:settimeout(0)
    client:connect(address, port)
    local accepted
    repeat
      pump(over)
      accepted = server:accept()
    until accepted or not tun.poll({ a, b }, 2)
    server:close()
    accepted:settimeout(0)
    return accepted
  end

  -- Send data from one end to the other.
  local function transfer(client, address, data, over)
    local server = assert(connect(client, address, over))
    local at, got, n = 1, {}, 0
    while n < #data do
      local last, _, partial = client:send(data, at)
      at = (last or partial or at - 1) + 1
      local any = pump(over)
      local whole, why, piece = server:receive(100000)
      piece = whole or piece
      assert.is_not.equal("closed", why)
      got[#got + 1], n = piece, n + #piece
      if not any and #piece == 0 then
        assert(tun.poll({ a, b }, 2))
      end
    end
    client:close()
    pump(over)
    server:close()
    pump(over)
    assert.is_true(table.concat(got) == data)
  end

  local function next_client(address)
    return table.remove(clients)[address:find ":" and 2 or 1]
  end

  -- Carry packets over one by one. see(gso, parts) is told of each; change(bytes) may
  -- give others.
  local function singly(mtu, see, change)
    return function()
      local any = false
      while true do
        local bytes, _, code = a:read(0)
        if not bytes then
          assert.equal(core.errno.EAGAIN, code)
          return any
        end
        any = true
        see(carry(change and change(bytes) or bytes, mtu))
      end
    end
  end

  local data = DATA:rep(8)
  local longest = 0 -- of all ways: with the sanitizers one connection may be paced
  local is_slow = (os.getenv "BUILD" or ""):find "asan"

  for _, way in ipairs(WAYS) do
    local name, address, _, tunnel = (unpack or table.unpack)(way)
    it("of TCP over " .. name .. " arrive", function()
      local most, supers = 0, 0
      transfer(next_client(address), address, data, singly(nil, function(gso, parts)
        if gso > 0 then
          assert.equal((address:find ":" and TCP6 or TCP4) + tunnel, gso)
          supers, most = supers + 1, math.max(most, #parts)
        end
      end))
      assert.is_true(supers > 3)
      assert.is_true(most > 10 or is_slow ~= nil)
      longest = math.max(longest, most)
    end)

    it("of TCP over " .. name .. " arrive through a batch", function()
      local batch, supers = assert(core.batch(96, core.packet_most, 128, "tun")), 0
      transfer(next_client(address), address, data, function()
        local n = a:receive(batch, 0)
        local m, why = batch:segment(tunnel == 0 and 1400 or nil)
        if n and m > n then
          supers = supers + 1
        end
        assert.is_true(not why or why:find "too few free slots" ~= nil)
        assert.equal(m, b:send(batch))
        return n and n > 0
      end)
      assert.equal(96, batch:unused())
      assert.is_true(supers > 3)
    end)

    it("of TCP over " .. name .. " arrive in smaller segments", function()
      local most = 0
      transfer(next_client(address), address, data, singly(700, function(_, parts)
        most = math.max(most, #parts[1])
      end))
      assert.is_true(most > 690)
    end)
  end

  it("are of more than ten segments", function()
    assert.is_true(longest > 10)
  end)

  it("of TCP with ECN arrive, and one segment of them tells of it", function()
    local client, marked, told = next_client "10.1.0.2", 0, 0
    transfer(client, "10.1.0.2", data:rep(4), singly(nil, function(gso, parts)
      if gso == TCP4 + ECN then
        told = told + 1
        for i, part in ipairs(parts) do
          assert.equal(i == 1, packet.parse(part, "ip").tcp.cwr)
        end
      end
    end, function(bytes)
      local tos = bytes:byte(VNET + 2)
      if kind(bytes) == 0 or tos % 4 ~= 2 or marked > 40 then
        return bytes
      end
      marked = marked + 1
      return bytes:sub(1, VNET + 1) .. string.char(tos + 1) .. bytes:sub(VNET + 3)
    end))
    assert.is_true(told > 0)
  end)
end)

-- -- Batches ---------------------------------------------------------------------

local function u16(value)
  local low = value % 256
  local high = (value - low) / 256
  return core.little_endian and string.char(low, high) or string.char(high, low)
end

-- A virtio-net header of 16-bit numbers behind the first two.
local function header(flags, gso_type, ...)
  local bytes = { string.char(flags, gso_type) }
  for i, value in ipairs { ... } do
    bytes[i + 1] = u16(value)
  end
  return table.concat(bytes)
end

local DONE = header(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

describe("batch:segment", function()
  -- A super-packet of n segments of 100 bytes; tag is in its addresses.
  local function super(n, tag)
    local ip = packet.ip4 { src = "10.0.0.1", dst = "10.0.0." .. (tag or 1), id = 7 }
    local tcp = packet.tcp { sport = 1, dport = 2, seq = 8, has_ack = true }
    return (ip / tcp / DATA:sub(1, 100 * n)):bytes(), header(0, TCP4, 0, 100)
  end

  -- A packet whose checksum the device completes.
  local function partial(text)
    local p = packet.virtio_net { needs_csum = true, csum_start = 20, csum_offset = 6 }
      / packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / packet.udp {} / text
    return p:bytes():sub(11), header(1, 0, 0, 0, 20, 6)
  end

  local function make(slots, mode)
    return assert(core.batch(slots, 3000, 64, mode or "tun"))
  end

  -- The bytes of the packets in a batch, and what is said of each.
  local function all(batch)
    local list, vnets, i = {}, {}, 1
    while batch:slot(i) do
      local meta, at, stop = batch:slot(i)
      list[i], vnets[i] = batch:arena():bytes(at, stop - at), batch:arena():bytes(meta, #DONE)
      i = i + 1
    end
    return list, vnets
  end

  -- What comes of a packet.
  local function append(list, bytes, vnet, mtu)
    for _, each in ipairs(spec.split(bytes, vnet, mtu) or { bytes }) do
      list[#list + 1] = each
    end
  end

  it("puts the packets where the super-packet was", function()
    local batch, wanted = make(64), {}
    for i, each in ipairs { { "plain" }, { super(3) }, { partial "odd" }, { super(1, 2) },
                            { super(20, 3) }, { "plain as well" } } do
      assert(batch:append(each[1], each[2]))
      append(wanted, each[1], each[2])
      assert.equal(i, batch:count())
    end
    assert.equal(27, batch:segment())
    local got, vnets = all(batch)
    assert.same(wanted, got)
    for i = 2, 26 do
      assert.equal(DONE, vnets[i])
    end
    assert.equal(27, batch:segment())
    assert.same(wanted, (all(batch)))
    assert.equal(64, batch:clear():unused())
  end)

  it("heeds an MTU", function()
    local batch, wanted = make(64), {}
    local bytes, vnet = super(10)
    assert(batch:append(bytes, vnet))
    append(wanted, bytes, vnet, 90)
    assert.equal(20, batch:segment(90))
    assert.same(wanted, (all(batch)))
    assert.equal(20, batch:segment(90))
    assert.equal(40, batch:segment(65)) -- of those that are right already
    for i, each in ipairs(all(batch)) do
      assert.is_true(packet.parse(each, "ip"):verify())
      assert.equal(25, #packet.parse(each, "ip").payload)
      assert.equal((i - 1) * 25 + 8, packet.parse(each, "ip").tcp.seq)
    end
    assert.error_matches(function() batch:segment(0) end, "mtu")
    assert.error_matches(function() batch:segment("x") end, "mtu")
  end)

  it("works behind an Ethernet header", function()
    local batch = make(8, "tap")
    local bytes, vnet = super(4)
    local front = ("\2"):rep(12) .. "\8\0"
    assert(batch:append(front .. bytes, vnet))
    assert.equal(4, batch:segment(500))
    assert.same(spec.split(front .. bytes, vnet, 500, true), (all(batch)))
  end)

  it("stops where slots do not suffice, and says so", function()
    local batch = make(8)
    local first, second, third = super(5, 1), super(6, 2), super(1, 3)
    local vnet = select(2, super(1))
    for _, each in ipairs { first, second, third } do
      assert(batch:append(each, vnet))
    end
    local n, why, code = batch:segment()
    assert.equal(7, n)
    assert.equal("batch: too few free slots to split all: No buffer space available", why)
    assert.equal("ENOBUFS", core.errno[code])
    local wanted = {}
    append(wanted, first, vnet)
    wanted[6], wanted[7] = second, third
    local got, vnets = all(batch)
    assert.same(wanted, got)
    assert.equal(vnet, vnets[6]:sub(1, #vnet))
    assert.equal(1, batch:unused())
    for i = 1, 5 do
      batch:drop(i)
    end
    assert.equal(7, batch:segment())
    wanted = { [7] = third }
    for i, each in ipairs(spec.split(second, vnet)) do
      wanted[i] = each
    end
    assert.same(wanted, (all(batch)))
  end)

  it("leaves what the header does not fit, and goes on", function()
    local batch, wanted = make(16), { (super(5)) }
    assert(batch:append(wanted[1], header(0, TCP4, 0, 0)))
    local bytes, vnet = super(3)
    assert(batch:append(bytes, vnet))
    append(wanted, bytes, vnet)
    assert.equal(4, batch:segment())
    assert.same(wanted, (all(batch)))
  end)

  it("goes on where sending stopped", function()
    local SENT = #DONE + 16 -- in struct slot
    for sent = 1, 5 do
      local batch = make(16)
      local bytes, vnet = super(5)
      assert(batch:append(bytes, vnet))
      batch:arena():write((batch:slot(1)) + SENT, u16(sent))
      local parts = spec.split(bytes, vnet)
      local wanted = {}
      for i = sent + 1, 5 do
        wanted[i - sent] = parts[i]
      end
      if sent == 5 then
        wanted = { bytes }
      end
      assert.equal(#wanted, batch:segment())
      assert.same(wanted, (all(batch)))
    end
  end)

  it("loses nothing, whatever the number of slots", function()
    math.randomseed(1)
    for _ = 1, 100 do
      local batch, out, wanted = make(math.random(1, 30)), {}, {}
      for _ = 1, 20 do
        local bytes, vnet = super(math.random(1, 12), math.random(1, 9))
        if math.random(1, 4) == 1 then
          bytes, vnet = partial(DATA:sub(1, math.random(1, 200)))
        end
        local split = spec.split(bytes, vnet)
        if #split <= batch:unused() + batch:count() and batch:append(bytes, vnet) then
          append(wanted, bytes, vnet)
          local n, why = batch:segment()
          if why then -- take out all but the super-packet, which is the last
            local got = all(batch)
            for i = 1, n - 1 do
              out[#out + 1] = got[i]
              batch:drop(i)
            end
            assert.equal(#split, batch:segment())
          end
        end
      end
      for _, each in ipairs(all(batch)) do
        out[#out + 1] = each
      end
      assert.equal(#wanted, #out)
      assert.is_true(table.concat(wanted) == table.concat(out))
    end
  end)

  it("stays inside of the memory, whatever a script writes to it", function()
    local AT = #DONE
    for _, at in ipairs { 0, 200, 3000, 6000, 40000, 2 ^ 20 } do
      local batch = make(12)
      for i = 1, 3 do
        assert(batch:append(super(4, i)))
        local low, high = u16(at % 65536), u16(math.floor(at / 65536))
        batch:arena():write((batch:slot(i)) + AT, core.little_endian and low .. high or high .. low)
      end
      local n = batch:segment()
      assert.is_true(n >= 3 and n <= 12)
      assert.equal(12, batch:clear():unused())
    end
  end)
end)
