local tun = require "tun"
local process = dofile "spec/process.lua"
local errno = tun.errno

local ping = "\69\0\0\28\0\0\0\0\64\1\102\205\10\9\0\2\10\9\0\1\8\0\247\255\0\0\0\0"

local function open(options)
  local t = { name = "t0", inet6_addr_gen_mode = "none" }
  for key, value in pairs(options or {}) do
    t[key] = value
  end
  return assert(tun.open(t))
end

-- One key of every object of a list, in order.
local function column(list, key)
  local values = {}
  for i, object in ipairs(assert(list)) do
    values[i] = object[key]
  end
  table.sort(values)
  return values
end

local function raises(message, f, ...)
  local ok, why = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(why:find("^[^\n]*spec/tun_spec.lua:%d+: "), why)
  assert.is_truthy(why:find(message, 1, true), why)
end

local function refused(message, code, ok, why, number)
  assert.is_nil(ok)
  assert.equal(message, why)
  assert.equal(errno[code], number)
end

describe("tun", function()
  before_each(function() assert(tun.sandbox()) end)

  describe("sandbox", function()
    it("has nothing but the loopback, which is up", function()
      assert.same({ "lo" }, column(tun.link.list(), "name"))
      assert.is_true(tun.link.get("lo").flags.up)
      assert.is_truthy(process.must("ip -br addr show lo"):find "127.0.0.1/8")
    end)

    it("leaves open devices where they are", function()
      local device = open { address = "10.9.0.1/24" }
      local index = device:index()
      assert(tun.sandbox())
      refused("link t0: No such device", "ENODEV", tun.link.get "t0")
      local other = open { index = index + 1, mtu = 1300 }
      assert(device:set { mtu = 1400 })
      assert.same({ 1400, 1300 }, { device:link().mtu, other:link().mtu })
      assert.same({ "10.9.0.1/24" }, column(device:addresses(), "address"))
      assert.same({}, other:addresses())
      assert(device:add_route "10.10.0.0/16")
      local streamed = {}
      for route in tun.route.each { dev = device } do
        streamed[#streamed + 1] = route
      end
      assert.same(device:routes(), streamed)
      assert.equal(2, tun.route.flush { dev = device })
      assert.same({}, device:routes())
      other:close()
      device:close()
    end)
  end)

  describe("features", function()
    it("are the flags that the driver knows", function()
      local features = assert(tun.features())
      assert.same({ true, true, true }, { features.tun, features.tap, features.multi_queue })
    end)
  end)

  describe("errno", function()
    it("is a table both ways", function()
      assert.equal("EPERM", errno[1])
      assert.equal(1, errno.EPERM)
      assert.same({ errno.EAGAIN, "EAGAIN" }, { errno.EWOULDBLOCK, errno[errno.EWOULDBLOCK] })
    end)
  end)

  describe("a device", function()
    local device

    before_each(function() device = open() end)
    after_each(function() device:close() end)

    it("prints as one line", function()
      assert.equal("t0: tun, down, mtu 1500", tostring(device))
      assert(device:set { mtu = 1400, address = { "10.9.0.1/24", "fd09::1/64" } })
      assert.equal("t0: tun, up, mtu 1400, 10.9.0.1/24, fd09::1/64", tostring(device))
      assert(tun.link.del(device))
      assert.equal("deleted TUN/TAP device", tostring(device))
      device:close()
      assert.equal("closed TUN/TAP device", tostring(device))
    end)

    it("follows a rename", function()
      assert(device:set { name = "t1" })
      assert.equal("t1", device:name())
      assert.equal("t1", device:link().name)
      assert.equal(tun.link.get("t1").index, device:index())
    end)

    it("goes up and down", function()
      assert.is_false(device:get "up")
      assert(device:up())
      assert.is_true(device:get "up")
      assert(device:down())
      assert.is_nil(device:link().flags.up)
    end)

    it("gets what it was set to", function()
      local options = { mtu = 1300, txqlen = 77, alias = "mine", sndbuf = 5000, vnet_le = true,
                        persist = true, owner = 0, group = 0 }
      assert(device:set(options))
      assert(device:add_address "10.9.0.1/24")
      assert(device:up())
      for name, value in pairs(options) do
        assert.equal(value, (device:get(name)), name)
      end
      assert.equal("t0", device:get "name")
      assert.equal("tun", device:get "type")
      assert.is_nil(device:get "num_queues")
      assert.same({ "10.9.0.1/24" }, column(device:get "address", "address"))
      assert.same({ "10.9.0.0/24" }, column(device:get "routes", "dst"))
      assert.is_true(device:get("features").multi_queue)
      assert.equal(process.must "readlink /proc/$PPID/ns/net", tostring(device:get "netns"))
      assert(device:set { persist = false })
    end)

    it("is set as a whole or not at all", function()
      local ok, why = device:set { mtu = 1300, up = true, address = "10.9.0.1/24",
                                   routes = { { dst = "default", via = "10.8.0.1" } } }
      assert.is_nil(ok)
      assert.equal("route default: Network is unreachable: Nexthop has invalid gateway", why)
      assert.equal("t0: tun, down, mtu 1500", tostring(device))
      local kind = device:get "link_type"
      ok, why = device:set { link_type = 512, up = true, routes = { { dst = "default" }, {} } }
      assert.is_nil(ok)
      assert.matches("^route default: default dev t0 is there already; ", why)
      assert.equal("t0: tun, down, mtu 1500", tostring(device))
      assert.equal(kind, device:get "link_type")
    end)

    it("takes a link_type only when it is down", function()
      assert(device:up())
      refused("t0: link_type: the link is up; take it down first", "EBUSY",
        device:set { link_type = 512 })
      assert(device:set { link_type = 512, up = false })
      assert.equal(512, device:get "link_type")
    end)

    it("tells an option that it does not have", function()
      refused("t0: tx_filter: only a TAP device has one", "EINVAL",
        device:set { tx_filter = { "02:00:00:00:00:01" } })
      refused("t0: filter: only a TAP device has one", "EINVAL",
        device:set { filter = "1\n6 0 0 65535" })
      refused("t0: mac: only a TAP device whose link_type is Ethernet has one", "EOPNOTSUPP",
        device:set { mac = "02:00:00:00:00:01" })
      refused("t0: mac: only a TAP device whose link_type is Ethernet has one", "EOPNOTSUPP",
        device:get "mac")
      refused("t0: is not multi-queue; open it with multi_queue = true", "EINVAL",
        device:detach())
    end)

    it("tells that its tx_filter had no room", function()
      local tap = open { name = "tap0", mode = "tap" }
      local filter = { "01:00:5e:00:00:01" }
      for i = 1, 8 do
        filter[i + 1] = ("02:00:00:00:00:%02x"):format(i)
      end
      refused("tap0: tx_filter: more addresses than the kernel has room for, so that the "
        .. "filter is off", "ENOSPC", tap:set { tx_filter = filter })
      table.remove(filter)
      assert(tap:set { tx_filter = filter })
      assert(tap:set { tx_filter = false })
      tap:close()
    end)

    if _VERSION == "Lua 5.4" then
      it("closes at the end of its scope", function()
        local scope = assert(load "local device <close> = ...")
        local other = open { name = "t1" }
        scope(other)
        assert.equal(-1, other:fd())
        refused("link t1: No such device", "ENODEV", tun.link.get "t1")
      end)
    end

    it("raises for options that set does not take", function()
      raises('set: no option "mtuu"; there are: ', device.set, device, { mtuu = 1 })
      raises('get: no option "mtuu"; there are: ', device.get, device, "mtuu")
      raises("set: mode is decided when a device is opened", device.set, device, { mode = "tap" })
      raises("set: nil is not a table of options", device.set, device)
    end)

    it("has addresses and routes", function()
      assert(device:up())
      assert(device:add_address("10.9.0.1/24", { label = "t0:a" }))
      assert(device:add_address("fd09::1/64", { nodad = true }))
      assert(device:add_address("10.9.1.1/32", { peer = "10.9.1.2/32" }))
      local addresses = device:addresses()
      local v4, peer, v6 = addresses[1], addresses[2], addresses[3]
      assert.same({ "10.9.0.1/24", nil, "t0:a", "t0" }, { v4.address, v4.peer, v4.label, v4.dev })
      assert.same({ "10.9.1.1/32", "10.9.1.2/32" }, { peer.address, peer.peer })
      assert.same({ "fd09::1/64", true }, { v6.address, v6.flags.nodad })
      assert(device:add_route("default", { via = "10.9.0.2" }))
      assert(device:add_route "10.20.0.0/16")
      assert.same({ "10.20.0.0/16", "10.9.0.0/24", "10.9.1.2/32", "default", "fd09::/64" },
        column(device:routes(), "dst"))
      assert(device:del_route "10.20.0.0/16")
      assert(device:del_route("default", { via = "10.9.0.2" }))
      assert(device:del_address "10.9.0.1/24")
      assert(device:del_address("10.9.1.1/32", { peer = "10.9.1.2/32" }))
      assert(device:del_address "fd09::1/64")
      assert.same({}, device:addresses())
      assert.same({}, device:routes())
    end)

    it("tells a deleted one as such", function()
      assert(tun.link.del(device))
      refused("deleted", "EBADFD", device:link())
      refused("deleted", "EBADFD", device:index())
      refused("deleted", "EBADFD", device:add_address "10.9.0.1/24")
      refused("deleted", "EBADFD", device:addresses())
    end)

    it("reads and writes with C functions, and loops without a closure", function()
      assert.equal("C", debug.getinfo(device.read, "S").what)
      assert.equal("C", debug.getinfo(device.write, "S").what)
      assert.equal((device:each()), (device:each()))
    end)

    it("gives packets in a loop until it is closed", function()
      assert(device:set { address = "10.9.0.1/24" })
      assert(device:write(ping))
      local count = 0
      for bytes in device:each() do
        assert.equal(#ping, #bytes)
        count = count + 1
        if count == 3 then
          device:close()
        else
          assert(device:write(ping))
        end
      end
      assert.equal(3, count)
    end)

    it("ends a loop when it is deleted", function()
      local child = io.popen "exec ip link del t0"
      for _ in device:each() do
        error "a packet"
      end
      child:close()
      refused("deleted", "EBADFD", device:read(0))
    end)

    it("lets Ctrl-C end a loop that waits", function()
      local script = process.script [[
        local tun = require "tun"
        local device = assert(tun.open { name = "t1" })
        print "waiting"
        io.stdout:flush()
        for _ in device:each() do end
      ]]
      local output, status = process.run(([[
        folder=$(mktemp -d); trap 'rm -r $folder' EXIT; mkfifo $folder/output
        %s > $folder/output 2>&1 & child=$!
        { read line
          while kill -0 $child && ! grep -q poll /proc/$child/wchan; do :; done
          kill -INT $child; cat; } < $folder/output
        wait $child]]):format(script))
      assert.is_truthy(output:find "interrupted!", output)
      assert.are_not.equal(0, status)
    end)

    it("has queues that are attached and detached", function()
      local many = open { name = "m0", multi_queue = true }
      local queue = assert(many:queue())
      assert.equal("m0", queue:name())
      assert.equal(2, many:link().tun.num_queues)
      assert(queue:detach())
      assert.equal(1, many:link().tun.num_disabled_queues)
      refused("m0: the queue is detached already", "EINVAL", queue:detach())
      assert(queue:attach())
      refused("m0: the queue is attached already", "EINVAL", queue:attach())
      queue:close()
      many:close()
    end)
  end)

  describe("poll", function()
    local device

    before_each(function() device = open { address = "10.9.0.1/24" } end)
    after_each(function() device:close() end)

    it("tells which objects are ready, and for what", function()
      local other = open { name = "t1" }
      local object = { fd = function() return device:fd() end }
      refused("timeout", "EAGAIN", tun.poll({ device, other }, 0))
      assert(device:write(ping))
      local ready, events = tun.poll({ other, device, { device, "rw" }, { object, "w" }, object,
                                       device:fd() }, 5)
      assert.equal(5, #ready)
      assert.same({ device, device, object, object, device:fd() }, ready)
      assert.same({ "r", "rw", "w", "r", "r" }, events)
      other:close()
    end)

    it("tells closed ones at once", function()
      device:close()
      assert.same({ { device }, { "e" } }, { tun.poll { device } })
    end)

    it("waits as long as it is told", function()
      local before = process.must "cat /proc/uptime"
      refused("timeout", "EAGAIN", tun.poll({ device }, 0.2))
      local after = process.must "cat /proc/uptime"
      assert.is_true(after:match "%S+" - before:match "%S+" >= 0.19)
    end)

    it("raises for what has no descriptor", function()
      raises("poll: object 2 has no descriptor: none of fd, getfd, pollfd", tun.poll,
        { device, {} }, 0)
      raises("poll: object 1 has no descriptor", tun.poll, { "t0" }, 0)
    end)
  end)

  describe("link", function()
    it("is added again as it was listed", function()
      assert(tun.link.add { kind = "bridge", name = "br0", mtu = 1400,
                            inet6_addr_gen_mode = "none",
                            altnames = { "a-bridge", "the-one" } })
      local link = assert(tun.link.get "br0")
      assert.equal("none", link.inet6_addr_gen_mode)
      assert(tun.link.del "br0")
      link.bridge.vlan_filtering = nil -- a kernel may lack it, and refuses even false
      assert(tun.link.add(link))
      local again = assert(tun.link.get "br0")
      for _, key in ipairs { "index", "address", "mtu", "inet6_addr_gen_mode", "txqlen" } do
        assert.equal(link[key], again[key])
      end
      assert.same({ "a-bridge", "the-one" }, again.altnames)
      assert(tun.link.delproperty { name = "br0", altnames = { "a-bridge" } })
      assert.same({ "the-one" }, tun.link.get("br0").altnames)
      assert.has_error(function() tun.link.set { name = "br0", altnames = {} } end,
        "link: set cannot change altnames; addproperty and delproperty can")
      assert(tun.link.del "br0")
    end)

    it("is not there when a part of it was refused", function()
      assert.is_nil(tun.link.add { kind = "bridge", name = "br0",
                                     inet6_addr_gen_mode = "stable_secret" })
      assert.is_nil(tun.link.get "br0")
    end)

    it("is added, found by anything that names it, changed and deleted", function()
      assert(tun.link.add { kind = "bridge", name = "br0" })
      local link = assert(tun.link.get "br0")
      assert.equal("bridge", link.kind)
      assert.same(link.index, tun.link.get(link.index).index)
      assert.same(link.index, tun.link.get(link).index)
      assert(tun.link.set { name = "br0", mtu = 1300, up = true })
      assert(tun.link.set { dev = "br0", name = "br1" })
      assert(tun.link.set { dev = link.index, alias = "a bridge" })
      link = assert(tun.link.get "br1")
      assert.same({ 1300, true, "a bridge" }, { link.mtu, link.flags.up, link.alias })
      assert(tun.link.del "br1")
      refused("link br1: No such device", "ENODEV", tun.link.get "br1")
      refused("link br1: No such device", "ENODEV", tun.link.del "br1")
      refused("link br1: No such device", "ENODEV", tun.link.set { dev = "br1", up = true })
      refused("link br1: No such device", "ENODEV", tun.link.set { dev = "br1", name = "br2" })
    end)

    it("is listed by what the kernel filters by and what it does not", function()
      assert(tun.link.add { kind = "bridge", name = "br0", up = true })
      assert(tun.link.add { kind = "bridge", name = "br1", mtu = 1300, address =
        "02:00:00:00:00:0A" })
      local device = open { mode = "tap", master = "br0" }
      local function names(filter)
        return column(tun.link.list(filter), "name")
      end
      assert.same({ "br0", "br1", "lo", "t0" }, names())
      assert.same({ "br0", "br1" }, names { kind = "bridge" })
      assert.same({ "t0" }, names { master = "br0" })
      assert.same({ "t0" }, names { master = tun.link.get "br0" })
      assert.same({ "br0", "lo" }, names { up = true })
      assert.same({ "br1" }, names { kind = "bridge", up = false })
      assert.same({ "br1" }, names { mtu = 1300 })
      assert.same({ "br1" }, names { address = "02:00:00:00:00:0A" })
      assert.same({ "t0" }, names { tun = { type = "tap" } })
      assert.same({}, names { tun = { type = "tun" } })
      device:close()
    end)

    it("raises when nothing says which one", function()
      raises("link: say which one with name=, index= or dev=", tun.link.set, { up = true })
      raises("link: a nil is neither a table nor a name", tun.link.get)
      raises('no key "nmae"', tun.link.add, { nmae = "br0" })
    end)
  end)

  describe("addr", function()
    local device

    before_each(function() device = open { up = true } end)
    after_each(function() device:close() end)

    it("is added, replaced, found, listed and deleted", function()
      assert(tun.addr.add { dev = "t0", address = "10.9.0.1/24" })
      refused("address 10.9.0.1/24: File exists: ipv4: Address already assigned", "EEXIST",
        tun.addr.add { dev = device, address = "10.9.0.1/24" })
      assert(tun.addr.replace { dev = device:link(), address = "10.9.0.1/24", valid_lft = 1000,
                                preferred_lft = 500 })
      local found = assert(tun.addr.get "10.9.0.1/24")
      assert.is_true(found.valid_lft > 990 and found.valid_lft <= 1000)
      assert.same({ "10.9.0.1/24" }, column(tun.addr.list { dev = "t0" }, "address"))
      assert.same({ "127.0.0.1/8", "::1/128" }, column(tun.addr.list { dev = "lo" }, "address"))
      assert(tun.addr.del { dev = "t0", address = "10.9.0.1/24" })
      refused("address 10.9.0.1/24: there is none", "ENOENT", tun.addr.get "10.9.0.1/24")
    end)

    it("that was listed can be added again", function()
      assert(device:add_address("10.9.0.1/32", { peer = "10.9.0.2/32", scope = "link" }))
      assert(device:add_address("fd09::1/64", { noprefixroute = true, nodad = true }))
      local before = device:addresses()
      assert.equal(2, tun.addr.flush { dev = device })
      assert.same({}, device:addresses())
      for _, address in ipairs(before) do
        assert(tun.addr.add(address))
      end
      for _, addresses in ipairs { before, device:addresses() } do
        for _, address in ipairs(addresses) do
          address.created, address.updated = nil, nil
        end
      end
      assert.same(column(before, "address"), column(device:addresses(), "address"))
      assert.same(column(before, "scope"), column(device:addresses(), "scope"))
    end)

    it("is flushed with those that the kernel deletes along", function()
      local promote = assert(io.open("/proc/sys/net/ipv4/conf/t0/promote_secondaries", "w"))
      promote:write "0"
      promote:close()
      for i = 1, 3 do
        assert(device:add_address(("10.9.0.%d/24"):format(i)))
      end
      assert.equal(3, tun.addr.flush { dev = device })
      assert.same({}, device:addresses())
    end)

    it("is filtered by its canonical form", function()
      assert(device:add_address("fd09:0:0::0001/64", { nodad = true }))
      assert.equal("fd09::1/64", tun.addr.get("FD09:0::1/64").address)
      assert.equal(1, #tun.addr.list { dev = device, family = "inet6" })
      assert.equal(0, #tun.addr.list { dev = device, family = "inet" })
      assert.equal(1, #tun.addr.list { dev = device, nodad = true })
    end)

    it("of IPv6 tells when the MTU is too small for it", function()
      assert(device:set { mtu = 1000 })
      refused("address fd09::1/64: IPv6 needs an MTU of 1280 or more, and t0 has 1000", "EINVAL",
        device:add_address "fd09::1/64")
    end)

    it("raises when it or its link is missing", function()
      raises("address: address= and dev= are needed", tun.addr.add, { dev = "t0" })
      raises("address: address= and dev= are needed", tun.addr.del, "10.9.0.1/24")
      raises("addresses: flush needs a filter", tun.addr.flush, {})
    end)
  end)

  describe("route", function()
    local device

    before_each(function() device = open { address = "10.9.0.1/24" } end)
    after_each(function() device:close() end)

    -- A route as `ip route show` prints it.
    local function shown(what, family)
      local text = process.must(("ip %s route show %s"):format(family or "", what))
      return (text:gsub("%s+$", ""))
    end

    it("has the defaults of ip(8)", function()
      assert(tun.route.add { dst = "10.20.0.0/16", dev = "t0" })
      assert.equal("10.20.0.0/16 dev t0 scope link", shown "10.20.0.0/16")
      assert(tun.route.add { dst = "10.21.0.0/16", via = "10.9.0.2" })
      assert.equal("10.21.0.0/16 via 10.9.0.2 dev t0", shown "10.21.0.0/16")
      assert(tun.route.add { dst = "10.22.0.0/16", type = "blackhole" })
      assert.equal("blackhole 10.22.0.0/16", shown "10.22.0.0/16")
      assert(tun.route.add { dst = "10.23.0.1", type = "local", dev = device })
      assert.equal("local 10.23.0.1 dev t0 scope host", shown "table local 10.23.0.1")
      assert(tun.route.add { via = "10.9.0.2" })
      assert.equal("default via 10.9.0.2 dev t0", shown "default")
      assert(tun.route.del "default")
      assert(tun.route.add { dst = "default", dev = "t0" })
      assert.equal("default dev t0 scope link", shown "default")
      assert(tun.route.replace { dst = "default", nexthops = { { via = "10.9.0.2" } } })
      assert.equal("default via 10.9.0.2 dev t0", shown "default")
      assert(tun.route.add { dst = "default", family = "inet6", dev = "t0" })
      assert.equal("default dev t0 metric 1024 pref medium", shown("default", "-6"))
    end)

    it("is deleted by what names it", function()
      assert(tun.route.add { dst = "10.20.0.0/16", dev = "t0" })
      assert(tun.route.del "10.20.0.0/16")
      refused("route 10.20.0.0/16: No such process", "ESRCH", tun.route.del "10.20.0.0/16")
    end)

    it("is not in a table that does not exist", function()
      for _, family in ipairs { "inet", "inet6" } do
        assert.same({}, tun.route.list { table = 7777, family = family })
        for _ in tun.route.each { table = 7777, family = family } do
          error "a route"
        end
      end
    end)

    it("is looked up as the kernel would route", function()
      assert(tun.route.add { dst = "10.20.0.0/16", via = "10.9.0.2" })
      local route = assert(tun.route.get "10.20.1.2")
      assert.same({ "10.20.1.2/32", "10.9.0.2", "t0", "10.9.0.1" },
        { route.dst, route.via, route.dev, route.prefsrc })
      refused("route 1.1.1.1: Network is unreachable", "ENETUNREACH", tun.route.get "1.1.1.1")
    end)

    it("is replaced, and appended to", function()
      assert(tun.route.add { dst = "10.20.0.0/16", dev = "t0" })
      assert(tun.route.replace { dst = "10.20.0.0/16", via = "10.9.0.2" })
      assert.equal("10.20.0.0/16 via 10.9.0.2 dev t0", shown "10.20.0.0/16")
      assert(tun.route.append { dst = "10.20.0.0/16", via = "10.9.0.3" })
      assert.equal(2, #tun.route.list { dst = "10.20.0.0/16" })
    end)

    it("is listed by table, link and anything else", function()
      local function dsts(filter)
        return column(tun.route.list(filter), "dst")
      end
      assert(tun.route.add { dst = "10.20.0.0/16", dev = "t0", table = 500, metric = 7 })
      assert(tun.route.add { dst = "fd20::/16", dev = "t0" })
      assert.same({ "10.9.0.0/24", "fd20::/16" }, dsts())
      assert.same({ "10.20.0.0/16" }, dsts { table = 500 })
      assert.same({ "10.20.0.0/16" }, dsts { table = "all", metric = 7 })
      assert.same({ "fd20::/16" }, dsts { family = "inet6" })
      assert.same({ "fd20::/16" }, dsts { dst = "FD20:0::/16" })
      assert.same({ "10.9.0.0/24" }, dsts { proto = "kernel", dev = device })
      assert.same({}, dsts { dev = "lo" })
      refused('routes: No such device (dev "nope")', "ENODEV", tun.route.list { dev = "nope" })
    end)

    it("comes one at a time too", function()
      local list, streamed = tun.route.list { table = "all" }, {}
      for route in tun.route.each { table = "all" } do
        streamed[#streamed + 1] = route
        assert(tun.link.get "lo") -- other requests do not disturb it
      end
      assert.same(list, streamed)
      for address in tun.addr.each { dev = "t0" } do
        assert.equal("10.9.0.1/24", address.address)
        assert.is_nil(address.peer)
      end
      raises('routes: No such device (dev "nope") (ENODEV)', tun.route.each, { dev = "nope" })
    end)

    it("over several hops takes anything that names a link", function()
      assert(tun.route.add { dst = "10.30.0.0/16", nexthops = {
        { via = "10.9.0.2", dev = device, weight = 2 }, { via = "10.9.0.3", dev = "t0" },
      } })
      local route = assert(tun.route.list({ dst = "10.30.0.0/16" })[1])
      assert.same({ "10.9.0.2", 2, "t0" },
        { route.nexthops[1].via, route.nexthops[1].weight, route.nexthops[1].dev })
      assert(tun.route.del(route))
    end)

    it("tells what is wrong in the kernel's words", function()
      refused("route 10.20.0.0/16: Network is unreachable: Nexthop has invalid gateway",
        "ENETUNREACH", tun.route.add { dst = "10.20.0.0/16", via = "10.8.0.1" })
      raises('route: no key "gateway"; there are: ', tun.route.add, { gateway = "10.9.0.2" })
    end)

    it("is flushed by a filter", function()
      for i = 1, 5 do
        assert(tun.route.add { dst = ("10.%d.0.0/16"):format(20 + i), dev = "t0" })
      end
      assert.equal(5, tun.route.flush { proto = "boot" })
      assert.equal(0, tun.route.flush { proto = "boot" })
      assert.same({ "10.9.0.0/24" }, column(tun.route.list(), "dst"))
    end)
  end)
end)
