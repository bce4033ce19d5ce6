-- What a reflector costs, counted rather than timed: system calls, and bytes of the heap.
local process = require "spec.process"
local tun = require "tun"

local MOST = 60
local compiled = jit and jit.status()

describe("a reflector with batches", function()
  local dev, batch, socket

  setup(function()
    process.sandbox()
    -- Without IPv6, which would send packets of its own: RFC 8200, 5.
    dev = assert(tun.open { address = "10.0.0.1/24", mtu = 1200 })
    batch = assert(tun.batch { slots = MOST, size = 2048 })
    socket = assert(tun.udp { connect = "10.0.0.2:7" })
  end)

  teardown(function()
    dev:close()
    socket:close()
  end)

  local function arrive(packets)
    for _ = 1, packets do
      assert(socket:send "hello")
    end
  end

  local function by_fields()
    for packet in batch:packets() do
      local ip, udp = packet.ip4, packet.udp
      if ip and udp then
        ip.src_n, ip.dst_n = ip.dst_n, ip.src_n
        udp.sport, udp.dport = udp.dport, udp.sport
      end
    end
  end

  local function whole()
    batch:reflect()
  end

  local function reflect(way)
    local received = dev:receive(batch)
    way()
    return received, dev:send(batch)
  end

  -- How often this process has called read(2) and write(2), in vain too. Source: proc(5).
  local function calls()
    local file = assert(io.open "/proc/self/io")
    local text = file:read "*a"
    file:close()
    return text:match "syscr: (%d+)" + 0, text:match "syscw: (%d+)" + 0
  end

  -- Reads and writes of a call, without those that counting them takes.
  local function counted(work, ...)
    local first = calls()
    local reads, writes = calls()
    local own = reads - first
    work(...)
    local reads_after, writes_after = calls()
    return reads_after - reads - own, writes_after - writes
  end

  -- Bytes of the heap that reflecting so many packets takes: the least of some tries, as
  -- a compiler may work in the others.
  local function taken(packets, way)
    local least = math.huge
    for _ = 1, 30 do
      arrive(packets)
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      reflect(way)
      least = math.min(least, (collectgarbage "count" - before) * 1024)
      collectgarbage "restart"
    end
    return least
  end

  for name, way in pairs { ["by named fields"] = by_fields, ["as a whole"] = whole } do
    describe(name, function()
      it("sends back what it has received", function()
        arrive(10)
        local received, sent = reflect(way)
        assert.equal(10, received)
        assert.equal(10, sent)
        assert.equal("hello", (socket:read(5)))
        for _ = 2, 10 do
          socket:read(0)
        end
      end)

      it("calls the system twice for a packet, and once for a batch", function()
        for _, packets in ipairs { 1, 10, MOST - 1 } do
          arrive(packets)
          local reads, writes = counted(reflect, way)
          assert.equal(packets + 1, reads)
          assert.equal(packets, writes)
        end
      end)

      it("calls it not even once more when the batch is full", function()
        arrive(MOST)
        local reads, writes = counted(reflect, way)
        assert.equal(MOST, reads)
        assert.equal(MOST, writes)
      end)
    end)
  end

  it("takes no heap for a packet when it works as a whole", function()
    assert.equal(taken(1, whole), taken(MOST, whole))
  end)

  if compiled then
    it("takes no heap for a packet when it works by named fields", function()
      for _ = 1, 100 do
        arrive(MOST)
        reflect(by_fields)
      end
      assert.equal(taken(10, by_fields), taken(MOST, by_fields))
    end)
  end
end)
