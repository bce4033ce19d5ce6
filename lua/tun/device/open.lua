-- open.lua: open a TUN/TAP device and set it up.
local attach = require "tun.device.attach"
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
local offload = require "tun.device.offload"
local option = require "tun.device.option"
local setup = require "tun.device.apply"

-- The link of that name; false when there is none | nil, message, errno
local function existing(name, home)
  if type(name) ~= "string" then
    return false
  end
  local link
  local index, why, errno = home.socket:index(name)
  if index then
    link, why, errno = netlink.link.get(index)
  end
  if link then
    attach.learn(link)
  end
  return link or errno ~= core.errno.ENODEV and link, why, errno
end

-- What the core is asked for. What was not said is as the device is, since attaching
-- with other flags changes them; a new device is a TUN without packet information.
local function request(create, link)
  local is = link and link.tun or { type = "tun", pi = false, vnet_hdr = false }
  local t = {}
  for name, value in entries(create) do
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
  if t.napi == nil and t.napi_frags == nil then
    t.napi, t.napi_frags = is.napi, is.napi_frags
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
--   offload: true for all that the kernel knows, false, a set or list of names; it brings
--   vnet_hdr, and a vnet_hdr_size that fits;
--   the device's own: persist, owner, group, mac, sndbuf, vnet_hdr_size, ...
-- @return device | nil, message, errno
-- Source: Documentation/networking/tuntap.rst, linux/if_tun.h, drivers/net/tun.c
local function open(t)
  local plan = option.sort("open", t or {})
  offload.check(plan)
  local home, link, why, errno
  home, why, errno = netns.prepare()
  if not home then
    return nil, ("%s: %s"):format(plan.create.name or "a new device", why), errno
  end
  link, why, errno = existing(plan.create.name, home)
  if link == nil then
    return nil, why, errno
  end
  local asked = request(plan.create, link)
  plan.opened, plan.home = link and "attached" or "new", home
  function plan.open(device)
    local ok, refusal, code = attach.open(device, asked, link, plan.create)
    if not ok then
      return nil, explain.open(asked, refusal, code, link), code
    end
    return true
  end
  local undo = link and link.tun and { attach.undo(asked, link.tun) } or nil
  local device = core.newdevice()
  local done, failure, code = setup.apply(device, plan, undo)
  if not done then
    return nil, failure, code
  end
  return device
end

return open
