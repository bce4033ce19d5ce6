local core = require "tun.core"
local bpf = dofile "spec/bpf.lua"
local process = dofile "spec/process.lua"
local errno = core.errno

-- Run a function with a device that is closed whatever happens in it.
local function with(options, use)
  options.name = options.name or "t0"
  options.mode = options.mode or "tun"
  local dev = assert(core.open(options))
  local ok, why = pcall(use, dev)
  dev:close()
  assert(ok, why)
end

-- Check a result: a value, or nil and the name of an errno.
local function check(wanted, value, why, code)
  if type(wanted) == "string" and errno[wanted] then
    assert.is_nil(value)
    assert.equal(wanted, errno[code])
    assert.is_truthy(why:find "^t0: %l", why)
  else
    assert.same(wanted, value, why)
  end
end

-- Check that a call is the fault of its caller.
local function refused(words, call, ...)
  local ok, why = pcall(call, ...)
  assert.is_false(ok)
  assert.is_truthy(why:find(words, 1, true), why)
end

local function up()
  process.must "ip link set t0 addrgenmode none; ip link set t0 up; ip addr add 10.9.0.1/24 dev t0"
end

-- Have the kernel send one UDP datagram to a neighbour.
local function send()
  process.must "bash -c 'echo >/dev/udp/10.9.0.2/9'"
end

local function neighbour(mac)
  process.must("ip neigh replace 10.9.0.2 dev t0 lladdr " .. mac)
end

local function macs(count)
  local list = {}
  for i = 1, count do
    list[i] = ("02:00:00:00:00:%02x"):format(i)
  end
  return list
end

local function set(...)
  local names = {}
  for _, name in ipairs { ... } do
    names[name] = true
  end
  return names
end

-- What `tcpdump -ddd arp` prints for Ethernet, and the same as rows.
local arp_text = "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n"
local arp = { { 40, 0, 0, 12 }, { 21, 0, 1, 2054 }, { 6, 0, 0, 262144 }, { 6, 0, 0, 0 } }
local all, none = { { 6, 0, 0, 65535 } }, { { 6, 0, 0, 0 } }

-- As core.getoption(), which asks the link through a socket.
local function getoption(dev, name)
  local socket = assert(core.netlink())
  local value, why, code = core.getoption(dev, name, socket:fd())
  socket:close()
  return value, why, code
end

describe("an option", function()
  setup(process.sandbox)

  -- Mode, name, what it is at first: a value, or an errno. TUNGETVNETBE needs
  -- a kernel with CONFIG_TUN_VNET_CROSS_LE, which x86 has not.
  local reads = {
    { "tun", "name", "t0" },
    { "tun", "offload", false },
    { "tun", "debug", 0 },
    { "tun", "features", set("tun", "tap", "napi", "napi_frags", "no_carrier", "multi_queue",
      "no_pi", "one_queue", "vnet_hdr") },
    { "tun", "link_type", 65534 },
    { "tap", "link_type", 1 },
    { "tun", "filter", "EINVAL" },
    { "tap", "filter", false },
    { "tun", "sndbuf", 2147483647 },
    { "tun", "vnet_hdr_size", 10 },
    { "tun", "vnet_le", false },
    { "tun", "vnet_be", "EINVAL" },
    { "tun", "mac", "EOPNOTSUPP" },
  }
  for _, row in ipairs(reads) do
    it(("%s of a %s is %s at first"):format(row[2], row[1], tostring(row[3])), function()
      with({ mode = row[1] }, function(dev)
        check(row[3], getoption(dev, row[2]))
      end)
    end)
  end

  -- Mode, name, what it is set to, what comes of it, and what is read then if
  -- not the value that was set.
  local sets = {
    { "tun", "nocsum", true, true },
    { "tun", "debug", 7, true },
    { "tun", "owner", 0, true },
    { "tun", "group", 0, true },
    { "tun", "link_type", 512, true },
    { "tap", "link_type", 519, true },
    { "tap", "tx_filter", {}, 0 },
    { "tap", "tx_filter", macs(1), 1 },
    { "tap", "tx_filter", macs(8), 8 },
    { "tap", "tx_filter", macs(9), 0 },
    { "tap", "tx_filter", { "01:00:5e:00:00:01" }, 1 },
    { "tap", "tx_filter", { allmulti = true, "02:00:00:00:00:01" }, 1 },
    { "tap", "tx_filter", false, 0 },
    { "tun", "tx_filter", macs(1), "EINVAL" },
    { "tap", "filter", arp, true },
    { "tap", "filter", arp_text, true, arp },
    { "tap", "filter", false, true },
    { "tap", "filter", { { 21, 5, 5, 0 } }, "EINVAL", false },
    { "tun", "filter", all, "EINVAL", "EINVAL" },
    { "tun", "sndbuf", 1, true },
    { "tun", "sndbuf", 200000, true },
    { "tun", "vnet_hdr_size", 10, true },
    { "tun", "vnet_hdr_size", 12, true },
    { "tun", "vnet_hdr_size", 20, true },
    { "tun", "vnet_hdr_size", 24, true },
    { "tun", "vnet_hdr_size", 64, true },
    { "tun", "vnet_hdr_size", 256, true },
    { "tun", "vnet_le", true, true },
    { "tun", "vnet_be", true, "EINVAL", "EINVAL" },
    { "tun", "steering_bpf", false, true },
    { "tun", "steering_bpf", 0, "EINVAL" },
    { "tun", "steering_bpf", 19999, "EBADF" },
    { "tun", "filter_bpf", false, true },
    { "tun", "filter_bpf", 0, "EINVAL" },
    { "tap", "mac", "02:00:00:00:ab:cd", true },
    { "tap", "mac", "02:00:00:00:AB:CD", true, "02:00:00:00:ab:cd" },
    { "tun", "mac", "02:00:00:00:00:01", "EOPNOTSUPP", "EOPNOTSUPP" },
  }
  local can = core.options()
  for _, row in ipairs(sets) do
    local mode, name, value, wanted, then_is = row[1], row[2], row[3], row[4], row[5]
    local shown = type(value) == "table" and ("a list of " .. #value) or tostring(value)
    it(("%s of a %s set to %s: %s"):format(name, mode, shown, tostring(wanted)), function()
      with({ mode = mode }, function(dev)
        check(wanted, core.setoption(dev, name, value))
        if not can[name].get then return end
        if then_is == nil then
          then_is = value
        end
        check(then_is, getoption(dev, name))
      end)
    end)
  end

  -- Offloads, and whether the kernel takes them together.
  local offloads = {
    { {}, true },
    { { "csum" }, true },
    { { csum = true, tso4 = false }, true },
    { { "tso4" }, "EINVAL" },
    { { "tso6" }, "EINVAL" },
    { { "csum", "tso4" }, true },
    { { csum = true, tso6 = true }, true },
    { { "csum", "tso_ecn" }, "EINVAL" },
    { { "csum", "tso6", "tso_ecn" }, true },
    { { "csum", "ufo" }, true },
    { { "csum", "uso4" }, "EINVAL" },
    { { "csum", "uso6" }, "EINVAL" },
    { { "csum", "uso4", "uso6" }, true },
    { { "csum", "udp_tunnel_gso" }, "EINVAL" },
    { { "csum", "tso4", "udp_tunnel_gso" }, true },
    { { "csum", "tso4", "udp_tunnel_gso_csum" }, "EINVAL" },
    { { "csum", "tso4", "tso6", "tso_ecn", "ufo", "uso4", "uso6", "udp_tunnel_gso",
      "udp_tunnel_gso_csum" }, true },
  }
  for _, row in ipairs(offloads) do
    local names = {}
    for key, value in pairs(row[1]) do
      names[#names + 1] = type(key) == "string" and key .. "=" .. tostring(value) or value
    end
    table.sort(names)
    it(("offload of {%s}: %s"):format(table.concat(names, " "), tostring(row[2])), function()
      with({ vnet_hdr = true }, function(dev)
        check(row[2], core.setoption(dev, "offload", row[1]))
        local on = {}
        for key, value in pairs(row[1]) do
          on[type(key) == "string" and key or value] = value and true or nil
        end
        assert.same(row[2] == true and next(on) and on or false,
          (getoption(dev, "offload")))
      end)
    end)
  end

  -- Mistakes of the caller, and what is said of them.
  local many = {}
  for i = 1, 65536 do
    many[i] = "02:00:00:00:00:01"
  end
  local mistakes = {
    { "nonsense", 1, 'no option "nonsense"; there are: name, features, nocsum, ' },
    { 1, 1, "option: 1 is not a name" },
    { "name", "t1", "name: can only be read" },
    { "netns", 1, "netns: can only be read" },
    { "persist", 1, "persist: 1 is not true or false" },
    { "persist", nil, "persist: nil is not true or false" },
    { "carrier", "on", 'carrier: "on" is not true or false' },
    { "owner", -1, "owner: -1 is not a number from 0 to 4294967294" },
    { "owner", 4294967295, "owner: 4294967295 is not a number from 0 to 4294967294" },
    { "group", "root", 'group: "root" is not a number from 0 to 4294967294' },
    { "sndbuf", 0, "sndbuf: 0 is not a number from 1 to 2147483647" },
    { "sndbuf", 1.5, "sndbuf: 1.5 is not a number from 1 to 2147483647" },
    { "vnet_hdr_size", 9, "vnet_hdr_size: 9 is not a number from 10 to 256" },
    { "vnet_hdr_size", 257, "vnet_hdr_size: 257 is not a number from 10 to 256" },
    { "link_type", 65536, "link_type: 65536 is not a number from 0 to 65535" },
    { "offload", "csum", 'offload: "csum" is not true, false, or a set or list of names' },
    { "offload", { "csam" }, 'no offload "csam"; there are: csum, tso4, ' },
    { "offload", { csam = false }, 'no offload "csam"; there are: csum, tso4, ' },
    { "offload", { csum = 1 }, "offload: 1 is not true or false" },
    { "offload", { {} }, "offload: a table is not a name" },
    { "steering_bpf", true, "steering_bpf: a boolean is not a program's descriptor or false" },
    { "filter_bpf", -1, "filter_bpf: -1 is not a program's descriptor or false" },
    { "mac", 2, "mac: 2 is not a MAC address" },
    { "mac", "02:00:00:00:00", 'mac: "02:00:00:00:00" is not a MAC address' },
    { "mac", "02:00:00:00:00:0", 'mac: "02:00:00:00:00:0" is not a MAC address' },
    { "mac", "02:00:00:00:00:011", 'mac: "02:00:00:00:00:011" is not a MAC address' },
    { "mac", "02:00:00:00:00:01:", 'mac: "02:00:00:00:00:01:" is not a MAC address' },
    { "mac", "02-00-00-00-00-01", 'mac: "02-00-00-00-00-01" is not a MAC address' },
    { "mac", "", 'mac: "" is not a MAC address' },
    { "tx_filter", true, "tx_filter: a boolean is not a list of addresses or false" },
    { "tx_filter", { "x" }, 'tx_filter: "x" is not a MAC address' },
    { "tx_filter", { multi = true }, 'tx_filter: "multi" is not an address or "allmulti"' },
    { "tx_filter", { allmulti = 1 }, "allmulti: 1 is not true or false" },
    { "tx_filter", many, "tx_filter: too many addresses" },
    { "filter", many, "filter: 1 to 4096 instructions expected" },
    { "filter", true, "filter: a boolean is not a program, text, or false" },
    { "filter", 5, "filter: 5 is not a program, text, or false" },
    { "filter", {}, "filter: 1 to 4096 instructions expected" },
    { "filter", { 6 }, "filter: 6 is not { code, jt, jf, k }" },
    { "filter", { { 6, 0, 0 } }, "filter: nil is not a number of { code, jt, jf, k }" },
    { "filter", { { 6, 256, 0, 0 } }, "filter: 256 is not a number of { code, jt, jf, k }" },
    { "filter", { { 6, 0, 0, -1 } }, "filter: -1 is not a number of { code, jt, jf, k }" },
    { "filter", "", 'filter: not what `tcpdump -ddd` prints: ""' },
    { "filter", "1\n6 0 0", 'filter: not what `tcpdump -ddd` prints: ""' },
    { "filter", "1\n6 0 x 0", 'filter: not what `tcpdump -ddd` prints: "x 0"' },
    { "filter", "1\n6 0 -1 0", 'filter: not what `tcpdump -ddd` prints: "-1 0"' },
    { "filter", "0", "filter: 1 to 4096 instructions expected" },
    { "filter", "5000", 'filter: not what `tcpdump -ddd` prints: "5000"' },
    { "filter", "1\n6 0 0 0\n6 0 0 0", "filter: more than its count of 1 instructions" },
  }
  for _, row in ipairs(mistakes) do
    local name, value, words = row[1], row[2], row[3]
    it(("refuses: %s"):format(words), function()
      with({ mode = "tap" }, function(dev)
        refused(words, core.setoption, dev, name, value)
      end)
    end)
  end

  it("that only the kernel's netlink tells cannot be read here", function()
    with({}, function(dev)
      refused("owner: it can be set and not read", core.getoption, dev, "owner")
    end)
  end)

  it("offload wants a virtio-net header", function()
    with({}, function(dev)
      refused("t0: offload: it was opened without a virtio-net header", core.setoption, dev,
        "offload", { "csum" })
      check(true, core.setoption(dev, "offload", {}))
      assert.is_false(getoption(dev, "offload"))
    end)
  end)

  it("that the link tells wants a socket to ask it through", function()
    with({}, function(dev)
      for _, name in ipairs { "offload", "debug" } do
        refused(name .. ": no value is not the descriptor of a socket", core.getoption, dev, name)
        refused(name .. ": -1 is not the descriptor of a socket", core.getoption, dev, name, -1)
        check("EINVAL", core.getoption(dev, name, dev:fd()))
      end
    end)
  end)

  it("is named in the error where it was set", function()
    with({}, function(dev)
      local _, why = pcall(function() core.setoption(dev, "sndbuf", -1) end)
      assert.is_truthy(why:find "option_spec.lua:%d+: sndbuf: ")
    end)
  end)

  it("is in these specs if it is one at all", function()
    local known = set("persist", "offload", "netns", "socket_netns", "carrier", "threaded")
    for _, rows in ipairs { reads, sets } do
      for _, row in ipairs(rows) do
        known[row[2]] = true
      end
    end
    for name in pairs(can) do
      assert.is_true(known[name], name)
    end
  end)
end)

describe("the option", function()
  setup(process.sandbox)

  it("persist keeps the device until it is false", function()
    with({}, function(dev)
      assert.is_true(core.setoption(dev, "persist", true))
      assert.is_true(dev:flags().persist)
    end)
    with({}, function(dev)
      assert.is_true(dev:flags().persist)
      assert.is_true(core.setoption(dev, "persist", false))
    end)
    local _, status = process.run "ip link show t0"
    assert.equal(1, status)
  end)

  it("owner and group reach the device", function()
    with({}, function(dev)
      assert.is_true(core.setoption(dev, "owner", 0))
      assert.is_true(core.setoption(dev, "group", 0))
      local shown = process.must "ip -d link show t0"
      assert.is_truthy(shown:find "user root")
      assert.is_truthy(shown:find "group root")
    end)
  end)

  it("link_type is for a device that is down", function()
    with({}, function(dev)
      process.must "ip link set t0 up"
      check("EBUSY", core.setoption(dev, "link_type", 512))
      process.must "ip link set t0 down"
      check(true, core.setoption(dev, "link_type", 512))
    end)
  end)

  it("vnet_hdr_size outlives the descriptor of a persistent device, sndbuf does not", function()
    with({ vnet_hdr = true }, function(dev)
      core.setoption(dev, "persist", true)
      assert.is_true(core.setoption(dev, "vnet_hdr_size", 24))
      assert.is_true(core.setoption(dev, "sndbuf", 1000))
    end)
    with({ vnet_hdr = true }, function(dev)
      core.setoption(dev, "persist", false)
      assert.equal(24, core.getoption(dev, "vnet_hdr_size"))
      assert.equal(2147483647, core.getoption(dev, "sndbuf"))
    end)
  end)

  it("offload belongs to the device, and outlives a descriptor", function()
    -- The first byte of the virtio-net header: 1 is "checksum to be done".
    local function needs_checksum(dev)
      send()
      return assert(dev:read(1)):byte(1) == 1
    end
    with({ vnet_hdr = true, no_pi = true }, function(dev)
      core.setoption(dev, "persist", true)
      up()
      assert.is_false(needs_checksum(dev))
      assert.is_true(core.setoption(dev, "offload", { "csum" }))
      assert.is_true(needs_checksum(dev))
    end)
    with({ vnet_hdr = true, no_pi = true }, function(dev)
      core.setoption(dev, "persist", false)
      assert.is_true(needs_checksum(dev))
      assert.is_true(core.setoption(dev, "offload", {}))
      assert.is_false(needs_checksum(dev))
    end)
  end)

  it("carrier is what the link shows", function()
    with({}, function(dev)
      process.must "ip link set t0 up"
      for _, row in ipairs { { false, true }, { true, false } } do
        assert.is_true(core.setoption(dev, "carrier", row[1]))
        local shown = process.must("ip link show t0"):find("NO-CARRIER", 1, true)
        assert.equal(row[2], shown ~= nil)
      end
    end)
  end)

  it("carrier cannot be had without a queue", function()
    with({ multi_queue = true }, function(dev)
      dev:detach()
      check("EPERM", core.setoption(dev, "carrier", true))
    end)
  end)

  it("threaded is for a device with napi, and where sysfs can be asked", function()
    local sysfs = assert(core.sysfs())
    local function get(dev)
      return core.getoption(dev, "threaded", sysfs:fd(), 9)
    end
    local function change(dev, value)
      return core.setoption(dev, "threaded", value, sysfs:fd(), 9)
    end
    with({ napi = true, index = 9 }, function(dev)
      if not process.is_root then
        check("EPERM", change(dev, true))
        return
      end
      assert.is_false(get(dev))
      assert.is_true(change(dev, true))
      assert.is_true(get(dev))
      up()
      assert.is_true(change(dev, false))
      assert.is_false(get(dev))
      check("ENOENT", core.getoption(dev, "threaded", sysfs:fd(), 8))
      refused("threaded: 1 is not true or false", change, dev, 1)
      refused("threaded: no value is not the descriptor of a sysfs", core.getoption, dev,
        "threaded")
    end)
    with({ index = 9 }, function(dev)
      check(process.is_root and "EOPNOTSUPP" or "EPERM", change(dev, true))
    end)
    sysfs:close()
  end)

  it("netns is where the device is, socket_netns where it was opened", function()
    local here = process.must "readlink /proc/$PPID/ns/net"
    local fifo = process.must "f=$(mktemp -u) && mkfifo $f && echo $f"
    local other = io.popen("unshare -n sh -c 'readlink /proc/$$/ns/net; echo $$; read _' <" .. fifo)
    local release = io.open(fifo, "w")
    local there, pid = other:read "*l", other:read "*l"
    with({}, function(dev)
      process.must("ip link set t0 netns " .. pid)
      local netns, socket_netns = core.getoption(dev, "netns"), core.getoption(dev, "socket_netns")
      release:close()
      other:close()
      os.remove(fifo)
      assert.equal(there, tostring(netns))
      assert.equal(here, tostring(socket_netns))
    end)
  end)

  -- Whether a datagram passes to a TAP with each of the filters.
  local passes = {
    { "filter", all, true },
    { "filter", none, false },
    { "filter", arp, false },
    { "filter", "1\n6 0 0 65535\n", true },
    { "tx_filter", { "02:00:00:00:00:02" }, true },
    { "tx_filter", { "02:00:00:00:00:03" }, false },
    { "tx_filter", { "02:00:00:00:00:03", "02:00:00:00:00:02" }, true },
    { "tx_filter", { allmulti = true, "02:00:00:00:00:03" }, false },
  }
  for _, row in ipairs(passes) do
    local name, value, pass = row[1], row[2], row[3]
    local kind = type(value) == "table" and "list of " .. #value or "text"
    it(("%s of a %s: a datagram passes %s"):format(name, kind, tostring(pass)), function()
      with({ mode = "tap", no_pi = true }, function(dev)
        up()
        neighbour "02:00:00:00:00:02"
        assert(core.setoption(dev, name, value))
        send()
        assert.equal(pass, dev:read(0) ~= nil)
        assert(core.setoption(dev, name, false))
        send()
        assert.is_string(dev:read(0))
      end)
    end)
  end

  it("filter keeps its program from the collector", function()
    with({ mode = "tap", multi_queue = true }, function(dev)
      assert.is_true(core.setoption(dev, "filter", arp_text))
      collectgarbage()
      collectgarbage()
      assert.same(arp, core.getoption(dev, "filter"))
    end)
  end)

  it("filter stays as it is when a new one is refused", function()
    with({ mode = "tap" }, function(dev)
      assert.is_true(core.setoption(dev, "filter", arp))
      check("EINVAL", core.setoption(dev, "filter", { { 21, 5, 5, 0 } }))
      assert.same(arp, core.getoption(dev, "filter"))
      up()
      neighbour "02:00:00:00:00:02"
      send()
      check("timeout", select(2, dev:read(0)))
    end)
  end)

  it("filter is one for all queues, and told by those that share it", function()
    with({ mode = "tap", multi_queue = true, no_pi = true }, function(dev)
      local queue = assert(core.queue(dev))
      assert.is_true(core.setoption(dev, "filter", arp))
      assert.same(arp, core.getoption(queue, "filter"))
      with({ mode = "tap", multi_queue = true, no_pi = true }, function(stranger)
        check("ENODATA", core.getoption(stranger, "filter"))
      end)
      assert.is_true(core.setoption(queue, "filter", false))
      assert.is_false(core.getoption(dev, "filter"))
      queue:close()
    end)
  end)

  -- An eBPF program can be loaded only before the spec is in its sandbox.
  local loaded = {}
  for _, result in ipairs { 0, 1, 24, 65535 } do
    loaded[result] = bpf.constant(result)
  end
  if loaded[0] then
    for result, length in pairs { [0] = 0, [24] = 24, [65535] = 29 } do
      it(("filter_bpf that returns %d leaves %d bytes"):format(result, length), function()
        with({ no_pi = true }, function(dev)
          up()
          assert.is_true(core.setoption(dev, "filter_bpf", loaded[result]))
          send()
          assert.equal(length, #(dev:read(0) or ""))
          assert.is_true(core.setoption(dev, "filter_bpf", false))
          send()
          assert.equal(29, #assert(dev:read(0)))
        end)
      end)
    end

    it("steering_bpf chooses the queue", function()
      with({ no_pi = true, multi_queue = true }, function(dev)
        local queue = assert(core.queue(dev))
        up()
        for result, chosen in pairs { [0] = dev, [1] = queue } do
          assert.is_true(core.setoption(dev, "steering_bpf", loaded[result]))
          send()
          assert.equal(29, #assert(chosen:read(0)))
        end
        assert.is_true(core.setoption(dev, "steering_bpf", false))
        queue:close()
      end)
    end)
  end
end)
