local core = require "tun.core"
local process = dofile "spec/process.lua"
local eager = dofile "spec/eager.lua"
local errno = core.errno

-- ICMP echo request from 10.9.0.2 to 10.9.0.1, which the kernel answers.
local ip4 = "\69\0\0\28\0\0\0\0\64\1\102\205\10\9\0\2\10\9\0\1"
local ping = ip4 .. "\8\0\247\255\0\0\0\0"

-- Open a device that has 10.9.0.1/24 and says nothing by itself.
local function open(options, mtu)
  options.name = options.name or "t0"
  options.mode = options.mode or "tun"
  local dev = assert(core.open(options))
  process.must(([[
    ip link set %s addrgenmode none
    ip link set %s mtu %d
    ip addr add 10.9.0.1/24 dev %s
  ]]):format(options.name, options.name, mtu or 1500, options.name))
  return dev
end

local function up(name)
  process.must(("ip link set %s up"):format(name or "t0"))
end

local function opened(options, mtu)
  local dev = open(options, mtu)
  up(options.name)
  return dev
end

-- Seconds that do not depend on what the processor does, to 10 ms.
local function clock()
  local file = assert(io.open "/proc/uptime")
  local seconds = file:read "*n"
  file:close()
  return seconds
end

describe("a packet", function()
  local dev

  setup(process.sandbox)
  after_each(function()
    if dev then dev:close() end
  end)

  local zeros = ("\0"):rep(100)
  local gso = "\0\9" .. zeros:sub(1, 8)

  -- What is written to which device, and nil or the words of its refusal.
  local writes = {
    { "of no bytes", { no_pi = true }, "", "an empty packet" },
    { "of no bytes with packet information", {}, "", "an empty packet" },
    { "of no bytes with a vnet header", { no_pi = true, vnet_hdr = true }, "", "an empty packet" },
    { "of IP version 0", { no_pi = true }, "\0", "neither IPv4 nor IPv6 by its first four bits" },
    { "of IP version 5", { no_pi = true }, "\80", "neither IPv4 nor IPv6 by its first four bits" },
    { "of one byte, IP version 4", { no_pi = true }, "\69" },
    { "of one byte, IP version 6", { no_pi = true }, "\96" },
    { "with half of its packet information", {}, "\0\0\8",
      "headers without a packet behind them" },
    { "of packet information only", {}, "\0\0\8\0" },
    { "of a vnet header only", { no_pi = true, vnet_hdr = true }, zeros:sub(1, 10),
      "headers without a packet behind them" },
    { "of IP version 0 behind a vnet header", { no_pi = true, vnet_hdr = true }, zeros,
      "neither IPv4 nor IPv6 by its first four bits" },
    { "with a vnet header of unknown GSO type", { no_pi = true, vnet_hdr = true }, gso .. ip4,
      "the virtio-net header does not fit the packet" },
    { "of 13 bytes to a TAP", { mode = "tap", no_pi = true }, zeros:sub(1, 13),
      "shorter than an Ethernet header" },
    { "of 14 bytes to a TAP", { mode = "tap", no_pi = true }, zeros:sub(1, 14) },
    { "of 17 bytes to a TAP with packet information", { mode = "tap" }, zeros:sub(1, 17),
      "shorter than an Ethernet header" },
    { "of 23 bytes to a TAP with a vnet header", { mode = "tap", no_pi = true, vnet_hdr = true },
      zeros:sub(1, 23), "shorter than an Ethernet header" },
  }
  for _, row in ipairs(writes) do
    local what, options, bytes, words = row[1], row[2], row[3], row[4]
    it(what .. (words and " is refused: " .. words or " is taken"), function()
      dev = opened(options)
      if not words then
        assert.is_true(dev:write(bytes))
        assert.equal(#bytes, dev:send(bytes))
        return
      end
      for _, method in ipairs { "write", "send" } do
        local ok, why, code = dev[method](dev, bytes)
        assert.is_nil(ok)
        assert.equal("t0: " .. words .. ": Invalid argument", why)
        assert.equal(errno.EINVAL, code)
      end
    end)
  end

  -- The headers before a packet, for each flag; the answer has them too.
  local headers = {
    { "alone", { no_pi = true }, "" },
    { "behind packet information", {}, "\0\0\8\0" },
    { "behind a vnet header", { no_pi = true, vnet_hdr = true }, zeros:sub(1, 10) },
    { "behind both", { vnet_hdr = true }, "\0\0\8\0" .. zeros:sub(1, 10) },
  }
  for _, row in ipairs(headers) do
    it(row[1] .. " reaches the kernel, whose answer is read", function()
      dev = opened(row[2])
      assert.is_true(dev:write(row[3] .. ping))
      local reply = assert(dev:read(1))
      assert.equal(row[3], reply:sub(1, #row[3]))
      assert.equal(#row[3] + #ping, #reply)
      assert.equal("\10\9\0\1\10\9\0\2\0\0", reply:sub(#row[3] + 13, #row[3] + 22))
    end)
  end

  it("can be written in parts", function()
    dev = opened { no_pi = true }
    assert.is_true(dev:write(ip4, "", ping:sub(21, 21), ping:sub(22)))
    assert.equal(#ping, #assert(dev:read(1)))
    assert.equal(#ping, dev:send(ping, 1, nil))
    assert.equal(#ping, #assert(dev:read(1)))
  end)

  it("in parts longer than any packet is refused", function()
    dev = opened { no_pi = true }
    local ok, why, code = dev:write(ip4, ("\0"):rep(70000))
    assert.is_nil(ok)
    assert.equal("t0: Message too long", why)
    assert.equal(errno.EMSGSIZE, code)
  end)

  -- The biggest packet that there can be, with every header in use.
  local biggest = {
    { "tun", { no_pi = true }, 65535, 65535 },
    { "tun", {}, 65535, 65535 + 4 },
    { "tun", { vnet_hdr = true }, 65535, 65535 + 4 + 256 },
    { "tap", { no_pi = true }, 65521, 65521 + 14 },
    { "tap", { vnet_hdr = true }, 65521, 65521 + 14 + 4 + 256 },
  }
  for _, row in ipairs(biggest) do
    local mode, options, mtu, size = row[1], row[2], row[3], row[4]
    it(("of %d bytes is read whole from a %s"):format(size, mode), function()
      options.mode = mode
      dev = open(options, mtu)
      if options.vnet_hdr then
        assert(core.setoption(dev, "vnet_hdr_size", 256))
      end
      up()
      if mode == "tap" then
        process.must "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev t0"
      end
      process.must(("ping -c 1 -W 1 -s %d 10.9.0.2 >/dev/null 2>&1 &"):format(mtu - 28))
      assert.equal(size, #assert(dev:read(5)))
    end)
  end

  it("waits in the queue, which drops what it has no room for", function()
    dev = opened { no_pi = true }
    process.must [[bash -c 'for i in {1..700}; do echo >/dev/udp/10.9.0.2/9; done']]
    local queued = 0
    while dev:read(0) do
      queued = queued + 1
    end
    local dropped = tonumber((process.must "cat /proc/net/dev"
      :match("t0:" .. (" +%d+"):rep(11) .. " +(%d+)")))
    assert.equal(700, queued + dropped)
    assert.is_true(queued <= 500 and queued > 450)
  end)
end)

describe("reading", function()
  local dev

  setup(process.sandbox)
  before_each(function() dev = opened { no_pi = true } end)
  after_each(function() dev:close() end)

  local function is(word, code, ok, why, number)
    assert.is_nil(ok)
    assert.equal(word, why)
    assert.equal(code, number)
  end

  -- How each way of waiting looks: the call, and the least seconds it takes.
  local waits = {
    { "read(0)", function() return dev:read(0) end, 0 },
    { "read(-3)", function() return dev:read(-3) end, 0 },
    { "read(0.2)", function() return dev:read(0.2) end, 0.2 },
    { "receive after settimeout(0)", function()
      assert.is_true(dev:settimeout(0))
      return dev:receive()
    end, 0 },
    { "receive after settimeout(0.2)", function()
      assert.is_true(dev:settimeout(0.2))
      return dev:receive(8192)
    end, 0.2 },
    { "receivefrom", function()
      dev:settimeout(0)
      return dev:receivefrom(8192)
    end, 0 },
  }
  for _, row in ipairs(waits) do
    it(("nothing: %s waits %g s"):format(row[1], row[3]), function()
      local started, cpu = clock(), os.clock()
      is("timeout", errno.EAGAIN, row[2]())
      local took = clock() - started
      assert.is_true(took >= row[3] - 0.011 and took < row[3] + 0.5, took)
      assert.is_true(os.clock() - cpu < 0.1)
    end)
  end

  it("a packet that comes while it waits", function()
    process.must [[(until grep -q poll /proc/$PPID/wchan; do :; done
      ping -c 1 -W 1 10.9.0.2) >/dev/null 2>&1 &]]
    assert.equal(84, #dev:read())
  end)

  it("from a downed device waits", function()
    process.must "ip link set t0 down"
    is("timeout", errno.EAGAIN, dev:read(0))
    is("timeout", errno.EAGAIN, dev:read(0.02))
    is("down", errno.EIO, dev:write(ping))
    is("down", errno.EIO, dev:send(ping))
    is("t0: an empty packet: Invalid argument", errno.EINVAL, dev:write "")
    process.must "ip link set t0 up"
    assert.is_true(dev:write(ping))
    assert.equal(#ping, #assert(dev:read(1)))
  end)

  for _, wait in ipairs { "read", "receive" } do
    it(wait .. " wakes when the device is deleted", function()
      dev:settimeout(-1)
      process.must [[(until grep -q poll /proc/$PPID/wchan; do :; done
        ip link del t0) >/dev/null 2>&1 &]]
      is("deleted", errno.EBADFD, dev[wait](dev))
    end)
  end

  it("after the device was deleted says so at once", function()
    process.must "ip link del t0"
    is("deleted", errno.EBADFD, dev:read())
    is("deleted", errno.EBADFD, dev:receive())
    is("deleted", errno.EBADFD, dev:write(ping))
    is("deleted", errno.EBADFD, dev:send(ping))
  end)

  it("after close says so at once", function()
    dev:close()
    is("closed", errno.EBADF, dev:read())
    is("closed", errno.EBADF, dev:receive())
    is("closed", errno.EBADF, dev:receivefrom(1))
    is("closed", errno.EBADF, dev:write(ping))
    is("closed", errno.EBADF, dev:write(ping, ping))
    is("closed", errno.EBADF, dev:send(ping))
  end)

  -- Calls that are the caller's mistake, and what is said of them.
  local mistakes = {
    { "read of a string", function() dev:read "1" end,
      'timeout: "1" is not a number of seconds' },
    { "read of not a number", function() dev:read(0 / 0) end,
      "timeout: [-n][na]+ is not a number of seconds" },
    { "settimeout of a table", function() dev:settimeout {} end,
      "timeout: a table is not a number of seconds" },
    { "write of nothing", function() dev:write() end, "packet: no value is not a string" },
    { "write of a number", function() dev:write(1) end, "packet: 1 is not a string" },
    { "write of a nil part", function() dev:write("", nil) end, "packet: nil is not a string" },
    { "send of a table", function() dev:send {} end, "packet: a table is not a string" },
    { "read of no device", function() dev.read() end, "called on a no value" },
    { "read of another object", function() dev.read(io.stdout) end, "called on a userdata" },
    { "write of no device", function() dev.write("") end, "called on a string" },
  }
  for _, row in ipairs(mistakes) do
    it("refuses a " .. row[1], function()
      local ok, why = pcall(row[2])
      assert.is_false(ok)
      assert.is_truthy(why:find("^[^:]*io_spec.lua:%d+: "), why)
      assert.is_truthy(why:find(row[3]), why)
    end)
  end

  it("is the same under an eager collector", function()
    local read = 0
    eager(function()
      for i = 1, 2000 do
        assert(dev:write(ip4, ping:sub(21)))
        local reply = assert(dev:read(1))
        read = read + #(reply .. i) - #tostring(i)
      end
    end)
    assert.equal(2000 * #ping, read)
  end)
end)

describe("a device whose virtio-net header another process made longer", function()
  local tun = require "tun"
  local dev

  -- Set its length through a queue of the device, which another process opens for that.
  local SET = [[python3 -c '
import fcntl, os, struct
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"%s", %d))
fcntl.ioctl(fd, 0x400454d8, struct.pack("i", %d))
']]
  local TUN, TAP, NO_PI, VNET_HDR, MULTI_QUEUE = 1, 2, 0x1000, 0x4000, 0x100

  setup(process.sandbox)
  after_each(function()
    if dev then
      dev:set { persist = false }
      dev:close()
    end
  end)

  local function packets()
    local batch = assert(tun.batch { headroom = 300 })
    for _ = 1, 3 do
      assert(batch:add(ping))
    end
    return batch
  end

  local function refused(count, reason, code)
    assert.is_nil(count)
    assert.is_truthy(reason:find("longer than 256 bytes: set vnet_hdr_size", 1, true), reason)
    assert.equal(errno.EOPNOTSUPP, code)
  end

  for _, size in ipairs { 257, 4096, 2 ^ 31 - 1 } do
    for mode, flag in pairs { tun = TUN, tap = TAP } do
      for _, pi in ipairs { false, true } do
        it(("to %d bytes before it was opened is not used: %s%s"):format(size, mode,
          pi and " with packet information" or ""), function()
          local name = "t" .. size % 1000
          dev = assert(core.open { mode = mode, name = name, vnet_hdr = true, no_pi = not pi })
          assert(core.setoption(dev, "persist", true))
          dev:close()
          process.must(SET:format(name, flag + VNET_HDR + (pi and 0 or NO_PI), size))
          dev = assert(tun.open { name = name })
          assert.equal(size, dev:get "vnet_hdr_size")
          assert(dev:up())
          local batch = packets()
          refused(dev:send(batch))
          refused(dev:receive(batch, 0))
          refused(dev:send(batch:packet(1)))
          assert.is_false(pcall(dev:packets()))
          assert.equal(3, #batch)
          assert(dev:set { vnet_hdr_size = 24 })
          assert.equal(3, dev:send(batch))
        end)
      end
    end
  end

  it("meanwhile is not used, and nothing is lost", function()
    dev = assert(tun.open { name = "t0", multi_queue = true, up = true, vnet_hdr = true })
    local batch = packets()
    process.must(SET:format("t0", TUN + NO_PI + VNET_HDR + MULTI_QUEUE, 4096))
    refused(dev:send(batch))
    assert.equal(3, #batch)
    refused(dev:send(batch))
    assert(dev:set { vnet_hdr_size = 10 })
    assert.equal(3, dev:send(batch))
  end)

  it("is told to who receives first", function()
    dev = assert(tun.open { name = "t0", multi_queue = true, vnet_hdr = true,
      address = "10.9.0.1/24", inet6_addr_gen_mode = "none" })
    local udp = assert(tun.udp { connect = "10.9.0.2:7" })
    process.must(SET:format("t0", TUN + NO_PI + VNET_HDR + MULTI_QUEUE, 4096))
    assert(udp:write "lost")
    refused(dev:receive(assert(tun.batch { size = 2000 }), 2)) -- less than the header
    assert(dev:set { vnet_hdr_size = 10 })
    assert(udp:write "read")
    assert.equal(1, dev:receive(assert(tun.batch()), 2))
    udp:close()
  end)

  it("is known after an option was set on a detached queue", function()
    dev = assert(tun.open { name = "t0", multi_queue = true, offload = true, up = true })
    local queue = assert(dev:queue())
    assert(queue:detach())
    pcall(queue.set, queue, { sndbuf = 100000 })
    assert.equal(3, dev:send(packets()))
    queue:close()
  end)
end)
