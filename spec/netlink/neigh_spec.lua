-- tun.neigh against the kernel, held against what ip(8) and bridge(8) say.
local tun = require "tun"
local json = require "dkjson"
local check = dofile "spec/netlink/check.lua"
local process = dofile "spec/process.lua"
local ip, column, refused, raises = check.ip, check.column, check.refused, check.raises

local MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"

-- What ip says of one neighbour.
local function told(dst, more)
  for _, object in ipairs(ip("neigh show " .. (more or "nud all"))) do
    if object.dst == dst then
      return object
    end
  end
end

describe("a neighbour", function()
  before_each(function()
    assert(tun.sandbox())
    process.must [[
      ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none up &&
      ip link set v1 addrgenmode none up && ip addr add 10.0.0.1/24 dev v0]]
  end)

  it("is added, replaced, got and deleted", function()
    assert.is_true(tun.neigh.add { dst = "10.0.0.7", dev = "v0", lladdr = MAC, router = true })
    local object = told "10.0.0.7"
    assert.same({ "v0", MAC, "PERMANENT" }, { object.dev, object.lladdr, object.state[1] })
    refused("neighbour 10.0.0.7: File exists", "EEXIST",
      tun.neigh.add { dst = "10.0.0.7", dev = "v0", lladdr = OTHER })
    assert.is_true(tun.neigh.replace { dst = "10.0.0.7", dev = 3, lladdr = OTHER,
      state = "stale", proto = "static", extern_learn = true })
    object = told "10.0.0.7"
    assert.same({ OTHER, "STALE", "static" }, { object.lladdr, object.state[1], object.protocol })
    local got = assert(tun.neigh.get { dst = "10.0.0.7", dev = "v0" })
    assert.same({ "10.0.0.7", "v0", OTHER, "stale", "static", "inet" },
      { got.dst, got.dev, got.lladdr, got.state, got.proto, got.family })
    assert.is_true(got.flags.extern_learn)
    assert.is_true(tun.neigh.del(got))
    assert.is_nil(told "10.0.0.7")
    refused("neighbour 10.0.0.7: No such file or directory: Neighbour entry not found", "ENOENT",
      tun.neigh.get { dst = "10.0.0.7", dev = "v0" })
    refused("neighbour 10.0.0.7: No such file or directory", "ENOENT",
      tun.neigh.del { dst = "10.0.0.7", dev = "v0" })
  end)

  it("has a state by name", function()
    for _, state in ipairs { "permanent", "noarp", "reachable", "stale" } do
      assert.is_true(tun.neigh.replace { dst = "fd00::7", dev = "v0", lladdr = MAC,
        state = state })
      assert.equal(state, tun.neigh.get({ dst = "fd00::7", dev = "v0" }).state)
      assert.equal(state:upper(), told("fd00::7").state[1])
    end
  end)

  it("may be one that the kernel keeps fresh, or looks for now", function()
    assert.is_true(tun.neigh.add { dst = "10.0.0.7", dev = "v0", managed = true })
    assert.is_true(tun.neigh.get({ dst = "10.0.0.7", dev = "v0" }).flags_ext.managed)
    assert.is_true(tun.neigh.replace { dst = "10.0.0.8", dev = "v0", state = "none", use = true })
    assert.equal("incomplete", tun.neigh.get({ dst = "10.0.0.8", dev = "v0" }).state)
  end)

  it("may be a proxy", function()
    assert.is_true(tun.neigh.add { dst = "10.0.0.9", dev = "v0", proxy = true })
    assert.is_true(tun.neigh.add { dst = "fd00::9", dev = "v1", proxy = true, proto = "bird" })
    assert.same({ "10.0.0.9", "fd00::9" }, column(ip "neigh show proxy", "dst"))
    assert.same({}, tun.neigh.list())
    local list = assert(tun.neigh.list { proxy = true })
    assert.same({ "10.0.0.9", "fd00::9" }, column(list, "dst"))
    assert.same({ "fd00::9" }, column(tun.neigh.list { proxy = true, dev = "v1" }, "dst"))
    assert.same({ "10.0.0.9" }, column(tun.neigh.list { proxy = true, family = "inet" }, "dst"))
    assert.equal("v0", tun.neigh.get({ dst = "10.0.0.9", dev = "v0", proxy = true }).dev)
    assert.equal("bird", tun.neigh.get({ dst = "fd00::9", dev = "v1", proxy = true }).proto)
    for _, object in ipairs(list) do
      assert.is_true(tun.neigh.del(object))
      assert.is_true(tun.neigh.add(object))
    end
    assert.equal(2, tun.neigh.flush { proxy = true })
    assert.same({}, ip "neigh show proxy")
  end)

  it("is filtered by what a list tells", function()
    assert(tun.neigh.add { dst = "10.0.0.7", dev = "v0", lladdr = MAC })
    assert(tun.neigh.add { dst = "10.0.0.8", dev = "v1", lladdr = OTHER, state = "stale" })
    assert(tun.neigh.add { dst = "fd00::7", dev = "v0", lladdr = OTHER, router = true })
    assert(tun.neigh.add { dst = "fd00::8", dev = "v0", lladdr = MAC, state = "noarp" })
    assert.same(column(ip "neigh show", "dst"), column(tun.neigh.list(), "dst"))
    assert.is_not_nil(told "fd00::8")
    for _, row in ipairs {
      { {}, "10.0.0.7 10.0.0.8 fd00::7" },
      { { dev = "v0" }, "10.0.0.7 fd00::7" },
      { { dev = tun.link.get "v1" }, "10.0.0.8" },
      { { family = "inet6" }, "fd00::7" },
      { { state = "noarp", dev = "v0", dst = "fd00::8" }, "fd00::8" },
      { { state = "stale" }, "10.0.0.8" },
      { { lladdr = "2:0:0:0:0:2" }, "10.0.0.8 fd00::7" },
      { { router = true }, "fd00::7" },
      { { router = false, dev = "v0" }, "10.0.0.7" },
      { { state = "all", lladdr = MAC }, "10.0.0.7 fd00::8" },
    } do
      local list, streamed = assert(tun.neigh.list(row[1])), {}
      assert.equal(row[2], table.concat(column(list, "dst"), " "))
      for object in tun.neigh.each(row[1]) do
        streamed[#streamed + 1] = object
      end
      assert.same(column(list, "dst"), column(streamed, "dst"))
    end
  end)

  it("is flushed as ip(8) does, unless it is permanent or its state is asked for", function()
    assert(tun.neigh.add { dst = "10.0.0.7", dev = "v0", lladdr = MAC })
    assert(tun.neigh.add { dst = "10.0.0.8", dev = "v0", lladdr = MAC, state = "stale" })
    assert(tun.neigh.add { dst = "10.0.0.9", dev = "v1", lladdr = MAC, state = "reachable" })
    assert.equal(1, tun.neigh.flush { dev = "v0" })
    assert.same({ "10.0.0.7", "10.0.0.9" }, column(tun.neigh.list(), "dst"))
    assert.equal(1, tun.neigh.flush { state = "permanent" })
    assert.equal(1, tun.neigh.flush { state = "all", family = "inet" })
    assert.same({}, ip "neigh show")
    raises("neighbours: flush needs a filter", tun.neigh.flush, {})
  end)

  it("may be an entry of a bridge or a vxlan", function()
    process.must "ip link add br0 type bridge && ip link set v0 master br0"
    local entry = { family = "bridge", lladdr = MAC, dev = "v0", flags = { master = true } }
    assert.is_true(tun.neigh.add(entry))
    local list = assert(tun.neigh.list { family = "bridge", dev = "v0", lladdr = MAC })
    assert.same({ MAC, "br0", "permanent" }, { list[1].lladdr, list[1].master, list[1].state })
    local got = assert(tun.neigh.get(entry))
    assert.same({ MAC, "v0" }, { got.lladdr, got.dev })
    assert.matches(MAC .. " master br0 permanent", process.must "bridge fdb show dev v0")
    assert.is_true(tun.neigh.del(entry))
    refused("neighbour: No such file or directory", "ENOENT", tun.neigh.del(entry))
    if select(2, process.run "ip link add vx0 type vxlan id 5 dstport 4789 dev v1") == 0 then
      local far = { family = "bridge", lladdr = MAC, dev = "vx0", dst = "10.0.0.7",
        port = 4000, vni = 7, via = "v1" }
      assert.is_true(tun.neigh.add(far))
      local theirs = assert(json.decode(process.must "bridge -j fdb show dev vx0"))
      assert.same({ MAC, 4000, 7, "v1" },
        { theirs[1].mac, theirs[1].port, theirs[1].vni, theirs[1].viaIf })
      list = assert(tun.neigh.list { family = "bridge", dev = "vx0" })
      assert.same({ "10.0.0.7", 4000, 7, "v1" },
        { list[1].dst, list[1].port, list[1].vni, list[1].via })
      assert.is_true(tun.neigh.del(list[1]))
      assert.same({}, tun.neigh.list { family = "bridge", dev = "vx0" })
    end
  end)

  it("says what is wrong", function()
    local MISSING = "neighbour 10.0.0.7: Invalid argument: "
    refused(MISSING .. "No link layer address given", "EINVAL",
      tun.neigh.add { dst = "10.0.0.7", dev = "v0" })
    refused(MISSING .. "Invalid link address", "EINVAL",
      tun.neigh.add { dst = "10.0.0.7", dev = "v0", lladdr = "02:00" })
    refused('neighbour 10.0.0.7: No such device (dev "nope")', "ENODEV",
      tun.neigh.add { dst = "10.0.0.7", dev = "nope", lladdr = MAC })
    raises("neighbour: dst= and dev= are needed", tun.neigh.add, "10.0.0.7")
    raises("neighbour: lladdr= and dev= are needed", tun.neigh.del, { family = "bridge" })
    raises('no neigh.state "stal"; there are: stale, none, incomplete', tun.neigh.add,
      { dst = "10.0.0.7", dev = "v0", state = "stal" })
    raises('no neigh.flags "proxi"; there are: proxy, use, ', tun.neigh.add,
      { dst = "10.0.0.7", dev = "v0", proxi = true })
    raises('neigh: no key "mac"; there are: ', tun.neigh.add,
      { dst = "10.0.0.7", dev = "v0", mac = MAC })
    raises('neigh.dst: "10.0.0.0/8" is not an IPv4 or IPv6 address', tun.neigh.get,
      { dst = "10.0.0.0/8", dev = "v0" })
  end)
end)
