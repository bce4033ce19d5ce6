-- What is believed is what is: keys that are not obeyed are refused, what is said of a deleted
-- device, integers, bytes that would be cut.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local tun = require "tun"
local errno = tun.errno

-- Check that a call is the fault of its caller, in a line of this file.
local function refused(words, call, ...)
  local ok, why = pcall(call, ...)
  assert.is_false(ok)
  assert.is_truthy(why:find(words, 1, true), why)
  assert.is_truthy(why:find "believed_spec%.lua:%d+: ", why)
end

describe("tun.route.get", function()
  setup(function()
    assert(tun.sandbox())
    assert(tun.link.add { kind = "veth", name = "v0", veth = { peer = { name = "v1" } } })
    for _, name in ipairs { "v0", "v1" } do
      assert(tun.link.set { name = name, up = true })
    end
    assert(tun.addr.add { dev = "v0", address = "10.0.0.1/24" })
    assert(tun.addr.add { dev = "v0", address = "fd00::1/64", nodad = true })
    assert(tun.route.add { dst = "10.9.0.0/16", dev = "v0", table = 77 })
    assert(tun.route.add { dst = "fd09::/32", dev = "v0", table = 78 })
    assert(tun.rule.add { to = "10.9.0.0/16", table = 77 })
    assert(tun.rule.add { to = "fd09::/32", table = 78 })
  end)

  for dst, wanted in pairs { ["10.9.1.2"] = 77, ["10.0.0.7"] = "main", ["10.0.0.1"] = "local",
                             ["fd09::2"] = 78, ["fd00::2"] = "main" } do
    it(("tells the table of %s"):format(dst), function()
      assert.equal(wanted, assert(tun.route.get(dst)).table)
      assert.equal(wanted, assert(tun.route.get { dst = dst, flags = {} }).table)
    end)
  end

  it("takes flags beside", function()
    assert.equal("10.9.0.0/16", tun.route.get { dst = "10.9.1.2", fib_match = true }.dst)
    refused("flags", tun.route.get, { dst = "10.9.1.2", flags = 3 })
  end)
end)

describe("the two groups of a device", function()
  it("have two names", function()
    assert(tun.sandbox())
    local dev = assert(tun.open { name = "g0", link_group = 7 })
    assert.same({ n = 2, 7 }, { n = 2, dev:get "link_group", dev:get "group" })
    assert(dev:set { group = 5 })
    assert.same({ 7, 5 }, { dev:get "link_group", dev:get "group" })
    assert(dev:set { link_group = dev:get "link_group" + 1 })
    assert.same({ 8, 5 }, { dev:get "link_group", dev:get "group" })
    assert.equal(8, dev:link().group)
    dev:close()
  end)
end)

describe("a key that is not obeyed", function()
  local dev
  setup(function()
    assert(tun.sandbox())
    dev = assert(tun.open { name = "k0", mode = "tap" })
    assert(tun.link.add { kind = "bridge", name = "b0" })
  end)
  teardown(function() dev:close() end)

  local MEANT = {
    kind = { "tap", 'mode, "tun" or "tap"' }, type = { "tap", 'mode, "tun" or "tap"' },
    num_rx_queues = { 4, "multi_queue = true" }, num_tx_queues = { 4, "multi_queue = true" },
    ip = { "10.0.0.1/24", "is address" }, gateway = { "10.0.0.9", "is routes" },
    dev = { "k1", "is name" }, hwaddr = { "02:00:00:00:00:01", "is mac" },
  }
  for key, row in pairs(MEANT) do
    it(("is refused by open and set, with the one that was meant: %s"):format(key), function()
      refused(('open: no option "%s"; what is meant is'):format(key), tun.open, { [key] = row[1] })
      refused(row[2], tun.open, { [key] = row[1] })
      refused(('set: no option "%s"; what is meant is'):format(key), dev.set, dev,
        { [key] = row[1] })
    end)
  end

  it("is refused by link.set, unless it is so already", function()
    refused("link: kind is decided when a link is made", tun.link.set,
      { name = "b0", kind = "vlan" })
    refused("link: kind is decided when a link is made", tun.link.set, { dev = dev, kind = "tap" })
    refused("link: num_rx_queues is decided when a link is made", tun.link.set,
      { name = "b0", num_rx_queues = 9 })
    refused("link: num_tx_queues is decided when a link is made", tun.link.set,
      { name = "b0", num_tx_queues = 9 })
    refused("link: slave_kind follows master", tun.link.set,
      { name = "b0", slave_kind = "bridge" })
    local queues = tun.link.get("b0").num_rx_queues
    assert(tun.link.set { name = "b0", kind = "bridge", num_rx_queues = queues, mtu = 1400 })
    assert.equal(1400, tun.link.get("b0").mtu)
    assert(tun.link.set { name = "b0", kind = "bridge", bridge = { stp_state = 0 } })
    local ok, why, code = tun.link.set { name = "nope", kind = "bridge" }
    assert.same({ nil, "link No such device", errno.ENODEV }, { ok, why, code })
  end)

  it("is up when flags.up is something else", function()
    refused("up: it is false, and flags.up is true", dev.set, dev,
      { up = false, flags = { up = true } })
    refused("up: it is false, and flags.up is true", tun.link.set,
      { name = "b0", up = false, flags = { up = true } })
  end)
end)

describe("the second argument of a verb", function()
  setup(function()
    assert(tun.sandbox())
    assert(tun.link.add("t0", { kind = "veth", link = "t1" }))
  end)

  it("is what is to be said of the first", function()
    assert.is_false(tun.link.get("t0").up)
    assert(tun.link.set("t0", { up = true }))
    assert.is_true(tun.link.get("t0").up)
    assert.is_true(tun.link.list({ name = "t0" })[1].up)
    assert(tun.link.set(tun.link.get("t0").index, { mtu = 1400 }))
    assert.equal(1400, tun.link.get("t0").mtu)
    assert(tun.addr.add("10.0.0.1/24", { dev = "t0" }))
    assert.equal("10.0.0.1/24", tun.addr.get({ dev = "t0", family = "inet" }).address)
    assert(tun.route.add("10.7.0.0/16", { dev = "t0" }))
    assert.equal(1, #tun.route.list("10.7.0.0/16", { dev = "t0" }))
    assert(tun.route.del("10.7.0.0/16", { dev = "t0" }))
    assert(tun.link.set("t0", { up = false }))
    assert(tun.link.set("t0", { name = "t9" }))
    assert(tun.link.set("t9", { name = "t0" }))
  end)

  it("of a device is the namespace", function()
    local back = assert(tun.netns())
    local dev = assert(tun.open { name = "d0" })
    assert(tun.sandbox())
    assert.same({}, tun.link.list { name = "t0" })
    assert.equal("t0", tun.link.list({ name = "t0" }, dev)[1].name)
    assert.equal("t0", tun.link.get("t0", dev).name)
    dev:close()
    require("tun.spec").setns(back:fd())
    back:close()
  end)

  for _, noun in ipairs(core.nouns()) do
    for verb, call in pairs(tun[noun]) do
      it(("is nothing else: tun.%s.%s"):format(noun, verb), function()
        for _, second in ipairs { 1, true, "up", function() end, 1.5 } do
          refused("the second argument", call, { dev = "t0" }, second)
          refused("the second argument", call, "10.0.0.1/24", second)
        end
        refused("the second argument", call, { dev = "t0" }, { up = true })
        refused("the third argument", call, { dev = "t0" }, nil, 1)
      end)
    end
  end

  it("says nothing twice", function()
    refused("address: address is given twice", tun.addr.add, "10.0.0.1/24",
      { address = "10.0.0.2/24", dev = "t0" })
  end)
end)

describe("a deleted device", function()
  local dev
  before_each(function()
    assert(tun.sandbox())
    dev = assert(tun.open { name = "x0", mode = "tap", multi_queue = true, vnet_hdr = true })
    assert(tun.link.del(dev))
  end)
  after_each(function() dev:close() end)

  local function deleted(name, result, why, code)
    assert.same({ name, nil, "deleted", errno.EBADFD }, { name, result, why, code })
  end

  local STAY = { features = true, socket_netns = true } -- of the descriptor alone

  it("says so whatever is read", function()
    local count, names = 0, { "address", "routes", "up", "link_group", "num_queues" }
    for name, option in pairs(core.options()) do
      names[#names + 1] = option.get and not STAY[name] and name or nil
    end
    for _, field in ipairs(core.fields "link") do
      names[#names + 1] = field.key
    end
    for _, name in ipairs(names) do
      count = count + 1
      deleted(name, dev:get(name))
    end
    assert.is_true(count > 50)
  end)

  it("says so whatever is set", function()
    local values = {
      persist = true, owner = 0, group = 0, mac = "02:00:00:00:00:01", link_type = 1,
      carrier = true, sndbuf = 1000, offload = { "csum" }, threaded = true, vnet_hdr_size = 12,
      vnet_le = true, vnet_be = true, filter = false, tx_filter = false, steering_bpf = false,
      filter_bpf = false, debug = 1, nocsum = true, up = true, mtu = 1300, txqlen = 3,
      alias = "x", master = 0, flags = { arp = true }, name = "x1", link_group = 3,
      address = "10.0.0.1/24", routes = { "10.0.0.0/8" },
    }
    for name, option in pairs(core.options()) do
      assert.is_true(values[name] ~= nil or not option.set, name)
    end
    for name, value in pairs(values) do
      deleted(name, dev:set { [name] = value })
    end
  end)

  it("says so by every method, and every verb about it", function()
    local batch = assert(tun.batch { headroom = 300 })
    for _, name in ipairs { "attach", "detach", "queue", "name", "index", "flags", "link",
                            "addresses", "routes", "up", "down", "read", "receive" } do
      deleted(name, dev[name](dev))
    end
    for _, name in ipairs { "add_address", "del_address", "add_route", "del_route" } do
      deleted(name, dev[name](dev, "10.0.0.0/24"))
    end
    deleted("write", dev:write(("x"):rep(60)))
    deleted("receive", dev:receive(batch, 0))
    for _, noun in ipairs(core.nouns()) do
      for verb, call in pairs(tun[noun]) do
        if verb == "each" and noun ~= "rule" then
          assert.error_matches(function() call { dev = dev } end, "deleted %(EBADFD%)$")
        elseif noun ~= "rule" then
          deleted(noun .. verb, call { dev = dev })
        end
      end
    end
  end)
end)

describe("a zero byte", function()
  local dev, batch
  setup(function()
    assert(tun.sandbox())
    dev = assert(tun.open { name = "z0", mode = "tap", vnet_hdr = true })
    batch = assert(tun.batch())
  end)
  teardown(function() dev:close() end)

  local rows = {
    { "mode", function() tun.open { mode = "tap\0x" } end },
    { "name", function() tun.open { name = "z1\0x" } end },
    { "an option", function() tun.open { ["mtu\0"] = 1400 } end },
    { "mode of a batch", function() tun.batch { mode = "tap\0" } end },
    { "mac", function() dev:set { mac = "02:00:00:00:00:01\0x" } end },
    { "tx_filter", function() dev:set { tx_filter = { "02:00:00:00:00:01\0" } } end },
    { "tx_filter's allmulti", function() dev:set { tx_filter = { ["allmulti\0"] = true } } end },
    { "filter", function() dev:set { filter = "1\n6 0 0 0\n\0x" } end },
    { "offload", function() dev:set { offload = { "csum\0x" } } end },
    { "netns", function() tun.netns "/proc/self/ns/net\0x" end },
    { "an option to get", function() dev:get "mtu\0x" end },
    { "alias", function() dev:set { alias = "a\0b" } end },
    { "address", function() dev:add_address "10.0.0.1/24\0x" end },
    { "route", function() dev:add_route "10.0.0.0/8\0x" end },
    { "name of a link", function() tun.link.get "lo\0x" end },
    { "dev", function() tun.addr.list { dev = "lo\0x" } end },
    { "master", function() tun.link.set { name = "z0", master = "lo\0" } end },
    { "key", function() tun.link.set { name = "z0", ["mtu\0"] = 1400 } end },
    { "key inside", function() tun.link.add { name = "b", kind = "bridge",
                                              bridge = { ["stp_state\0"] = 1 } } end },
    { "kind", function() tun.link.add { name = "b", kind = "bridge\0" } end },
    { "table", function() tun.route.add { dst = "10.0.0.0/8", dev = "lo", table = "main\0" } end },
    { "altname", function() tun.link.addproperty { name = "lo", altnames = { "a\0" } } end },
    { "bind", function() tun.udp { bind = "127.0.0.1:0\0" } end },
    { "dev of a socket", function() tun.udp { bind = "127.0.0.1:0", dev = "lo\0" } end },
    { "src of a batch", function() batch:set { src = "10.0.0.1\0x" } end },
    { "a field of a batch", function() batch:set { ["ttl\0"] = 1 } end },
    { "events", function() tun.poll({ { dev, "r\0" } }, 0) end },
  }
  for _, row in ipairs(rows) do
    it("cuts nothing short: " .. row[1], function()
      local ok, why = pcall(row[2])
      assert.is_false(ok)
      assert.is_truthy(why:find "believed_spec%.lua:%d+: ", why)
    end)
  end
end)

describe("tun.netns", function()
  for _, path in ipairs { "/etc/passwd", "/proc/self/ns/mnt", "/dev/null", "/tmp" } do
    it("refuses what is none: " .. path, function()
      local before = process.descriptors()
      local ns, why, code = tun.netns(path)
      assert.same({ nil, path .. ": not a network namespace: Invalid argument", errno.EINVAL },
        { ns, why, code })
      assert.equal(before, process.descriptors())
    end)
  end
end)

describe("a full batch", function()
  it("receives nothing, and says why", function()
    assert(tun.sandbox())
    local dev = assert(tun.open { address = "10.0.0.1/24", inet6_addr_gen_mode = "none" })
    local socket = assert(tun.udp { bind = "127.0.0.1:0" })
    assert(socket:connect(socket:address()))
    local batch = assert(tun.batch { slots = 2 })
    assert(batch:add "a" and batch:add "b")
    for _, from in ipairs { dev, socket } do
      for _, seconds in ipairs { 0, false } do
        local n, why, code = from:receive(batch, seconds or nil)
        assert.same({ nil, errno.ENOBUFS }, { n, code })
        assert.matches("^batch: no slot is free, clear%(%) gives all back", why)
      end
    end
    batch:clear()
    assert(socket:write "c")
    assert.equal(1, socket:receive(batch))
    dev:close()
    socket:close()
  end)
end)

describe("a number", function()
  it("is an integer where Lua has such: bytes of a batch", function()
    local batch = assert(tun.batch())
    batch:add(("x"):rep(61))
    assert.equal("61", tostring(batch:size()))
  end)
end)
