-- What list() tells can be given to add(), filters mean what ip(8) means by them, and a flush
-- goes on: whatever a namespace holds.
local tun = require "tun"
local check = dofile "spec/netlink/check.lua"
local process = dofile "spec/process.lua"
local column, refused = check.column, check.refused

describe("a namespace", function()
  before_each(function()
    assert(tun.sandbox())
    process.must [[
      ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none up &&
      ip link set v1 addrgenmode none up && ip link property add dev v0 altname other &&
      ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.1.0.1/24 dev v1 &&
      ip nexthop add id 7 via 10.0.0.2 dev v0 && ip nexthop add id 8 blackhole &&
      ip route add 10.20.0.0/16 nhid 7 && ip route add 10.21.0.0/16 nhid 8 &&
      ip route add 10.22.0.0/16 nexthop via 10.0.0.2 nexthop via 10.1.0.2 &&
      ip route add blackhole 10.23.0.0/16 && ip -6 route add fd10::/64 dev v0]]
  end)

  it("gets its routes back, those by next hop objects too", function()
    local before = process.must "ip route; ip -6 route"
    local list = assert(tun.route.list())
    for _, route in ipairs(list) do
      assert(tun.route.del(route))
    end
    assert.same({}, tun.route.list())
    for _, route in ipairs(list) do
      assert(tun.route.add(route))
    end
    assert.equal(before, process.must "ip route; ip -6 route")
  end)

  it("tells the routes of a link as ip(8) does, whatever the link is called", function()
    for _, dev in ipairs { "v0", "other", tun.link.get("v0").index, tun.link.get "v0" } do
      assert.same({ "10.0.0.0/24", "10.20.0.0/16", "fd10::/64" },
        column(tun.route.list { dev = dev }, "dst"))
    end
    assert.equal(3, tun.route.flush { dev = "v0" })
    assert.same({ "10.1.0.0/24", "10.21.0.0/16", "10.22.0.0/16", "10.23.0.0/16" },
      column(tun.route.list(), "dst"))
  end)

  it("tells routes by their type, that of a blackhole by a next hop object too", function()
    assert.same({ "10.21.0.0/16", "10.23.0.0/16" },
      column(tun.route.list { type = "blackhole" }, "dst"))
    assert.same({ "10.0.0.0/24", "10.1.0.0/24", "10.20.0.0/16", "10.22.0.0/16", "fd10::/64" },
      column(tun.route.list { type = "unicast" }, "dst"))
    assert.is_true(#tun.route.list { type = "local", table = "all" } >= 3)
    for route in tun.route.each { type = "blackhole" } do
      assert.equal("blackhole", route.type)
    end
  end)

  it("may have a route that has expired, and is flushed nevertheless", function()
    process.must "ip -6 route add fd11::/64 dev v0 expires 1 && sleep 2.2"
    local route = assert(tun.route.list { dst = "fd11::/64" })[1]
    assert.is_true(not route or route.expires <= 0)
    assert.equal(route and 1 or 0, tun.route.flush { dst = "fd11::/64" })
  end)

  it("of a kind that the kernel has no driver for is none, and nothing is flushed", function()
    assert.equal(1, #tun.link.list { kind = "veth", name = "v0" })
    for _, kind in ipairs { "nosuch", "wireguard" } do
      assert.same({}, tun.link.list { kind = kind })
      assert.equal(0, tun.link.flush { kind = kind })
    end
    assert.is_truthy(tun.link.get "v0")
  end)

  it("is flushed of all but what the kernel keeps", function()
    process.must "ip link add br0 type bridge && ip link set lo mtu 1500"
    assert.equal("lo", tun.link.list { mtu = 1500 }[1].name)
    refused("link lo: Operation not supported", "EOPNOTSUPP", tun.link.flush { mtu = 1500 })
    assert.same({ "lo" }, column(tun.link.list(), "name"))
  end)

  it("has loopback addresses of scope host, as ip(8) gives them", function()
    assert(tun.addr.add { address = "127.9.0.1/8", dev = "lo" })
    assert.equal("host", tun.addr.get("127.9.0.1/8").scope)
    assert.matches("127.9.0.1/8 scope host", process.must "ip addr show lo")
    assert(tun.addr.del { address = "127.9.0.1/8", dev = "lo" })
  end)

  it("has links with all that they were given", function()
    local alias = ("x"):rep(255)
    assert(tun.link.add { name = "br0", kind = "bridge", alias = alias, operstate = "dormant" })
    assert.equal(alias, tun.link.get("br0").alias)
    assert(tun.link.add { name = "p0", kind = "veth", veth = { peer = { name = "p1" } },
      master = "br0", bridge_slave = { cost = 7, hairpin = true } })
    local port = assert(tun.link.get "p0")
    assert.same({ 7, true }, { port.bridge_slave.cost, port.bridge_slave.hairpin })
    refused("link br1: Operation not supported: Protodown not supported by device", "EOPNOTSUPP",
      tun.link.add { name = "br1", kind = "bridge", protodown = true })
    refused("link br1: No such device", "ENODEV", tun.link.get "br1")
    assert(tun.link.del "p0")
    port.index = nil
    assert(tun.link.add(port))
    local again = assert(tun.link.get "p0")
    assert.same({ "p1", "br0", 7, port.address },
      { again.link, again.master, again.bridge_slave.cost, again.address })
    assert.equal(alias, tun.link.get("br0").alias)
  end)
end)
