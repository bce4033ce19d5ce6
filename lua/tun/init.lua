-- tun: complete control of Linux TUN/TAP devices, and of links, addresses, routes and the like.
local core = require "tun.core"

-- Errors of a caller are reported at the first line outside of the folder of this file.
core.home(debug.getinfo(1, "S").source)

local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
require "tun.device"

return {
  version = "scm",
  open = require "tun.device.open",
  batch = require "tun.batch",
  forward = require "tun.forward",
  udp = require "tun.udp",
  poll = require "tun.poll",
  sandbox = netns.sandbox,
  netns = core.netns,
  features = explain.features,
  errno = core.errno,
  link = netlink.link,
  addr = netlink.addr,
  route = netlink.route,
  neigh = netlink.neigh,
  rule = netlink.rule,
  nexthop = netlink.nexthop,
}
