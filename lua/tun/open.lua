-- open.lua: open a TUN/TAP device and set it up.
local core = require "tun.core"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netns"
local option = require "tun.option"
local setup = require "tun.setup"

-- The link of that name, if there is one.
local function existing(name)
  local socket = netns.socket()
  local index = socket and type(name) == "string" and socket:index(name)
  return index and netlink.link.get(index)
end

-- What the core is asked for. What was not said is as the device is, since attaching
-- with other flags changes them; a new device is a TUN without packet information.
local function request(create, link)
  local is = link and link.tun or { type = "tun", pi = false, vnet_hdr = false }
  local t = {}
  for name, value in pairs(create) do
    t[name] = value
  end
  if t.pi ~= nil and type(t.pi) ~= "boolean" then
    core.misuse(("pi: %s is not true or false"):format(tostring(t.pi)))
  end
  if t.vnet_hdr == nil then
    t.vnet_hdr = is.vnet_hdr
  end
  if t.pi == nil then
    t.pi = is.pi
  end
  t.mode, t.no_pi, t.pi = t.mode or is.type, not t.pi, nil
  return t
end

--- Open a TUN/TAP device: a new one, or one that exists. Nothing is touched that is not
-- named. When a step fails, everything that was done is undone.
-- @param t  optional; any of
--   name ("tun%d": the next free number), mode ("tun" or "tap"), index, pi, vnet_hdr,
--   multi_queue, excl, napi, napi_frags, no_carrier, one_queue;
--   address (or a list; it brings the link up unless up = false), routes (a list);
--   what a link can be set to: up, mtu, txqlen, alias, master, ...;
--   the device's own: persist, owner, group, mac, sndbuf, offload, vnet_hdr_size, ...
-- @return device | nil, message, errno
-- Source: Documentation/networking/tuntap.rst, linux/if_tun.h, drivers/net/tun.c
local function open(t)
  local plan = option.sort("open", t or {})
  local link = existing(plan.create.name)
  local asked = request(plan.create, link)
  local device, why, errno = core.open(asked)
  if not device then
    return nil, explain.open(asked, why, errno, link), errno
  end
  netns.bind(device)
  local ok, reason, code = setup.apply(device, plan, link and "attached" or "new")
  if not ok then
    return nil, reason, code
  end
  return device
end

return open
