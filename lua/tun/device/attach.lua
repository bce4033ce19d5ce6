-- attach.lua: open a device that exists: what it has and was not named stays, and what it
-- would not take is refused.
local core = require "tun.core"
local entries = require "tun.entries"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
local option = require "tun.device.option"

local attach = {}

-- What all queues of a device share, in words, when an open one has it otherwise.
local function other_queue(device, asked, link)
  local now, flags = netlink.link.get(link.index), device:flags()
  if not (now and now.tun and flags) then
    return nil
  end
  local has = { vnet_hdr = flags.vnet_hdr or false, pi = now.tun.pi }
  for key, wanted in entries { vnet_hdr = asked.vnet_hdr, pi = not asked.no_pi } do
    if has[key] ~= wanted then
      return ("%s: a queue of it is open with %s = %s, which all of them share"):format(
        link.name, key, tostring(has[key]))
    end
  end
end

--- Add to link.tun what netlink does not tell, napi and napi_frags, where sysfs does.
-- @param link  of tun.link.get, or nil
-- @return link
function attach.learn(link)
  local is = link and link.tun
  local home = is and netns.here()
  local sysfs = home and netns.sysfs(home)
  local flags = sysfs and core.kept_flags(sysfs:fd(), link.index, link.name)
  if flags and not flags.vnet_hdr == not is.vnet_hdr and not flags.no_pi == is.pi then
    is.napi, is.napi_frags = flags.napi or false, flags.napi_frags or false
  end
  return link
end

-- Whether what is asked for changes what a device that existed is.
local function differs(asked, is)
  return asked.vnet_hdr ~= is.vnet_hdr or not asked.no_pi ~= is.pi
    or not asked.napi ~= not is.napi or not asked.napi_frags ~= not is.napi_frags
end

--- What undoes the opening of a device that existed: gives it its flags again, which are
-- those of who attached last. All that this needs is made now.
-- @param asked  of core.open
-- @param is  link.tun as it was
-- @return function of the device, which closes it and returns true | nil, message
function attach.undo(asked, is)
  local again = core.newdevice()
  local was = { name = asked.name, mode = is.type, multi_queue = is.multi_queue,
                no_pi = not is.pi, vnet_hdr = is.vnet_hdr, napi = is.napi,
                napi_frags = is.napi_frags }
  return function(device)
    if not differs(asked, is) then
      return true
    elseif device:fd() >= 0 then
      was.name = device:name() or was.name
    end
    device:close()
    local ok, why = core.open(was, again)
    if ok then
      return again:close()
    end
    -- With a filter on it the kernel changes the flags and then attaches nothing.
    local now = attach.learn(netlink.link.get { name = was.name })
    if now and now.tun and not differs(was, now.tun) then
      return true
    end
    return nil, why
  end
end

--- Open a device as core.open does.
-- @param device  of core.newdevice
-- @param asked  of core.open
-- @param link  the link of that name, if there is one, of attach.learn
-- @param named  which of the options the caller named
-- @return device | nil, message, errno
-- Source: drivers/net/tun.c, tun_set_iff()
function attach.open(device, asked, link, named)
  if not (link and link.tun and link.tun.type == asked.mode) then
    return core.open(asked, device)
  elseif asked.index and asked.index ~= link.index then
    return nil, ("%s: it exists, and has index %d"):format(link.name, link.index),
      core.errno.EEXIST
  end
  local ok, why, errno = core.open(asked, device)
  if errno == core.errno.EPERM and asked.napi_frags and not named.napi_frags then
    asked.napi_frags = false -- which only root of the host may keep
    ok, why, errno = core.open(asked, device)
  end
  local refusal = ok and other_queue(device, asked, link)
  if refusal then
    return nil, refusal, core.errno.EEXIST
  end
  return ok, why, errno
end

--- Turn off what a device without a virtio-net header cannot tell: its packets would be
-- unfinished. The last step, as it is not undone.
-- @param device  one that existed
function attach.finish(device)
  local on, flags = option.get(device, "offload"), device:flags()
  if on and flags and not flags.vnet_hdr then
    core.setoption(device, "offload", false)
  end
end

return attach
