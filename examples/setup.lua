-- setup.lua: the usual lines of `ip link`, `ip addr` and `ip route` as one call, then
-- what ip says of the result.
-- Run: make run EXAMPLE=setup
-- It plays in a network namespace of its own: the host is not touched.
local tun = require "tun"

assert(tun.sandbox())

--   ip tuntap add vpn0 mode tun
--   ip link set vpn0 mtu 1400 txqueuelen 1000 alias "to the office" up
--   ip addr add 10.8.0.2/24 dev vpn0
--   ip addr add fd08::2/64 dev vpn0
--   ip route add 10.0.0.0/8 via 10.8.0.1
--   ip route add 192.168.7.0/24 dev vpn0 metric 50
--   ip route add default via fd08::1 dev vpn0
local dev = assert(tun.open {
  name = "vpn0",
  mode = "tun",
  mtu = 1400,
  txqlen = 1000,
  alias = "to the office",
  address = { "10.8.0.2/24", "fd08::2/64" },
  routes = {
    { dst = "10.0.0.0/8", via = "10.8.0.1" },
    { dst = "192.168.7.0/24", metric = 50 },
    { dst = "default", via = "fd08::1" },
  },
})

print(dev)
io.stdout:flush()
os.execute("ip -d addr show vpn0; echo; ip route; ip -6 route")
