-- open.lua: open a TUN/TAP device and set it up.
local attach = require "tun.device.attach"
local core = require "tun.core"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
local offload = require "tun.device.offload"
local option = require "tun.device.option"
local setup = require "tun.device.apply"

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

-- What gives a device that existed its flags again, if opening it changed them.
local function regain(device, asked, is)
  if not is or is.vnet_hdr == asked.vnet_hdr and is.pi ~= asked.no_pi then
    return nil
  end
  return function()
    local name = device:name() or asked.name
    device:close()
    local again, why = core.open { name = name, mode = is.type, multi_queue = is.multi_queue,
                                   no_pi = not is.pi, vnet_hdr = is.vnet_hdr }
    if not again then
      return nil, why
    end
    return again:close()
  end
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
  local link = existing(plan.create.name)
  local asked = request(plan.create, link)
  local device, why, errno = attach.open(asked, link)
  if not device then
    return nil, explain.open(asked, why, errno, link), errno
  end
  netns.bind(device)
  local ok, reason, code = setup.apply(device, plan, link and "attached" or "new",
    regain(device, asked, link and link.tun))
  if not ok then
    return nil, reason, code
  elseif link then
    attach.finish(device)
  end
  return device
end

return open
