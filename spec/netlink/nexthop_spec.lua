-- tun.nexthop against the kernel, held against what ip(8) says.
local tun = require "tun"
local check = dofile "spec/netlink/check.lua"
local process = dofile "spec/process.lua"
local column, refused, raises = check.column, check.refused, check.raises

-- What ip says of each, and the same in our words.
local NEXTHOPS = {
  { "id 1 via 10.0.0.2 dev v0 scope link", { id = 1, via = "10.0.0.2", dev = "v0" } },
  { "id 2 via 10.0.0.3 dev v0 scope link proto bird onlink",
    { id = 2, via = "10.0.0.3", dev = "v0", onlink = true, proto = "bird" } },
  { "id 3 blackhole", { id = 3, blackhole = true } },
  { "id 4 dev v0 scope link", { id = 4, dev = "v0", family = "inet6" } },
  { "id 5 via fd00::2 dev v0 scope link", { id = 5, via = "fd00::2", dev = "v0" } },
  { "id 10 group 1/2,7", { id = 10, group = { { id = 1 }, { id = 2, weight = 7 } } } },
  { "id 11 group 5 type resilient buckets 4 idle_timer 100 unbalanced_timer 0 " ..
      "unbalanced_time 0",
    { id = 11, group = { { id = 5 } }, type = "resilient",
      resilient = { buckets = 4, idle_timer = 100 } } },
  { "id 12 via 10.0.0.9 scope link fdb", { id = 12, via = "10.0.0.9", fdb = true } },
}

local function lines()
  local list = {}
  for line in (process.must "ip nexthop" .. "\n"):gmatch "(.-)%s*\n" do
    list[#list + 1] = line
  end
  return list
end

-- Every part of `part` is in `whole`.
local function contains(whole, part)
  for key, value in pairs(part) do
    local found = whole[key]
    if key == "onlink" then
      found = whole.flags.onlink
    end
    if type(value) == "table" then
      contains(found, value)
    else
      assert.equal(value, found, key)
    end
  end
end

describe("a next hop", function()
  before_each(function()
    assert(tun.sandbox())
    process.must [[
      ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none up &&
      ip link set v1 addrgenmode none up && ip addr add 10.0.0.1/24 dev v0 &&
      ip addr add fd00::1/64 dev v0 nodad]]
    for _, row in ipairs(NEXTHOPS) do
      assert.is_true(tun.nexthop.add(row[2]))
    end
  end)

  it("is what ip(8) says", function()
    for i, line in ipairs(lines()) do
      assert.equal(NEXTHOPS[i][1], line)
    end
    assert.equal(#NEXTHOPS, #lines())
  end)

  it("is listed, got, and can be given back", function()
    local before, list = lines(), assert(tun.nexthop.list())
    assert.equal(#NEXTHOPS, #list)
    for i, row in ipairs(NEXTHOPS) do
      contains(list[i], row[2])
      contains(assert(tun.nexthop.get(row[2].id)), row[2])
      refused(("nexthop %d: File exists"):format(row[2].id), "EEXIST", tun.nexthop.add(list[i]))
    end
    assert.equal(5, tun.nexthop.flush { groups = true } + tun.nexthop.flush { family = "inet6" }
      + tun.nexthop.flush { blackhole = true })
    for i = 1, #list do
      tun.nexthop.del(list[i].id)
    end
    assert.same({}, tun.nexthop.list())
    for i = 1, #list do
      assert.is_true(tun.nexthop.add(list[i]))
    end
    assert.same(before, lines())
  end)

  it("is filtered by what a list tells", function()
    for _, row in ipairs {
      { { dev = "v0" }, { 1, 2, 4, 5 } },
      { { dev = tun.link.get "v0", family = "inet" }, { 1, 2 } },
      { { groups = true }, { 10, 11 } },
      { { type = "resilient" }, { 11 } },
      { { fdb = true }, { 12 } },
      { { fdb = false, family = "inet" }, { 1, 2, 3 } },
      { { proto = "bird" }, { 2 } },
      { { onlink = true }, { 2 } },
      { { via = "fd00:0::2" }, { 5 } },
      { { master = "v0" }, {} },
    } do
      assert.same(row[2], column(tun.nexthop.list(row[1]), "id"))
    end
  end)

  it("is replaced, and carries routes", function()
    assert.is_true(tun.nexthop.replace { id = 2, via = "10.0.0.4", dev = "v0" })
    assert.equal("10.0.0.4", tun.nexthop.get(2).via)
    assert.is_true(tun.route.add { dst = "10.9.0.0/16", nhid = 10 })
    local route = assert(tun.route.list { dst = "10.9.0.0/16" })[1]
    assert.equal(10, route.nhid)
    assert.is_true(tun.nexthop.del(10))
    assert.same({}, tun.route.list { dst = "10.9.0.0/16" })
  end)

  it("says what is wrong", function()
    refused("nexthop 99: No such file or directory", "ENOENT", tun.nexthop.get(99))
    refused("nexthop 99: No such file or directory", "ENOENT", tun.nexthop.del(99))
    refused("nexthop 77: Invalid argument: Invalid nexthop id", "EINVAL",
      tun.nexthop.add { id = 77, group = { { id = 99 } } })
    refused('nexthop 77: No such device (dev "nope")', "ENODEV",
      tun.nexthop.add { id = 77, dev = "nope" })
    raises('nexthop.group[2]: no key "wieght"; there are: weight, id', tun.nexthop.add,
      { id = 77, group = { { id = 1 }, { id = 2, wieght = 7 } } })
    raises("nexthop.group[1].weight: 0 is not an integer from 1 to 256", tun.nexthop.add,
      { id = 77, group = { { id = 1, weight = 0 } } })
    raises('nexthop: no key "master"; there are: ', tun.nexthop.add,
      { id = 77, master = "v0" })
    raises("nexthop: id= is needed", tun.nexthop.get, {})
  end)
end)
