-- A device speaks of its own link, wherever that, the script or the process goes: nothing ever
-- reaches another link, though it has the same name and index.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local spec = require "tun.spec"
local tun = require "tun"
local errno = tun.errno

-- Run a function in another namespace, and come back.
local function within(ns, f)
  local back = assert(tun.netns())
  spec.setns(ns:fd())
  local ran, result = pcall(f)
  spec.setns(back:fd())
  back:close()
  return assert(ran and { result } or nil, result)[1]
end

-- A new namespace, in which the script is not.
local function another()
  local back = assert(tun.netns())
  assert(tun.sandbox())
  local ns = assert(tun.netns())
  spec.setns(back:fd())
  back:close()
  return ns
end

-- Give a link to a namespace, as `ip link set NAME netns` does.
local function move(name, ns, index)
  assert(tun.link.set { name = name, netns_fd = ns:fd(), new_index = index })
end

-- What there is of a link that must not change: all but what the kernel counts.
local function look(name)
  local link = assert(tun.link.get(name))
  local text = { link.name, link.index, link.mtu, tostring(link.flags.up), link.alias or "",
                 link.address or "", link.txqlen }
  for _, address in ipairs(tun.addr.list { dev = name }) do
    text[#text + 1] = address.address
  end
  for _, route in ipairs(tun.route.list { dev = name, table = "all" }) do
    text[#text + 1] = route.dst
  end
  return table.concat(text, " ")
end

-- What a script does with a device, with results that tell of its link.
local function use(dev)
  assert(dev:set { mtu = 1300, alias = "mine", txqlen = 77, address = "10.1.0.1/24",
                   routes = { "10.2.0.0/16" } })
  assert(dev:add_address "10.3.0.1/24")
  assert(dev:add_route("10.4.0.0/16", { metric = 7 }))
  local link = assert(dev:link())
  assert.same({ 1300, "mine", true, 77 }, { link.mtu, link.alias, link.flags.up, link.txqlen })
  assert.equal(link.index, assert(dev:index()))
  assert.equal(1300, dev:get "mtu")
  local addresses = {}
  for _, address in ipairs(assert(dev:addresses())) do
    addresses[address.address] = true
  end
  assert.is_true(addresses["10.1.0.1/24"] and addresses["10.3.0.1/24"])
  assert.equal("10.4.0.0/16", assert(dev:routes { metric = 7 })[1].dst)
  assert(dev:del_address "10.3.0.1/24")
  assert(dev:del_route("10.4.0.0/16", { metric = 7 }))
  assert(dev:down())
  assert.is_falsy(dev:link().flags.up)
  assert(dev:up())
  assert.equal(1, tun.addr.flush { dev = dev, address = "10.1.0.1/24" })
  assert.is_truthy(tostring(dev):find("mtu 1300", 1, true))
  for found in tun.route.each { dev = dev, dst = "10.2.0.0/16" } do
    assert.same({ "10.2.0.0/16", link.name }, { found.dst, found.dev })
  end
end

describe("a device", function()
  local away, dev

  -- A device, and in every namespace but its own a link of its name and index.
  local function setting(more)
    assert(tun.sandbox())
    away = another()
    local options = { name = "k0", index = 40, multi_queue = true, inet6_addr_gen_mode = "none" }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    dev = assert(tun.open(options))
  end

  -- A link with its name and index where the script is.
  local function double()
    assert(tun.link.add { kind = "bridge", name = "k0", index = 40, mtu = 1400 })
    return look "k0"
  end

  teardown(function()
    dev:close()
  end)

  local MOVES = {
    { "was moved", function() move("k0", away) end },
    { "moved itself", function() assert(dev:set { netns_fd = away:fd() }) end },
    { "was moved and renamed", function()
      move("k0", away)
      within(away, function() assert(tun.link.set { dev = "k0", name = "k9" }) end)
    end },
    { "was moved and has another index", function() move("k0", away, 44) end },
    { "was moved twice", function()
      local third = another()
      move("k0", third)
      dev:link()
      within(third, function() move("k0", away) end)
      third:close()
    end },
  }
  for _, row in ipairs(MOVES) do
    it(row[1] .. ", and a link with its name and index is made", function()
      setting()
      row[2]()
      local before = double()
      use(dev)
      assert.equal(before, look "k0")
      local queue = assert(dev:queue())
      assert.equal(2, dev:get "num_queues")
      assert.equal(before, look "k0")
      assert.equal(dev:index(), queue:index())
      queue:close()
    end)
  end

  it("stays where it is when the script goes, to one that has such a link", function()
    setting()
    spec.setns(away:fd())
    local before = double()
    use(dev)
    local queue = assert(dev:queue())
    assert.equal(2, dev:get "num_queues")
    assert(queue:set { mtu = 1288 })
    assert.equal(1288, dev:get "mtu")
    assert.equal(before, look "k0")
    queue:close()
  end)

  it("stays where it is when another Lua state of the thread enters a sandbox", function()
    setting()
    assert(core.unshare(false))
    local before = double()
    use(dev)
    assert.equal(before, look "k0")
  end)

  it("comes back", function()
    setting()
    move("k0", away)
    use(dev)
    within(away, function()
      local home = assert(dev:get "socket_netns")
      assert(tun.link.set { name = "k0", netns_fd = home:fd() })
      home:close()
    end)
    use(dev)
    assert.equal("mine", tun.link.get("k0").alias)
  end)

  for _, row in ipairs {
    { "it is", function() move("k0", away) end },
    { "the script was", function() spec.setns(away:fd()) end },
  } do
    it("has what sysfs and ethtool tell where " .. row[1], function()
      setting { napi = true, vnet_hdr = true }
      row[2]()
      double()
      assert(dev:set { offload = { "csum" } })
      assert.same({ csum = true }, dev:get "offload")
      assert.is_false(dev:get "threaded")
      if process.is_root then
        assert(dev:set { threaded = true })
        assert.is_true(dev:get "threaded")
      end
    end)
  end

  it("has its own MAC address where it is", function()
    setting { mode = "tap", mac = "02:00:00:00:00:01" }
    move("k0", away)
    double()
    assert.equal("02:00:00:00:00:01", dev:get "mac")
    assert(dev:set { mac = "02:00:00:00:00:02" })
    assert.equal("02:00:00:00:00:02", dev:link().address)
  end)

  it("is opened and configured where the script is now", function()
    assert(tun.sandbox())
    away = another()
    assert(tun.link.add { kind = "bridge", name = "k0", index = 40, mtu = 1400 })
    local before, home = look "k0", assert(tun.netns())
    spec.setns(away:fd())
    dev = assert(tun.open { name = "k0", index = 40, address = "10.1.0.1/24", mtu = 1300 })
    assert.equal("10.1.0.1/24", tun.addr.list({ dev = "k0", family = "inet" })[1].address)
    spec.setns(home:fd())
    assert.equal(before, look "k0")
    home:close()
  end)

  it("says that it was deleted elsewhere", function()
    setting()
    move("k0", away)
    within(away, function() assert(tun.link.del "k0") end)
    double()
    for _, call in ipairs {
      function() return dev:link() end, function() return dev:set { mtu = 1300 } end,
      function() return dev:up() end, function() return dev:add_address "10.1.0.1/24" end,
      function() return dev:index() end, function() return dev:queue() end,
      function() return dev:get "mtu" end, function() return dev:routes() end,
    } do
      local result, why, code = call()
      assert.same({ nil, "deleted", errno.EBADFD }, { result, why, code })
    end
  end)

  it("says so when its index is another link's", function()
    setting()
    assert(tun.link.del(dev))
    local before = double()
    assert.same({ nil, "deleted", errno.EBADFD }, { dev:set { mtu = 1300 } })
    assert.same({ nil, "deleted", errno.EBADFD }, { dev:down() })
    assert.equal(before, look "k0")
  end)

  it("that is closed says that, though its link is there", function()
    setting { persist = true }
    dev:close()
    assert.error_matches(function() dev:link() end, "device is closed")
    assert.error_matches(function() dev:index() end, "device is closed")
    assert.error_matches(function() tun.link.set { dev = dev, mtu = 1400 } end,
      "device is closed")
  end)

  it("is not in a request with one of another namespace", function()
    setting()
    local other = assert(tun.open { name = "k1", mode = "tap" })
    assert(tun.link.add { kind = "bridge", name = "b0" })
    move("k0", away)
    local ok, why, code = tun.link.set { dev = other, master = dev }
    assert.same({ nil, errno.EXDEV }, { ok, code })
    assert.matches("in another network namespace", why)
    other:close()
  end)

  it("tells its namespace to names that stand beside it", function()
    setting { mode = "tap" }
    move("k0", away)
    assert(tun.link.add { kind = "bridge", name = "b0" })
    within(away, function() assert(tun.link.add { kind = "bridge", name = "b1" }) end)
    assert.same({ nil, errno.ENODEV }, { (dev:set { master = "b0" }),
      select(3, dev:set { master = "b0" }) })
    assert(dev:set { master = "b1" })
    assert.equal("b1", dev:get "master")
  end)

  it("is learned anew after more deletions than a socket holds", function()
    setting()
    assert(dev:link())
    process.must("for i in $(seq 300); do echo link add c$i type veth peer name d$i;"
      .. " echo link del c$i; done | ip -batch -")
    move("k0", away)
    local before = double()
    use(dev)
    assert.equal(before, look "k0")
  end)

  it("does not keep the namespace that it was moved to", function()
    setting()
    move("k0", away)
    assert(dev:set { mtu = 1300 })
    assert(dev:queue()):close()
    away:close()
    collectgarbage() -- what another() left
    collectgarbage()
    local name, why
    for _ = 1, 400 do -- the kernel does it later
      name, why = dev:name()
      if not name then break end
      core.poll({}, nil, 0.01)
    end
    assert.same({ nil, "deleted" }, { name, why })
  end)

  it("leaks no descriptor, wherever it is", function()
    setting { napi = true }
    dev:link()
    dev:get "threaded"
    move("k0", away)
    local before = process.opened()
    for _ = 1, 3 do
      use(dev)
      assert.is_false(dev:get "threaded")
      dev:set { mtu = 7 }
      dev:queue():close()
    end
    assert.same({}, process.leaked(before))
  end)
end)

describe("a user without privilege", function()
  local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    .. " --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"

  it("is told that its device has left, and reaches no other", function()
    if not process.is_root then
      return
    end
    assert(tun.sandbox())
    local dev = assert(tun.open { name = "u0", index = 50, persist = true, owner = 65534,
                                  multi_queue = true })
    dev:close()
    local away = another()
    local fifo = os.tmpname()
    os.remove(fifo)
    process.must("mkfifo -m 666 " .. fifo)
    local code = process.script [[
      local tun = require "tun"
      local dev = assert(tun.open { name = "u0", multi_queue = true })
      assert(dev:link().name == "u0")
      io.stdout:write "ready\n"
      io.stdout:flush()
      io.read()
      for _, call in ipairs {
        function() return dev:link() end, function() return dev:set { mtu = 1300 } end,
        function() return dev:queue() end, function() return dev:get "mtu" end,
      } do
        local result, why, errno = call()
        print(result, why, tun.errno[errno])
      end
    ]]
    local child = io.popen(("chmod 666 /dev/net/tun; exec %s %s <%s"):format(nobody, code, fifo))
    local input = assert(io.open(fifo, "w"))
    assert.equal("ready", child:read "*l")
    move("u0", away)
    assert(tun.link.add { kind = "bridge", name = "u0", index = 50, mtu = 1400 })
    input:write "\n"
    input:close()
    for _ = 1, 4 do
      assert.equal("nil\tu0: it is in another network namespace, and only root (CAP_NET_ADMIN) "
        .. "is told in which\tEPERM", child:read "*l")
    end
    child:close()
    os.remove(fifo)
    away:close()
  end)
end)

describe("after a fork", function()
  -- Call a function in parent and child at once, and wait for both.
  local function both(f)
    local child = spec.fork(f)
    local ran, why = pcall(f)
    local status = spec.wait(child, 20)
    assert(ran, why)
    assert.equal(0, status)
  end

  local function lists()
    for _ = 1, 300 do
      local names = {}
      for _, link in ipairs(assert(tun.link.list())) do
        names[#names + 1] = link.name
      end
      assert(table.concat(names, " ") == "lo f0", table.concat(names, " "))
      assert(assert(tun.addr.list())[1].address == "127.0.0.1/8")
    end
  end

  local dev

  before_each(function()
    assert(tun.sandbox())
    dev = assert(tun.open { name = "f0", inet6_addr_gen_mode = "none" })
    assert(tun.link.list())
  end)
  after_each(function()
    dev:close()
  end)

  it("parent and child list", function()
    both(lists)
  end)

  it("child and grandchild list", function()
    local child = spec.fork(function() both(lists) end)
    lists()
    assert.equal(0, spec.wait(child, 20))
  end)

  it("parent and child use a device, also elsewhere", function()
    both(function()
      for i = 1, 100 do
        assert(dev:set { mtu = 1300 + i })
        assert(dev:link().name == "f0")
      end
    end)
    local away = another()
    move("f0", away)
    assert(tun.link.add { kind = "bridge", name = "f0", index = dev:index() + 1, mtu = 1400 })
    local before = look "f0"
    both(function()
      for i = 1, 20 do
        assert(dev:set { mtu = 1300 + i })
      end
    end)
    assert.equal(before, look "f0")
    away:close()
  end)

  it("a device that is moved then is known by both", function()
    local away = another()
    local child = spec.fork(function()
      move("f0", away)
      assert(tun.link.add { kind = "bridge", name = "f0", mtu = 1400 })
      assert(dev:set { mtu = 1300 })
      assert(tun.link.get("f0").mtu == 1400)
    end)
    assert.equal(0, spec.wait(child, 20))
    assert.equal(1300, dev:link().mtu)
    assert(dev:set { mtu = 1310 })
    assert.equal(1400, tun.link.get("f0").mtu)
    away:close()
  end)

  it("an each goes on in the parent, and raises in the child", function()
    for i = 1, 400 do
      assert(tun.route.add { dst = ("10.9.%d.0/24"):format(i % 256), dev = "lo", metric = i })
    end
    local step, state, first, closing = tun.route.each { dev = "lo" }
    assert(step(state, first))
    local child = spec.fork(function()
      local ran, why = pcall(step, state, nil)
      assert(not ran and why:find "routes: netlink socket: .*%(ESTALE%)", why)
      local count = 0
      for _ in tun.route.each { dev = "lo" } do
        count = count + 1
      end
      assert(count == 400, count)
    end)
    assert.equal(0, spec.wait(child, 20))
    local count = 1
    for _ in step, state, first, closing do
      count = count + 1
    end
    assert.equal(400, count)
  end)

  it("a request socket of the parent refuses", function()
    local socket = assert(core.netlink())
    local child = spec.fork(function()
      for _, call in ipairs {
        function() return socket:request("link", "get", { name = "lo" }) end,
        function() return socket:list("link", {}) end,
        function() return socket:start("link", {}) end,
      } do
        local result, why, code = call()
        assert(not result and why:find "netlink socket: " and errno[code] == "ESTALE", why)
      end
    end)
    assert.equal(0, spec.wait(child, 20))
    assert.equal("lo", socket:request("link", "get", { name = "lo" }).name)
    socket:close()
  end)

  it("a watch of the parent's tells nothing to the child, and all to the parent", function()
    local watch = assert(core.watch())
    assert(tun.link.add { kind = "bridge", name = "w0", index = 60 })
    assert.is_nil(watch:next())
    assert(tun.link.del "w0")
    local child = spec.fork(function()
      assert(watch:next() == false)
      assert(watch:next() == false)
    end)
    assert.equal(0, spec.wait(child, 20))
    assert.equal(60, watch:next())
    assert.is_nil(watch:next())
    watch:close()
  end)
end)

describe("a link that is made in another namespace", function()
  it("gets there what the kernel takes only then", function()
    assert(tun.sandbox())
    local away = another()
    assert(tun.link.add { kind = "bridge", name = "n0" })
    assert(tun.link.add { kind = "bridge", name = "n0", netns_fd = away:fd(), alias = "there",
                          altnames = { "n1" } })
    assert.is_nil(tun.link.get("n0").alias)
    within(away, function()
      assert.same({ "there", "n1" }, { tun.link.get("n0").alias, tun.link.get("n0").altnames[1] })
    end)
    away:close()
  end)

  it("is of the namespace of the device that it is over", function()
    assert(tun.sandbox())
    local away = another()
    local dev = assert(tun.open { name = "m0", mode = "tap" })
    assert(dev:set { netns_fd = away:fd() })
    assert(tun.link.add { kind = "bridge", name = "m1" })
    assert(tun.link.add { kind = "macvlan", name = "m1", link = dev, alias = "over" })
    assert.is_nil(tun.link.get("m1").alias)
    within(away, function()
      assert.equal("over", tun.link.get("m1").alias)
    end)
    dev:close()
    away:close()
  end)
end)
