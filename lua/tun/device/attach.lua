-- attach.lua: open a device that exists: what it has and was not named stays, and what it
-- would not take is refused.
local core = require "tun.core"
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
  for key, wanted in pairs { vnet_hdr = asked.vnet_hdr, pi = not asked.no_pi } do
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

--- Open a device as core.open does.
-- @param asked  of core.open
-- @param link  the link of that name, if there is one, of attach.learn
-- @param named  which of the options the caller named
-- @return device | nil, message, errno
-- Source: drivers/net/tun.c, tun_set_iff()
function attach.open(asked, link, named)
  if not (link and link.tun and link.tun.type == asked.mode) then
    return core.open(asked)
  elseif asked.index and asked.index ~= link.index then
    return nil, ("%s: it exists, and has index %d"):format(link.name, link.index),
      core.errno.EEXIST
  end
  local device, why, errno = core.open(asked)
  if errno == core.errno.EPERM and asked.napi_frags and not named.napi_frags then
    asked.napi_frags = false -- which only root of the host may keep
    device, why, errno = core.open(asked)
  end
  local refusal = device and other_queue(device, asked, link)
  if refusal then
    device:close()
    return nil, refusal, core.errno.EEXIST
  end
  return device, why, errno
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
