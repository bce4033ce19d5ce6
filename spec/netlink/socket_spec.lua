-- The rtnetlink socket against the kernel: answers of every shape, dumps that are filtered,
-- interrupted, left half-read or long; and what a caller can do wrong.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local errno = core.errno

-- The number by which the kernel sends to a socket.
local function port(socket)
  local inode = process.must("readlink /proc/$PPID/fd/" .. socket:fd()):match "%d+"
  for line in io.lines "/proc/net/netlink" do
    if line:match "(%d+)%s*$" == inode then
      return tonumber(line:match "^%S+%s+%S+%s+(%d+)")
    end
  end
end

describe("a netlink socket", function()
  local socket

  setup(function()
    process.sandbox()
    socket = assert(core.netlink())
    assert(socket:request("link", "add", { name = "v0", kind = "veth",
      veth = { peer = { name = "v1" } } }))
    assert(socket:request("link", "add", { name = "br0", kind = "bridge" }))
    for _, name in ipairs { "lo", "v0", "v1" } do
      assert(socket:request("link", "set", { name = name, flags = { up = true } }))
    end
    assert(socket:request("addr", "add", { dev = "v0", address = "10.0.0.1/24",
      peer = "10.0.0.1/24" }))
  end)

  teardown(function()
    socket:close()
  end)

  -- Requests that the kernel refuses, and why. What it says is that of Linux 6.18.
  local REFUSED = {
    { "with an errno alone", "link", "set", { index = 9999, mtu = 1400 }, "ENODEV",
      "^No such device$" },
    { "with a text", "link", "set", { name = "v0", mtu = 10 }, "EINVAL",
      "^Invalid argument: mtu less than device minimum" },
    { "with a text, of an address", "addr", "add",
      { dev = "v0", address = "10.0.0.1/24", peer = "10.0.0.1/24" }, "EEXIST",
      "^File exists: ipv4: Address already assigned" },
    { "with a text, of a route", "route", "add", { dst = "10.9.0.0/16", via = "99.0.0.1",
      type = "unicast" }, "ENETUNREACH", "^Network is unreachable: Nexthop has invalid gateway" },
    { "with a text and an attribute", "link", "set", { name = "v0", new_index = -1 }, "ERANGE",
      "^Numerical result out of range: integer out of range %(new_index: at least 1, at most " },
    { "with the bound of a length", "addr", "add", { dev = "v0", address = "10.0.0.1/24",
      peer = "10.0.0.1/24", label = ("x"):rep(16) }, "ERANGE",
      "Attribute failed policy validation %(label: at most 15 bytes%)$" },
    { "with an attribute in a nest", "link", "add", { name = "br1", kind = "bridge",
      bridge = { group_addr = "01:80:c2:00:00:00:01" } }, "ERANGE",
      "Attribute failed policy validation %(bridge.group_addr: at most 6 bytes%)$" },
    { "with an attribute of a family", "link", "set", { name = "v0", inet6_token = "1.2.3.4" },
      "ERANGE", "Attribute failed policy validation %(inet6_token%)$" },
    { "with an attribute in the message of a peer", "link", "add", { name = "v8", kind = "veth",
      veth = { peer = { name = "v9", new_index = -1 } } }, "ERANGE",
      "integer out of range %(veth.peer.new_index: at least 1, " },
    { "with a text for a driver", "link", "add", { name = "t0", kind = "tun" }, "EOPNOTSUPP",
      "^Operation not supported: tun/tap creation via rtnetlink is not supported" },
    { "when it is asked for something", "route", "get", { dst = "10.0.0.1/24" }, "EINVAL",
      "^Invalid argument: ipv4: Invalid values in header for route get request" },
    { "for what is not there", "route", "del", { dst = "10.99.0.0/16" }, "ESRCH",
      "^No such process" },
  }
  for _, row in ipairs(REFUSED) do
    it("hears no " .. row[1], function()
      local ok, why, code = socket:request(row[2], row[3], row[4])
      assert.is_nil(ok)
      assert.matches(row[6], why)
      assert.equal(row[5], errno[code])
    end)
  end

  -- Dumps that the kernel refuses at the end, in NLMSG_DONE.
  local ENDED = {
    { "route", { family = "inet", table = 77 }, "ENOENT",
      "^No such file or directory: ipv4: FIB table does not exist" },
    { "route", { family = "inet6", table = 77 }, "ENOENT",
      "^No such file or directory: ipv6: FIB table does not exist" },
    { "route", { family = "inet", dev = 9999 }, "ENODEV", "^No such device$" },
    { "addr", { family = "inet", dev = 9999 }, "ENODEV", "^No such device$" },
  }
  for _, row in ipairs(ENDED) do
    it(("hears no to a list: %s, %s"):format(row[1], row[4]), function()
      local list, why, code = socket:list(row[1], row[2])
      assert.is_nil(list)
      assert.matches(row[4], why)
      assert.equal(row[3], errno[code])
      assert.is_true(socket:start(row[1], row[2]))
      local object
      object, why, code = socket:next()
      assert.is_nil(object)
      assert.matches(row[4], why)
      assert.equal(row[3], errno[code])
    end)
  end

  it("knows links by name where a request names one", function()
    assert.equal(1, socket:index "lo")
    assert.equal("lo", socket:name(1))
    for _, name in ipairs { "nope", "", "lo:1", ("x"):rep(16), ("x"):rep(300) } do
      local index, why, code = socket:index(name)
      assert.same({ nil, name .. ": No such device", errno.ENODEV }, { index, why, code })
    end
    assert.same({ nil, "interface 9999: No such device", errno.ENODEV },
      { socket:name(9999) })
    local rows = {
      { "addr", { address = "10.0.0.9/24", dev = "nope" }, 'dev "nope"' },
      { "link", { name = "v0", master = "nope" }, 'master "nope"' },
      { "link", { name = "x", kind = "vlan", link = "nope" }, 'link "nope"' },
      { "route", { dst = "10.0.0.0/8", dev = "nope" }, 'dev "nope"' },
      { "route", { dst = "10.0.0.0/8", nexthops = { { dev = "nope" } } },
        'nexthops[1].dev "nope"' },
    }
    for _, row in ipairs(rows) do
      assert.same({ nil, "No such device (" .. row[3] .. ")", errno.ENODEV },
        { socket:request(row[1], "add", row[2]) })
    end
    assert.same({ nil, 'No such device (dev "nope")', errno.ENODEV },
      { socket:list("addr", { dev = "nope" }) })
  end)

  it("gets one link or route", function()
    local link = assert(socket:request("link", "get", { name = "v0" }))
    assert.same({ "v0", "veth", "v1" }, { link.name, link.kind, link.link })
    assert.equal("v0", assert(socket:request("link", "get", { index = link.index })).name)
    local route = assert(socket:request("route", "get", { dst = "10.0.0.7" }))
    assert.same({ "10.0.0.7/32", "v0", "10.0.0.1" }, { route.dst, route.dev, route.prefsrc })
  end)

  it("gives a link further names, and takes them", function()
    local names = { "another", "one-that-is-longer-than-15-bytes" }
    assert(socket:request("link", "addproperty", { name = "v0", altnames = names }))
    assert.same(names, socket:request("link", "get", { name = "v0" }).altnames)
    assert.equal("v0", socket:request("link", "get", { altname = names[2] }).name)
    assert.equal(socket:index "v0", socket:index "another")
    assert(socket:request("link", "delproperty", { name = "v0", altnames = names }))
    assert.is_nil(socket:request("link", "get", { name = "v0" }).altnames)
  end)

  it("raises what can never be right in the caller's line, and sends nothing", function()
    local hops = {}
    for i = 1, 5000 do
      hops[i] = { dev = "v0", via = "10.0.0.7" }
    end
    local rows = {
      { { dst = "10.9.0.0/16", nexthops = hops }, "route.nexthops" },
      { { dst = "10.9.0.0/160" }, "route.dst" },
      { { dst = "10.9.0.0/16", no = 1 }, 'route: no key "no"' },
    }
    for _, row in ipairs(rows) do
      local here = debug.getinfo(1, "Sl")
      local ok, why = pcall(function() socket:request("route", "add", row[1]) end)
      assert.is_false(ok)
      assert.equal(("%s:%d: %s"):format(here.short_src, here.currentline + 1, row[2]),
        why:sub(1, #here.short_src + #row[2] + #tostring(here.currentline + 1) + 3))
    end
    for _, route in ipairs(assert(socket:list("route", {}))) do
      assert.are_not.equal("10.9.0.0/16", route.dst)
    end
    assert.has_error(function() socket:request("link", "list", {}) end)
    assert.has_error(function() socket:request("link", "add") end)
    assert.has_error(function() socket.request({}, "link", "add", {}) end)
  end)

  it("carries as many next hops as there are", function()
    local hops = {}
    for i = 1, 250 do
      hops[i] = { dev = "v0", via = "10.0.0." .. i + 1, weight = i }
    end
    assert(socket:request("route", "add", { dst = "10.9.0.0/16", type = "unicast",
      proto = "static", nexthops = hops }))
    local route = assert(socket:list("route", { family = "inet", proto = "static" }))[1]
    assert.equal(250, #route.nexthops)
    assert.same({ "10.0.0.251", 250 }, { route.nexthops[250].via, route.nexthops[250].weight })
    assert(socket:request("route", "del", { dst = "10.9.0.0/16" }))
  end)

  -- More than one buffer's worth in one answer.
  it("reads an answer of any size", function()
    local names = {}
    for i = 1, 400 do
      names[i] = ("x"):rep(124) .. ("%03d"):format(i)
    end
    assert(socket:request("link", "add", { name = "br9", kind = "bridge" }))
    for i = 1, #names, 200 do
      assert(socket:request("link", "addproperty", { name = "br9",
        altnames = { (unpack or table.unpack)(names, i, i + 199) } })) -- luacheck: ignore
    end
    assert.same(names, assert(socket:request("link", "get", { name = "br9" })).altnames)
    local found
    for _, link in ipairs(assert(socket:list("link", { kind = "bridge" }))) do
      found = found or link.name == "br9" and link.altnames
    end
    assert.same(names, found)
    assert(socket:request("link", "del", { name = "br9" }))
  end)

  describe("lets the kernel filter", function()
    setup(function()
      for i = 1, 3 do
        assert(socket:request("route", "add", { dst = ("10.8.%d.0/24"):format(i), dev = "v0",
          type = "unicast", scope = "link", table = 1000 + i % 2, proto = 40 + i }))
      end
      assert(socket:request("route", "add", { dst = "fd08::/64", dev = "v0", type = "unicast",
        table = 1001, proto = 41 }))
      assert(socket:request("link", "set", { name = "v1", master = "br0" }))
    end)

    local FILTERS = {
      { "route", { table = 1001 }, 3, function(r) return r.table == 1001 end },
      { "route", { table = 1001, family = "inet6" }, 1,
        function(r) return r.dst == "fd08::/64" end },
      { "route", { table = 1001, proto = 43 }, 1, function(r) return r.dst == "10.8.3.0/24" end },
      { "route", { family = "inet", dev = "v1" }, 0 },
      { "route", { dev = "v0", table = 1000 }, 1, function(r) return r.dst == "10.8.2.0/24" end },
      { "route", { family = "inet", type = "broadcast" }, 2,
        function(r) return r.type == "broadcast" end },
      { "route", { family = "inet", table = "local", dev = "v0" }, 2,
        function(r) return r.table == "local" end },
      { "link", { kind = "bridge" }, 1, function(l) return l.name == "br0" end },
      { "link", { kind = "veth" }, 2, function(l) return l.kind == "veth" end },
      { "link", { master = "br0" }, 1, function(l) return l.name == "v1" end },
      { "addr", { dev = "v0", family = "inet" }, 1,
        function(a) return a.address == "10.0.0.1/24" end },
      { "addr", { dev = "lo" }, 2, function(a) return a.dev == "lo" end },
      { "addr", { family = "inet" }, 2, function(a) return a.family == "inet" end },
    }
    for i, row in ipairs(FILTERS) do
      it(("%d: %ss"):format(i, row[1]), function()
        local list = assert(socket:list(row[1], row[2]))
        assert.equal(row[3], #list)
        for _, object in ipairs(list) do
          assert.is_true(row[4](object))
        end
      end)
    end
  end)

  describe("with a long dump", function()
    local other
    local LINKS = 120

    setup(function()
      other = assert(core.netlink())
      for i = 1, LINKS do
        assert(socket:request("link", "add", { name = "many" .. i, kind = "bridge" }))
      end
    end)

    teardown(function()
      other:close()
    end)

    local function rest(of)
      local count, changed = 0, false
      for object, now in function() return of:next() end do
        assert.is_string(object.name)
        count, changed = count + 1, changed or now
      end
      return count, changed
    end

    it("streams what it lists", function()
      local list = assert(socket:list("link", {}))
      assert.is_true(#list > LINKS)
      assert.is_true(socket:start("link", {}))
      for i = 1, #list do
        assert.equal(list[i].name, (socket:next()).name)
      end
      assert.is_nil((socket:next()))
    end)

    it("can do something else meanwhile, which ends the dump", function()
      assert.is_true(socket:start("link", {}))
      assert.is_table((socket:next()))
      assert.is_true(socket:request("link", "set", { name = "many1", mtu = 1400 }))
      assert.has_error(function() socket:next() end, "no dump is going on in this netlink socket")
      assert.equal(1400, assert(socket:request("link", "get", { name = "many1" })).mtu)
    end)

    it("can begin another one", function()
      assert.is_true(socket:start("link", {}))
      assert.is_table((socket:next()))
      assert.is_true(socket:start("addr", {}))
      assert.is_nil((assert(socket:next()).mtu))
      assert.equal(LINKS, #assert(socket:list("link", { kind = "bridge" })) - 1)
    end)

    it("does not disturb another socket's", function()
      local all = #assert(socket:list("link", {}))
      assert.is_true(socket:start("link", {}))
      assert.is_true(other:start("link", {}))
      for i = 1, 60 do
        assert.equal((socket:next()).index, (other:next()).index, i)
      end
      assert.equal(all - 60, (rest(socket)))
      assert.equal(all - 60, (rest(other)))
    end)

    it("tells that links changed meanwhile", function()
      assert.is_true(socket:start("link", {}))
      assert.is_false(select(2, socket:next()))
      assert(other:request("link", "add", { name = "new0", kind = "bridge" }))
      assert.is_true(select(2, rest(socket)))
      assert(other:request("link", "del", { name = "new0" }))
      assert.is_true(socket:start("link", {}))
      assert.is_false(select(2, rest(socket)))
    end)

    it("takes an interrupted one again, and tells when it stays so", function()
      local churn = io.popen(process.script [[
        local core = require "tun.core"
        local socket = assert(core.netlink())
        print "ready"
        io.stdout:flush()
        local ok
        repeat
          assert(socket:request("link", "add", { name = "churn0", kind = "bridge" }))
          ok = socket:request("link", "del", { name = "churn0" })
        until socket:request("link", "get", { name = "many1" }).alias == "stop"
      ]])
      assert.equal("ready", churn:read())
      local names, raw, last, tries = {}, 0, 0, 0
      local limit = os.time() + 20
      repeat
        tries = tries + 1
        assert.is_true(socket:start("link", {}))
        raw = raw + (select(2, rest(socket)) and 1 or 0)
        local list, interrupted = assert(socket:list("link", { kind = "bridge" }))
        last = last + (interrupted and 1 or 0)
        for _, link in ipairs(list) do
          names[link.name] = (names[link.name] or 0) + 1
        end
      until tries >= 50 and raw > 0 or os.time() > limit
      assert(socket:request("link", "set", { name = "many1", alias = "stop" }))
      churn:close()
      assert.is_true(raw > 0, "no dump was interrupted")
      assert.is_true(last < raw or raw == tries, last .. " of " .. raw)
      for i = 1, LINKS do
        assert.equal(tries, names["many" .. i])
      end
      assert.is_false(select(2, socket:list("link", {})))
    end)
  end)

  it("believes nobody but the kernel, and no answer to another request", function()
    local fresh = assert(core.netlink())
    local forge = ([[perl -e 'use Socket; socket(my $s, 16, 3, 0) or die;
      my $error = pack("LSSLL lLSSLL", 36, 2, 0x100, %d, %d, -1, 32, 16, 5, 1, 0);
      send($s, $error, 0, pack("SSLL", 16, 0, %d, 0)) or die $!']])
    for sequence = 1, 3 do
      for forged = 1, 4 do
        process.must(forge:format(forged, port(fresh), port(fresh)))
      end
      assert.is_true(fresh:request("link", "set", { name = "lo", flags = { up = true } }), sequence)
    end
    fresh:close()
  end)

  it("lends its descriptor, and can be closed twice", function()
    local one = assert(core.netlink())
    assert.equal(("netlink socket (fd %d)"):format(one:fd()), tostring(one))
    assert.is_true(one:start("link", {}))
    assert.is_true(one:close())
    assert.is_true(one:close())
    assert.equal(-1, one:fd())
    assert.equal("netlink socket (closed)", tostring(one))
    for _, call in ipairs { { "request", "link", "get", {} }, { "list", "link", {} },
                            { "start", "link", {} }, { "next" }, { "index", "lo" },
                            { "name", 1 } } do
      assert.has_error(function() one[call[1]](one, call[2], call[3], call[4]) end,
        "netlink socket is closed")
    end
  end)

  it("leaves no descriptor behind", function()
    collectgarbage()
    collectgarbage()
    local before = process.descriptors()
    for i = 1, 500 do
      local one = assert(core.netlink())
      assert.is_true(one:start("link", {}))
      if i % 2 == 0 then
        one:close()
      end
      if i % 50 == 0 then
        collectgarbage()
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, process.descriptors())
  end)

  -- In a process of its own, whose memory is nobody else's; a sanitizer keeps nothing freed.
  it("needs no more after 10 000 requests than before", function()
    local output, status = process.lua([[
      local core = require "tun.core"
      local process = dofile "spec/process.lua"
      local socket = assert(core.netlink())
      local function work(count)
        for i = 1, count do
          assert(socket:list("addr", {}))
          assert(socket:request("link", "get", { index = 1 }))
          assert(not socket:request("link", "set", { name = "v0", mtu = i % 2 }))
        end
        collectgarbage()
        collectgarbage()
        local status = assert(io.open "/proc/self/statm")
        local pages = status:read("*a"):match "%d+ (%d+)"
        status:close()
        return collectgarbage "count", 4 * pages, process.descriptors()
      end
      local lua, all, descriptors = work(1000)
      local lua_now, all_now, descriptors_now = work(10000)
      print(lua_now - lua < 16, all_now - all < 1024, descriptors_now - descriptors)
    ]], "ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=0:thread_local_quarantine_size_kb=0")
    assert.same({ "true\ttrue\t0", 0 }, { output, status })
  end)

  it("keeps what it needs from an eager collector", function()
    assert.same({ "done", 0 }, { process.lua [[
      local core = require "tun.core"
      dofile "spec/eager.lua" (function()
        for _ = 1, 100 do
          local one = assert(core.netlink())
          assert(one:start("link", {}))
          assert((one:next()).name == "lo")
          assert(not one:request("link", "set", { name = "v0", mtu = 1 }))
          assert(#assert(one:list("route", {})) > 0)
          assert(#assert(one:list("link", { kind = "veth" })) == 2)
        end
      end)
      io.write "done"
    ]] })
  end)
end)
