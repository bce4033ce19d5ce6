-- open.lua: open a TUN/TAP device and set it up.
local attach = require "tun.device.attach"
local core = require "tun.core"
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
  if t.napi == nil and t.napi_frags == nil then
    t.napi, t.napi_frags = is.napi, is.napi_frags
  end
  t.mode, t.no_pi, t.pi = t.mode or is.type, not t.pi, nil
  return t
end

-- Whether two states of a device differ in what attaching to it changes.
local function differs(a, b)
  return a.vnet_hdr ~= b.vnet_hdr or a.pi ~= b.pi or not a.napi ~= not b.napi
    or not a.napi_frags ~= not b.napi_frags
end

-- Give a device that existed its flags again: they are those of who attached last.
-- @param name, is  the present name, and link.tun as it was
-- @return true | nil, message
local function give_back(name, is)
  local again, why = core.open { name = name, mode = is.type, multi_queue = is.multi_queue,
                                 no_pi = not is.pi, vnet_hdr = is.vnet_hdr, napi = is.napi,
                                 napi_frags = is.napi_frags }
  if again then
    return again:close()
  end
  -- With a filter on it the kernel changes the flags and then attaches nothing.
  local now = attach.learn(netlink.link.get { name = name })
  if now and now.tun and not differs(now.tun, is) then
    return true
  end
  return nil, why
end

-- What undoes the opening of a device that existed: a list of functions of the device.
local function regain(asked, is)
  if not is or not differs(is, { vnet_hdr = asked.vnet_hdr, pi = not asked.no_pi,
                                 napi = asked.napi, napi_frags = asked.napi_frags }) then
    return {}
  end
  return { function(device)
    local name = device:name() or asked.name
    device:close()
    return give_back(name, is)
  end }
end

-- What a failed attempt to attach changed all the same is undone.
-- @return "", or words for what could not be undone
local function leave(name, is)
  local now = is and attach.learn(netlink.link.get { name = name })
  if not now or not now.tun or not differs(now.tun, is) then
    return ""
  end
  local ok, why = give_back(name, is)
  return ok and "" or "; not undone: " .. why
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
  local undo = link and regain(asked, link.tun) or nil
  local device, refusal, code = attach.open(asked, link, plan.create)
  if not device then
    local failure = leave(asked.name, link and link.tun)
    return nil, explain.open(asked, refusal, code, link) .. failure, code
  end
  plan.opened, plan.home = link and "attached" or "new", home
  local ok
  ok, refusal, code = setup.apply(device, plan, undo)
  if not ok then
    return nil, refusal, code
  elseif link then
    attach.finish(device)
  end
  return device
end

return open
