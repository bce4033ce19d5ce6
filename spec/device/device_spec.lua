local core = require "tun.core"
local process = dofile "spec/process.lua"
local eager = dofile "spec/eager.lua"
local errno = core.errno

-- The options of a device, with those that nearly all specs here have.
local function like(options)
  options = options or {}
  options.name = options.name or "t0"
  options.mode = options.mode or "tun"
  return options
end

local function open(options)
  return assert(core.open(like(options)))
end

-- Check a result: a value, or nil and the name of an errno.
local function check(wanted, value, why, code)
  if type(wanted) == "string" and errno[wanted] then
    assert.is_nil(value)
    assert.equal(wanted, errno[code])
    assert.equal("string", type(why))
  else
    assert.same(wanted, value, why)
  end
end

-- Check that a call is the fault of its caller, in a line of this file.
local function refused(words, call, ...)
  local ok, why = pcall(call, ...)
  assert.is_false(ok)
  assert.is_truthy(why:find(words, 1, true), why)
  assert.is_truthy(why:find "device_spec%.lua:%d+: ", why)
end

-- Run a function with devices that are closed whatever happens in it.
local function with(devices, use)
  local ok, why = pcall(use, (unpack or table.unpack)(devices))
  for _, dev in ipairs(devices) do
    dev:close()
  end
  assert(ok, why)
end

local function set(...)
  local names = {}
  for _, name in ipairs { ... } do
    names[name] = true
  end
  return names
end

describe("opening", function()
  setup(process.sandbox)

  -- What there is already, what is asked for, and what comes of it: a name, or
  -- an errno.
  local mq = { multi_queue = true }
  local frags = process.is_root and "EINVAL" or "EPERM"
  local rows = {
    { "no name for a TUN", nil, { mode = "tun" }, "tun0" },
    { "no name for a TAP", nil, { mode = "tap" }, "tap0" },
    { "a name", nil, { mode = "tun", name = "fifteen-letters" }, "fifteen-letters" },
    { "a pattern", nil, { mode = "tun", name = "tp%d" }, "tp0" },
    { "a pattern, the first taken", { name = "tp0" }, { mode = "tun", name = "tp%d" }, "tp1" },
    { "a wrong pattern", nil, { mode = "tun", name = "tp%s" }, "EINVAL" },
    { "an index", nil, like { index = 77 }, "t0" },
    { "an index that is taken", { name = "t1", index = 77 }, like { index = 77 }, "EBUSY" },
    { "the loopback", nil, like { name = "lo" }, "EINVAL" },
    { "a TUN that is a TAP", { mode = "tap" }, like(), "EINVAL" },
    { "a TAP that is a TUN", {}, like { mode = "tap" }, "EINVAL" },
    { "one queue of many", mq, like(), "EINVAL" },
    { "many queues of one", {}, like { multi_queue = true }, "EINVAL" },
    { "a queue of many", mq, like { multi_queue = true }, "t0" },
    { "what is in use", {}, like(), "EBUSY" },
    { "what is in use, exclusively", mq, like { multi_queue = true, excl = true }, "EBUSY" },
    { "exclusively", nil, like { excl = true }, "t0" },
    { "NAPI", nil, like { napi = true }, "t0" },
    { "NAPI fragments without NAPI", nil, like { mode = "tap", napi_frags = true }, frags },
    { "NAPI fragments of a TUN", nil, like { napi = true, napi_frags = true }, frags },
    { "without carrier", nil, like { no_carrier = true }, "t0" },
    { "one_queue", nil, like { one_queue = true }, "t0" },
  }
  for _, row in ipairs(rows) do
    local what, before, options, wanted = row[1], row[2], row[3], row[4]
    it(("%s: %s"):format(what, wanted), function()
      with({ before and open(before) }, function()
        local dev, why, code = core.open(options)
        check(wanted, dev and dev:name(), why, code)
        if dev then
          dev:close()
        else
          assert.is_truthy(why:find((options.name or "tun%d") .. ": ", 1, true), why)
        end
      end)
    end)
  end

  -- Mistakes of the caller, and what is said of them.
  local name_rule = " is not an interface name: 1 to 15 bytes without blanks"
  local mistakes = {
    { "no table", "t0", 'open: "t0" is not a table' },
    { "no mode", { name = "t0" }, 'mode: "tun" or "tap" expected' },
    { "both modes", { mode = "tuntap" }, 'mode: "tun" or "tap" expected' },
    { "an empty name", like { name = "" }, name_rule },
    { "a name of 16 letters", like { name = "sixteen--letters" }, name_rule },
    { "a name with a slash", like { name = "a/b" }, name_rule },
    { "a name with a colon", like { name = "a:b" }, name_rule },
    { "a name with a blank", like { name = "a b" }, name_rule },
    { "a name with a zero", like { name = "a\0b" }, name_rule },
    { "the name .", like { name = "." }, name_rule },
    { "the name ..", like { name = ".." }, name_rule },
    { "a name that is a number", like { name = 1 }, "name: 1 is not" },
    { "a negative index", like { index = -1 }, "index: -1 is not an interface index" },
    { "index 0", like { index = 0 }, "index: 0 is not an interface index" },
    { "a fraction of an index", like { index = 1.5 }, "index: 1.5 is not an interface index" },
    { "a flag that is no boolean", like { no_pi = 1 }, "no_pi: 1 is not true or false" },
    { "a key that is no name", { "t0" }, "open: 1 is not the name of an option" },
    { "an unknown key", like { pi = true }, 'no option "pi"; there are: name, mode, index, no_pi' },
    { "a flag that is only read", like { persist = true }, 'no option "persist"; there are: ' },
  }
  for _, row in ipairs(mistakes) do
    it("refuses " .. row[1], function()
      refused(row[3], core.open, row[2])
    end)
  end

  it("reports a mistake where it was made", function()
    local _, why = pcall(function() core.open {} end)
    assert.is_truthy(why:find "device_spec.lua:%d+: mode:")
  end)

  it("takes 256 queues and no more", function()
    local queues = { open { multi_queue = true } }
    with(queues, function()
      for i = 2, 256 do
        queues[i] = assert(core.queue(queues[1]))
      end
      check("E2BIG", core.queue(queues[1]))
    end)
  end)

  -- Who owns a persistent device, and what a process gets that is user 0 and
  -- group 0 but has no privilege. What nobody owns is for everybody.
  local owners = {
    { "nobody", nil, nil, "t0" },
    { "its user", "owner", 0, "t0" },
    { "its group", "group", 0, "t0" },
  }
  if process.is_root then -- in a user namespace of our own there are no others
    owners[#owners + 1] = { "another user", "owner", 4321, "EPERM" }
    owners[#owners + 1] = { "another group", "group", 4321, "EPERM" }
  end
  for _, row in ipairs(owners) do
    local owner, option, id, wanted = row[1], row[2], row[3], row[4]
    it(("without privilege what belongs to %s: %s"):format(owner, wanted), function()
      with({ open() }, function(dev)
        assert.is_true(core.setoption(dev, "persist", true))
        if option then
          assert.is_true(core.setoption(dev, option, id))
        end
      end)
      local got = process.lua([[
        local core = require "tun.core"
        local dev, why, code = core.open { mode = "tun", name = "t0" }
        print(dev and dev:name() or core.errno[code])
      ]], "setpriv --bounding-set=-all --inh-caps=-all")
      process.must "ip link del t0"
      assert.equal(wanted, got)
    end)
  end
end)

describe("a device", function()
  setup(process.sandbox)

  it("follows its name", function()
    with({ open() }, function(dev)
      process.must "ip link set t0 name other"
      assert.equal("other", dev:name())
      assert.equal("other", core.getoption(dev, "name"))
      local _, why = core.setoption(dev, "vnet_be", true)
      assert.equal("other: vnet_be: Invalid argument", why)
    end)
  end)

  -- What is opened, and what its flags are then.
  local flags = {
    { {}, set("tun") },
    { { mode = "tap" }, set("tap") },
    { { no_pi = true }, set("tun", "no_pi") },
    { { no_pi = true, vnet_hdr = true }, set("tun", "no_pi", "vnet_hdr") },
    { { multi_queue = true }, set("tun", "multi_queue") },
    { { napi = true, excl = true, one_queue = false }, set("tun", "napi") },
  }
  for _, row in ipairs(flags) do
    local names = {}
    for name in pairs(row[2]) do
      names[#names + 1] = name
    end
    table.sort(names)
    it("has the flags " .. table.concat(names, " "), function()
      with({ open(row[1]) }, function(dev)
        assert.same(row[2], dev:flags())
        assert.equal(row[1].no_pi and "off" or "on",
          process.must("ip -d link show t0"):match " pi (%l+) ")
      end)
    end)
  end

  it("takes the flags of who attaches last", function()
    with({ open { no_pi = true, vnet_hdr = true } }, function(dev)
      core.setoption(dev, "persist", true)
      assert.same(set("tun", "no_pi", "vnet_hdr", "persist"), dev:flags())
    end)
    with({ open { no_pi = true } }, function(dev)
      assert.same(set("tun", "no_pi", "persist"), dev:flags())
      core.setoption(dev, "persist", false)
    end)
  end)

  it("goes with its last descriptor", function()
    with({ open() }, function() process.must "ip link show t0" end)
    local _, status = process.run "ip link show t0"
    assert.equal(1, status)
  end)

  it("that is persistent stays, without a carrier", function()
    with({ open() }, function(dev)
      assert.is_true(core.setoption(dev, "persist", true))
      process.must "ip link set t0 up"
      assert.is_nil(process.must("ip link show t0"):find("NO-CARRIER", 1, true))
    end)
    assert.is_truthy(process.must("ip link show t0"):find("NO-CARRIER", 1, true))
    with({ open() }, function(dev) core.setoption(dev, "persist", false) end)
  end)

  it("that was deleted says so", function()
    with({ open { multi_queue = true } }, function(dev)
      process.must "ip link del t0"
      local deleted = { nil, "deleted", errno.EBADFD }
      for _, call in ipairs { dev.name, dev.flags, dev.attach, dev.detach, core.queue } do
        assert.same(deleted, { call(dev) })
      end
      for name, is in pairs(core.options()) do
        if is.get and name ~= "features" and name ~= "socket_netns" then
          assert.same(deleted, { core.getoption(dev, name, 0, 1) }, name)
        end
      end
      for name, value in pairs { persist = true, owner = 0, sndbuf = 1, mac = "02:00:00:00:00:01",
                                 vnet_hdr_size = 12, carrier = true, filter = { { 6, 0, 0, 1 } },
                                 tx_filter = {}, steering_bpf = false, threaded = true,
                                 link_type = 1, offload = {} } do
        assert.same(deleted, { core.setoption(dev, name, value, 0, 1) }, name)
      end
    end)
  end)

  it("closes once and tells from then on that it is closed", function()
    local dev = open()
    assert.is_false(dev:dirty())
    assert.is_true(dev:close())
    assert.is_true(dev:close())
    assert.is_true(dev:dirty())
    assert.equal(-1, dev:fd())
    for _, call in ipairs { dev.name, dev.flags, dev.attach, dev.detach, core.queue } do
      refused("device is closed", call, dev)
    end
    refused("device is closed", core.getoption, dev, "sndbuf")
    refused("device is closed", core.setoption, dev, "sndbuf", 1)
  end)
end)

describe("a queue", function()
  setup(process.sandbox)

  local pair = function()
    local dev = open { multi_queue = true, no_pi = true }
    return { dev, assert(core.queue(dev)) }
  end

  it("is another descriptor of the same device", function()
    with(pair(), function(dev, queue)
      process.must "ip link set t0 name t1"
      assert.equal("t1", queue:name())
      assert.same(dev:flags(), queue:flags())
      assert.are_not.equal(dev:fd(), queue:fd())
      dev:close()
      assert.equal("t1", queue:name())
    end)
  end)

  it("is detached and attached once", function()
    with(pair(), function(_, queue)
      check("EINVAL", queue:attach())
      check(true, queue:detach())
      assert.is_true(queue:flags().detached)
      check("EINVAL", queue:detach())
      check(true, queue:attach())
      assert.is_nil(queue:flags().detached)
    end)
  end)

  it("is not what a device with one queue has", function()
    with({ open() }, function(dev)
      check("EINVAL", dev:detach())
      check("EINVAL", dev:attach())
      refused("t0 was not opened with multi_queue = true", core.queue, dev)
    end)
  end)

  it("cannot be had from another network namespace, nor made there by mistake", function()
    with({ open { multi_queue = true } }, function(dev)
      process.sandbox()
      local queue, why, code = core.queue(dev)
      assert.is_nil(queue)
      assert.equal("t0: not in this network namespace: No such device", why)
      assert.equal(errno.ENODEV, code)
      assert.is_nil(process.run("ip link"):find "t0")
    end)
  end)

  it("needs a filter to be off, as the kernel would not attach it", function()
    with({ open { mode = "tap", multi_queue = true } }, function(dev)
      local queue = assert(core.queue(dev))
      assert.is_true(core.setoption(dev, "filter", { { 6, 0, 0, 65535 } }))
      local ok, why, code = core.queue(dev)
      assert.is_nil(ok)
      assert.is_truthy(why:find("t0: has a filter; take it off", 1, true))
      assert.equal(errno.EBUSY, code)
      assert.is_true(queue:detach())
      check("EBUSY", queue:attach())
      assert.is_true(core.setoption(dev, "filter", false))
      assert.is_true(queue:attach())
      assert(core.queue(dev)):close()
      queue:close()
    end)
  end)
end)

describe("descriptors of devices", function()
  local keeper, before

  setup(function()
    process.sandbox()
    keeper = open { multi_queue = true, vnet_hdr = true }
    assert(core.setoption(keeper, "persist", true))
    collectgarbage()
    collectgarbage()
    before = process.descriptors()
  end)
  teardown(function()
    core.setoption(keeper, "persist", false)
    keeper:close()
  end)

  it("are closed after 500 opens and closes", function()
    for _ = 1, 500 do
      assert.is_true(open { multi_queue = true }:close())
    end
    assert.equal(before, process.descriptors())
  end)

  it("are closed at once by 10 000 failed opens", function()
    collectgarbage "stop"
    for _ = 1, 10000 do
      check("EINVAL", core.open { name = "t0", mode = "tap" })
    end
    assert.equal(before, process.descriptors())
    collectgarbage "restart"
  end)

  it("are closed when the collector takes the devices", function()
    local function forget()
      for _ = 1, 200 do
        open { multi_queue = true }
      end
    end
    forget()
    collectgarbage()
    collectgarbage()
    assert.equal(before, process.descriptors())
  end)

  it("are as they should be under an eager collector", function()
    eager(function()
      for i = 1, 300 do
        local dev = open { multi_queue = true, vnet_hdr = true }
        local queue = assert(core.queue(dev))
        assert.equal("t0", dev:name() .. ("x"):rep(i):sub(1, 0))
        assert.same(dev:flags(), queue:flags())
        assert.is_true(core.setoption(queue, "offload", { "csum", "tso4" }))
        pcall(core.open, { name = "t0", mode = "tun", nonsense = {} })
        dev:close()
        queue:close()
      end
    end)
    assert.equal(before, process.descriptors())
  end)

  it("are not inherited", function()
    with({ open { multi_queue = true } }, function(dev)
      local _, status = process.run(("test -e /proc/self/fd/%d"):format(dev:fd()))
      assert.equal(1, status)
    end)
  end)
end)
