local netns = require "tun.netlink.netns"
local tun = require "tun"
local core = require "tun.core"
local process = dofile "spec/process.lua"
local errno = tun.errno

-- Run Lua code as nobody, who may read any file so that the module is found wherever it is.
local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
  .. " --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
-- With a /dev/net of its own: root of the host only. In a chroot / is no mount whose
-- propagation unshare(1) could change; it is enough that /dev is private.
local devices = "unshare -m --propagation unchanged sh -ec 'mount --make-rprivate /dev; "
  .. "mount -t tmpfs -o mode=755 none /dev/net; %s; exec \"$@\"' -"
local privileged = select(2, process.run(devices:format("true") .. " " .. nobody .. " true")) == 0

local function run(before, code)
  local text = ([[
    package.path, package.cpath = %q, %q
    local tun = require "tun"
    %s]]):format(package.path, package.cpath, code)
  return process.run(("%s %s - <<'END'\n%s\nEND"):format(before, process.interpreter, text))
end

local function as_nobody(code)
  return run(devices:format("mknod -m 666 /dev/net/tun c 10 200") .. " " .. nobody, code)
end

-- What ip tells of a link, its addresses and routes, in an order of its own.
local function state(name)
  local text = process.must(([[
    ip -d -j addr show dev %s
    ip -j route show table all dev %s
    ip -6 -j route show table all dev %s
  ]]):format(name, name, name))
  local parts = {}
  for part in text:gmatch "[^{}]+" do
    parts[#parts + 1] = part
  end
  table.sort(parts)
  return table.concat(parts, "\n")
end

-- Try again for two seconds: the kernel adds the local route of an IPv6 address later.
local function eventually(holds)
  local limit = os.time() + 2
  repeat
    local held = holds()
  until held or os.time() > limit
end

local function links()
  return process.must "ip -d -j link"
end

local function refuses(options, code, message)
  local device, why, number = tun.open(options)
  assert.is_nil(device)
  assert.equal(message, why)
  assert.equal(errno[code], number)
end

describe("tun.device.open", function()
  before_each(function()
    assert(tun.sandbox())
    assert(netns.sysfs(assert(netns.here()))) -- which stays open
  end)

  describe("raises at the caller's line", function()
    local wrong = {
      { "an unknown option", { mtuu = 1400 }, 'open: no option "mtuu"; there are: mtu, ' },
      { "no table", "tun0", 'open: "tun0" is not a table of options' },
      { "a name too long", { name = "sixteen-bytes-xx" }, 'name: "sixteen-bytes-xx" is not' },
      { "an up that is no boolean", { up = 1 }, "up: 1 is not true or false" },
      { "an unknown mode", { mode = "tum" }, 'mode: "tun" or "tap" expected' },
      { "pi that is no boolean", { pi = 1 }, "pi: 1 is not true or false" },
      { "an MTU that is no number", { mtu = "big" }, 'mtu: "big" is not' },
      { "no address", { address = "10.0.0.256/24" }, 'address: "10.0.0.256/24" is not' },
      { "an unknown flag", { address = { address = "10.0.0.1/24", nodda = true } }, "nodda" },
      { "an address of no kind", { address = 5 }, "address: a number is neither" },
      { "no route", { routes = { "10.0.0.0/33" } }, 'dst: "10.0.0.0/33" is not' },
      { "an unknown key of a route", { routes = { { dst = "default", vya = "10.0.0.1" } } },
        'no key "vya"' },
      { "an owner of -1", { owner = -1 }, "owner: -1 is not" },
      { "a persist that is no boolean", { persist = 1 }, "persist: 1 is not" },
      { "an unknown offload", { offload = { "tso" } }, 'no offload "tso"; there are: tso4, tso6,' },
    }
    for _, row in ipairs(wrong) do
      it(row[1] .. ", and leaves nothing", function()
        local before = links()
        local ok, why = pcall(tun.open, row[2])
        assert.is_false(ok)
        assert.is_truthy(why:find("spec/device/open_spec.lua:%d+: "), why)
        assert.is_truthy(why:find(row[3], 1, true), why)
        collectgarbage()
        assert.equal(before, links())
      end)
    end

    local rules = {
      { { "tso4" }, "offload: tso4 needs csum" },
      { { "csum", "tso_ecn" }, "offload: tso_ecn needs tso4 or tso6" },
      { { "csum", "uso4" }, "offload: uso4 needs uso6" },
      { { csum = true, uso6 = true }, "offload: uso6 needs uso4" },
      { { "csum", "ufo", "udp_tunnel_gso" }, "offload: udp_tunnel_gso needs tso4 or tso6 or uso4" },
      { { "csum", "tso4", "udp_tunnel_gso_csum" },
        "offload: udp_tunnel_gso_csum needs udp_tunnel_gso" },
    }
    for _, row in ipairs(rules) do
      it("an offload without what it needs: " .. row[2], function()
        local ok, why = pcall(tun.open, { vnet_hdr = true, offload = row[1] })
        assert.is_false(ok)
        assert.is_truthy(why:find(row[2], 1, true), why)
      end)
    end
  end)

  describe("explains", function()
    it("a link that is no TUN/TAP device", function()
      refuses({ name = "lo" }, "EINVAL", "lo: is a loopback link, not a TUN/TAP device")
      assert(tun.link.add { name = "br0", kind = "bridge" })
      refuses({ name = "br0" }, "EINVAL", "br0: is a bridge link, not a TUN/TAP device")
    end)

    it("the other mode", function()
      local tap = assert(tun.open { name = "t0", mode = "tap" })
      refuses({ name = "t0", mode = "tun" }, "EINVAL",
        't0: is a TAP device; open it with mode = "tap"')
      assert(tap:close())
    end)

    it("a multi-queue device opened as one that is not, and the reverse", function()
      local many = assert(tun.open { name = "m0", multi_queue = true })
      local one = assert(tun.open { name = "o0" })
      refuses({ name = "m0" }, "EINVAL", "m0: is multi-queue; open it with multi_queue = true")
      refuses({ name = "o0", multi_queue = true }, "EINVAL",
        "o0: is not multi-queue; open it without multi_queue")
      many:close()
      one:close()
    end)

    it("napi_frags without what it needs", function()
      local code, words = "EINVAL", 'a new device: napi_frags needs napi = true and mode = "tap"'
      if not process.is_root then
        code, words = "EPERM", "a new device: napi_frags needs root (CAP_NET_ADMIN) of the host"
      end
      refuses({ mode = "tap", napi_frags = true }, code, words)
      refuses({ mode = "tun", napi = true, napi_frags = true }, code, words)
    end)

    it("a device that is open, or that must be new and is not", function()
      local device = assert(tun.open { name = "t0" })
      refuses({ name = "t0" }, "EBUSY",
        ("t0: is open already, by %s, and only a multi-queue device can be opened more than once")
          :format(core.holder "t0"))
      refuses({ name = "t0", excl = true }, "EBUSY",
        "t0: exists, and excl = true asks for a new one")
      device:close()
    end)

    it("an index that is taken", function()
      local device = assert(tun.open { name = "t0", index = 700 })
      assert.equal(700, device:index())
      refuses({ name = "t1", index = 700 }, "EBUSY", "t1: index 700 is taken")
      device:close()
    end)

    it("a queue too many", function()
      local device = assert(tun.open { name = "m0", multi_queue = true })
      local queues = {}
      for i = 2, 256 do
        queues[i] = assert(device:queue())
      end
      local queue, why, code = device:queue()
      assert.is_nil(queue)
      assert.equal("m0: has as many queues as there can be", why)
      assert.equal(errno.E2BIG, code)
      assert(tun.link.del "m0")
      for _, each in pairs(queues) do
        each:close()
      end
      device:close()
    end)
  end)

  if privileged then
    local file = {
      { "missing", "true", "", "ENOENT",
        "there is no such file: `modprobe tun` makes it; in a chroot `mkdir -p /dev/net && mknod "
          .. "-m 666 /dev/net/tun c 10 200` does; a container has to be given it, as by --device "
          .. "/dev/net/tun" },
      { "another device", "mknod -m 666 /dev/net/tun c 10 254", "", "ENODEV",
        "it is the character device 10:254, not the character device 10:200 of the driver: "
          .. "`rm /dev/net/tun` and `mknod -m 666 /dev/net/tun c 10 200`" },
      { "closed to the user", "mknod -m 600 /dev/net/tun c 10 200", nobody, "EACCES",
        "this user may not open it: be root, or have it opened to all with `chmod 666`" },
    }
    for _, row in ipairs(file) do
      it("explains a /dev/net/tun that is " .. row[1], function()
        local output = run(devices:format(row[2]) .. " " .. row[3], [[
          local device, why, code = tun.open()
          print(device, tun.errno[code], why)
        ]])
        assert.equal(("nil\t%s\t/dev/net/tun: %s"):format(row[4], row[5]), output)
      end)
    end
  end

  describe("of a new device that fails leaves nothing:", function()
    local everything = { mode = "tap", persist = true, mtu = 1400, vnet_hdr_size = 12,
                         address = "10.1.0.1/24", routes = { "10.2.0.0/16" } }
    local failures = {
      { "an option", { vnet_be = true }, "EINVAL",
        "tap0: vnet_be: this kernel is built without CONFIG_TUN_VNET_CROSS_LE" },
      { "the link", { mtu = 70000 }, "EINVAL",
        "link tap0: Invalid argument: mtu greater than device maximum" },
      { "an address", { address = { "10.1.0.1/24", "10.1.0.1/24" } }, "EEXIST",
        "address 10.1.0.1/24: File exists: ipv4: Address already assigned" },
      { "a route", { routes = { "10.2.0.0/16", { dst = "10.3.0.0/16", via = "10.9.0.1" } } },
        "ENETUNREACH", "route 10.3.0.0/16: Network is unreachable: Nexthop has invalid gateway" },
      { "an option that comes last", { steering_bpf = 0 }, "EINVAL",
        "tap0: steering_bpf: not a program of type BPF_PROG_TYPE_SOCKET_FILTER" },
    }
    for _, row in ipairs(failures) do
      it(row[1], function()
        local options = { name = "tap0" }
        for _, more in ipairs { everything, row[2] } do
          for key, value in pairs(more) do
            options[key] = value
          end
        end
        local before, descriptors = links(), process.opened()
        refuses(options, row[3], row[4])
        assert.equal(before, links())
        assert.same({}, process.leaked(descriptors))
      end)
    end
  end)

  describe("of a persistent device that fails changes nothing:", function()
    local held

    -- A queue that is held keeps the carrier, so that only the open is compared.
    before_each(function()
      held = assert(tun.open {
        name = "p0", mode = "tap", multi_queue = true, persist = true, vnet_hdr = true,
        mtu = 1400, txqlen = 700, alias = "before", inet6_addr_gen_mode = "none",
        mac = "02:00:00:00:00:01", vnet_hdr_size = 10,
        address = { "10.1.0.1/24", { address = "fd01::1/64", nodad = true } },
        routes = { { dst = "10.2.0.0/16", via = "10.1.0.9", metric = 5 },
                   { dst = "10.2.0.0/16", table = 500 },
                   { dst = "fd02::/32", via = "fd01::9" } },
      })
      eventually(function() return state("p0"):find '"local","dst":"fd01::1"' end)
    end)
    after_each(function()
      held:set { persist = false }
      held:close()
    end)

    local everything = {
      mac = "02:00:00:00:00:02", vnet_hdr_size = 12, vnet_le = true,
      mtu = 1300, txqlen = 50, alias = "after",
      address = { "10.3.0.1/24", { address = "fd03::1/64", nodad = true } },
      routes = { "10.4.0.0/16", { dst = "fd04::/32", via = "fd03::9" } },
      owner = 0, group = 0, persist = false,
    }
    local bad_route = { { dst = "10.4.0.0/16" }, { dst = "10.5.0.0/16", via = "10.9.0.1" } }
    local failures = {
      { "an option", { vnet_be = true } },
      { "the link", { mtu = 70000 } },
      { "an address", { address = { "10.3.0.1/24", "10.1.0.1/24" } } },
      { "an IPv6 address", { mtu = 1000 } },
      { "a route", { routes = bad_route } },
      { "a route, when the link was to have no alias", { alias = "", routes = bad_route } },
      { "a route of a link that went down", { up = false, routes = bad_route } },
      { "a route of a link with no room for IPv6",
        { mtu = 1000, address = "10.3.0.1/24", routes = bad_route } },
      { "an option, when another one wants the link down", { up = false, link_type = 512 } },
      { "an option that comes last", { steering_bpf = 0 } },
      { "an option that comes last, of a link that went down",
        { up = false, address = "10.3.0.1/24", routes = {}, filter_bpf = 0 } },
      { "a key that is raised", { routes = { "10.4.0.0/16", { dst = "default", vya = 1 } } } },
      { "a value that is raised", { up = false, routes = {}, owner = "root" } },
    }
    for _, row in ipairs(failures) do
      it(row[1], function()
        local options = { name = "p0", multi_queue = true }
        for _, more in ipairs { everything, row[2] } do
          for key, value in pairs(more) do
            options[key] = value
          end
        end
        local before, size, le = state("p0"), held:get "vnet_hdr_size", held:get "vnet_le"
        local descriptors = process.opened()
        local ran, device, why = pcall(tun.open, options)
        assert.is_falsy(ran and device)
        assert.is_nil(tostring(why):find "not undone")
        eventually(function() return before == state "p0" end)
        assert.equal(before, state "p0")
        assert.equal(size, held:get "vnet_hdr_size")
        assert.equal(le, held:get "vnet_le")
        assert.same({}, process.leaked(descriptors))
      end)
    end

    it("but does all of it when nothing fails", function()
      local options = { name = "p0", multi_queue = true }
      for key, value in pairs(everything) do
        options[key] = value
      end
      local device = assert(tun.open(options))
      local link = device:link()
      assert.same({ 1300, 50, "after", "02:00:00:00:00:02" },
        { link.mtu, link.txqlen, link.alias, link.address })
      assert.same({ 0, 0, false }, { link.tun.owner, link.tun.group, link.tun.persist })
      assert.equal(12, held:get "vnet_hdr_size")
      assert.is_truthy(tun.addr.get { dev = device, address = "fd03::1/64" })
      assert.equal("p0", tun.route.get("10.4.5.6").dev)
      device:close()
    end)
  end)

  -- The kernel changes the flags, attaches nothing and reports success: skip_filter of
  -- drivers/net/tun.c is the bit of no_pi.
  for _, pi in ipairs { false, true } do
    it(("with a filter fails, and it stays pi = %s"):format(tostring(pi)), function()
      local made = assert(tun.open { name = "tap7", mode = "tap", pi = pi, persist = true,
                                     filter = { { 6, 0, 0, 65535 } } })
      made:close()
      local before, count = tun.link.get("tap7").tun, process.descriptors()
      refuses({ name = "tap7", vnet_hdr = true, pi = true }, "EBUSY", "tap7: has a filter; take it "
        .. "off, attach the queue, and put it on again: Device or resource busy")
      assert.same(before, tun.link.get("tap7").tun)
      assert.equal(count, process.descriptors())
      assert(tun.link.del "tap7")
    end)
  end

  it("says what cannot be undone", function()
    local made = assert(tun.open { name = "p0", mode = "tap", multi_queue = true, persist = true })
    refuses({ name = "p0", multi_queue = true, tx_filter = { "02:00:00:00:00:01" },
              steering_bpf = 0 }, "EINVAL", "p0: steering_bpf: not a program of type "
      .. "BPF_PROG_TYPE_SOCKET_FILTER; not undone: tx_filter")
    made:close()
    assert(tun.link.del "p0")
  end)

  it("without a name for it keeps the flags of a persistent device", function()
    local made = assert(tun.open { name = "p0", mode = "tap", pi = true, vnet_hdr = true,
                                   persist = true })
    made:close()
    local before = tun.link.get("p0").tun
    local device = assert(tun.open { name = "p0" })
    local flags = device:flags()
    assert.same({ true, true, nil }, { flags.tap, flags.vnet_hdr, flags.no_pi })
    assert.same(before, device:link().tun)
    assert(device:set { persist = false })
    device:close()
    assert.is_nil(tun.link.get "p0")
  end)

  if privileged then
    describe("as an unprivileged user", function()
      local function persistent(options)
        options.name, options.persist, options.inet6_addr_gen_mode = "p0", true, "none"
        assert(tun.open(options)):close()
      end

      it("attaches to one's own device and touches nothing else", function()
        persistent { mode = "tap", owner = 65534, mtu = 1400, address = "10.1.0.1/24",
                     routes = { "10.2.0.0/16" }, pi = true }
        local before = tun.link.get "p0"
        local addresses, routes = tun.addr.list { dev = "p0" }, tun.route.list { dev = "p0" }
        assert.equal("true\tp0: tap, up, mtu 1400, 10.1.0.1/24", (as_nobody [[
          local device = assert(tun.open { name = "p0" })
          print(device:flags().tap, device)
          io.stdout:flush()
          os.execute "true"
        ]]))
        local after = tun.link.get "p0"
        for _, link in ipairs { before, after } do
          link.stats, link.operstate, link.flags.lower_up, link.flags.running = nil, nil, nil, nil
          for key in pairs(link) do
            if key:find "^carrier_" then
              link[key] = nil
            end
          end
        end
        assert.same(before, after)
        assert.same(addresses, tun.addr.list { dev = "p0" })
        assert.same(#routes, #tun.route.list { dev = "p0" })
      end)

      local refused = {
        { "a device of somebody else", { owner = 1234 }, '{ name = "p0" }',
          "p0: only uid 1234 or root (CAP_NET_ADMIN) may open it" },
        { "a new device", {}, '{ name = "t0" }', "t0: a new device needs root (CAP_NET_ADMIN): "
          .. "have root make it with persist and owner, or use tun.sandbox()" },
        { "setting up one's own device", { owner = 65534 }, '{ name = "p0", mtu = 1300 }',
          "link p0: needs root (CAP_NET_ADMIN), or a namespace of your own: tun.sandbox()" },
      }
      for _, row in ipairs(refused) do
        it("is refused " .. row[1], function()
          persistent(row[2])
          local output = as_nobody(([[
            local device, why, code = tun.open %s
            print(device, tun.errno[code], why)
          ]]):format(row[3]))
          assert.equal("nil\tEPERM\t" .. row[4], output)
        end)
      end
    end)
  end
end)
