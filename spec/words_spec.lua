-- What a message says where an errno alone misleads: what is in the way, and what mends it.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local tun = require "tun"
local errno = tun.errno

local function says(wanted, code, result, why, number)
  assert.is_nil(result)
  assert.equal(wanted, why)
  assert.equal(code, errno[number])
end

local function has(words, result, why)
  assert.is_nil(result)
  assert.is_truthy(why:find(words, 1, true), why)
end

describe("words", function()
  before_each(function()
    assert(tun.sandbox())
  end)

  local TENTATIVE = "it is tentative: for a second or two t0 asks whether another host has it; add "
    .. "it with nodad = true, or wait until tun.addr.get has no flags.tentative"

  it("tell that an address is tentative", function()
    local dev = assert(tun.open { name = "t0", mode = "tap", address = "fd00::1/64" })
    says("udp [fd00::1]:5000: " .. TENTATIVE, "EADDRNOTAVAIL", tun.udp { bind = "[fd00::1]:5000" })
    says("route fd09::/32: prefsrc fd00::1: " .. TENTATIVE, "EINVAL",
      dev:add_route("fd09::/32", { prefsrc = "fd00::1" }))
    says("udp [fd00::2]:5000: no link here has this address", "EADDRNOTAVAIL",
      tun.udp { bind = "[fd00::2]:5000" })
    has("Invalid source address", dev:add_route("fd09::/32", { prefsrc = "fd00::2" }))
    dev:close()
    dev = assert(tun.open { name = "t0", mode = "tap",
                            address = { address = "fd00::1/64", nodad = true } })
    assert(tun.udp { bind = "[fd00::1]:5000" }):close()
    dev:close()
  end)

  it("tell which route is in the way", function()
    local one = assert(tun.open { name = "t1", address = "10.1.0.1/24", routes = { "default" } })
    local two = { name = "t2", address = "10.2.0.1/24", routes = { "default" } }
    says("route default: default dev t1 is there already; give this one another metric =, or take "
      .. "its place with tun.route.replace", "EEXIST", tun.open(two))
    two.routes = { { dst = "default", metric = 5 } }
    assert(tun.open(two)):close()
    assert(one:add_route("10.9.0.0/16", { via = "10.1.0.9", metric = 3 }))
    says("route 10.9.0.0/16: 10.9.0.0/16 via 10.1.0.9 dev t1 is there already; give this one "
      .. "another metric =, or take its place with tun.route.replace", "EEXIST",
      one:add_route("10.9.0.0/16", { metric = 3 }))
    one:close()
  end)

  it("tell that only Ethernet links can be in a bridge", function()
    local dev = assert(tun.open { name = "t0" })
    assert(tun.link.add { kind = "bridge", name = "b0" })
    local words = "link t0: only Ethernet links can be in a bridge, and t0 is none; a device that "
      .. 'is opened with mode = "tap" is one'
    says(words, "EINVAL", dev:set { master = "b0" })
    says(words, "EINVAL", tun.link.set { name = "t0", master = tun.link.get("b0").index })
    dev:close()
  end)

  it("tell that a queue is longer than there is memory for", function()
    local dev = assert(tun.open { name = "t0" })
    says("link t0: txqlen: the driver has memory for queues of 524288 packets at most", "EPERM",
      dev:set { txqlen = 524289 })
    assert(dev:set { txqlen = 1000 })
    dev:close()
  end)

  for name, words in pairs {
    all = "no link can be called so", default = "no link can be called so",
    ["a%"] = "% stands for a number only as one %d", ["a%d%d"] = "% stands for a number only",
  } do
    it("tell why a link cannot be called " .. name, function()
      has(name .. ": ", tun.open { name = name })
      has(words, tun.open { name = name })
      local dev = assert(tun.open { name = "t0" })
      has(words, dev:set { name = name })
      dev:close()
    end)
  end

  it("tell which process holds a device", function()
    local dev = assert(tun.open { name = "t0" })
    local pid = process.must "echo $PPID"
    local ok, why, code = tun.open { name = "t0" }
    assert.same({ nil, errno.EBUSY }, { ok, code })
    assert.matches("^t0: is open already, by process " .. pid .. " %(.+%), and only a multi%-queue",
      why)
    assert.is_nil(core.holder "t1")
    dev:close()
  end)

  it("quote a string", function()
    local function raises(words, t)
      local ok, why = pcall(tun.open, t)
      assert.is_false(ok)
      assert.is_truthy(why:find(words, 1, true), why)
    end
    raises('link.mtu: "1500" is not an integer', { mtu = "1500" })
    raises('sndbuf: "big" is not a number', { sndbuf = "big" })
    raises('sndbuf: "a\\0b" is not a number', { sndbuf = "a\0b" })
    raises('sndbuf: "' .. ("x"):rep(60) .. '..." is not a number', { sndbuf = ("x"):rep(70000) })
  end)

  it("name what is nearest first, few of many, and nothing twice", function()
    local function message(f, ...)
      local ok, why = pcall(f, ...)
      assert.is_false(ok)
      return why
    end
    local why = message(tun.open, { route = "10.0.0.0/8" })
    assert.is_truthy(why:find('no option "route"; there are: routes, ', 1, true), why)
    assert.is_true(#why < 200)
    assert.is_truthy(message(tun.open, { "tun5" }):find("a value without a name", 1, true))
    assert.is_truthy(message(tun.open, { mtuu = 1 }):find("there are: mtu, ", 1, true))
    assert.is_truthy(message(tun.route.add, { dst = "default", metrc = 1 })
      :find("there are: metric, ", 1, true))
    local NEIGH = { dst = "10.0.0.1", dev = "lo", nosuch = 1 }
    for _, list in ipairs {
      message(tun.route.add, { nosuch = 1 }), message(tun.neigh.add, NEIGH),
      message(tun.link.add, { nosuch = 1 }), message(tun.udp, { nosuch = 1 }),
      message(tun.batch, { nosuch = 1 }), message(tun.open, { nosuch = 1 }),
      message(tun.open, { offload = { "nosuch" } }),
    } do
      local seen = {}
      for name in list:match("there are: (.*)"):gmatch "[%w_.]+" do
        assert.is_nil(seen[name], list)
        seen[name] = true
      end
    end
  end)

  it("tell that an option can only be set", function()
    local dev = assert(tun.open { name = "t0", mode = "tap" })
    for _, name in ipairs { "nocsum", "steering_bpf", "filter_bpf", "tx_filter" } do
      says(("t0: %s: the kernel does not tell it, it can only be set"):format(name), "EOPNOTSUPP",
        dev:get(name))
    end
    for _, name in ipairs { "persist", "owner", "group", "carrier" } do
      assert.is_nil(select(2, dev:get(name)))
    end
    dev:close()
  end)
end)

-- With a /dev/net of its own: root of the host only.
local devices = "unshare -m --propagation unchanged sh -ec 'mount --make-rprivate /dev; "
  .. "mount -t tmpfs -o mode=755%s none /dev/net; %s; exec \"$@\"' -"
local privileged = select(2, process.run(devices:format("", "true") .. " true")) == 0

describe("the file of the driver", function()
  it("tells that there is no driver behind it", function()
    local explain = require "tun.explain"
    for _, name in ipairs { "ENODEV", "ENXIO" } do
      assert.equal("/dev/net/tun: there is no driver: `modprobe tun` loads it",
        explain.open({}, "/dev/net/tun: No such device", errno[name]))
    end
  end)

  local MAKE = "`mknod -m 666 /dev/net/tun c 10 200`"
  local OTHER = "/dev/net/tun: it is %s, not the character device 10:200 of the driver: "
    .. "`%s /dev/net/tun` and " .. MAKE
  local rows = {
    { "is missing", "", "true", "/dev/net/tun: there is no such file: `modprobe tun` makes it; in "
        .. "a chroot `mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200` does; a container "
        .. "has to be given it, as by --device /dev/net/tun" },
    { "is a plain file", "", "touch /dev/net/tun", OTHER:format("a plain file", "rm") },
    { "is a directory", "", "mkdir /dev/net/tun", OTHER:format("a directory", "rmdir") },
    { "is another device", "", "mknod /dev/net/tun c 1 3",
      OTHER:format("the character device 1:3", "rm") },
    { "is on a nodev mount", ",nodev", "mknod /dev/net/tun c 10 200",
      "/dev/net/tun: /dev/net is mounted nodev, so that no device file works there: "
        .. "`mount -o remount,dev /dev/net`" },
  }
  for _, row in ipairs(rows) do
    local spec = privileged and it or pending
    spec(row[1], function()
      local output = process.lua([[
        local tun = require "tun"
        for _, f in ipairs { tun.open, tun.features } do
          local result, why = f()
          print(result == nil and why)
        end
      ]], devices:format(row[2], row[3]))
      assert.equal(row[4] .. "\n" .. row[4], output)
    end)
  end
end)
