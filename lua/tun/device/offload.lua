-- offload.lua: which offloads a device gets, and the virtio-net header that they need.
local core = require "tun.core"
local explain = require "tun.explain"
local option = require "tun.device.option"

local offload = {}

-- Every offload of use, then less and less: the kernel refuses a set with one that it does
-- not know. Those of tunnels came with Linux 6.17, of UDP with 6.2.
local RUNGS = {
  { "csum", "tso4", "tso6", "tso_ecn", "uso4", "uso6", "udp_tunnel_gso", "udp_tunnel_gso_csum" },
  { "csum", "tso4", "tso6", "tso_ecn", "uso4", "uso6", "udp_tunnel_gso" },
  { "csum", "tso4", "tso6", "tso_ecn", "uso4", "uso6" },
  { "csum", "tso4", "tso6", "tso_ecn" },
  { "csum", "tso4", "tso6" },
  { "csum" },
}

local function has(set, name)
  if type(set) ~= "table" then
    return false
  end
  for _, each in ipairs(set) do
    if each == name then
      return true
    end
  end
  return set[name] == true
end

local function has_tunnel(set)
  return has(set, "udp_tunnel_gso")
end

--- Try the sets from the richest down.
-- @param try  function of a set: true | nil, message, errno; EINVAL goes on to the next
-- @param no_tunnel  whether those of tunnels are left out
-- @return what the last try gave
function offload.descend(try, no_tunnel)
  local ok, why, errno
  for _, set in ipairs(RUNGS) do
    if not (no_tunnel and has_tunnel(set)) then
      ok, why, errno = try(set)
      if ok or errno ~= core.errno.EINVAL then
        break
      end
    end
  end
  return ok, why, errno
end

--- Complete and check a plan before any of it is done: offload wants a virtio-net header,
-- and that of a tunnel a long one.
-- @param device  nil for one that is to be opened
function offload.check(plan, device)
  local set, size = plan.last.offload, plan.first.vnet_hdr_size
  local rule = explain.offload(set)
  if rule then
    core.misuse(rule)
  elseif set and not device then
    if plan.create.vnet_hdr == false then
      core.misuse("offload: it needs vnet_hdr = true")
    end
    plan.create.vnet_hdr = true
  elseif set == nil and device and size then
    set = option.get(device, "offload")
  end
  if type(size) == "number" and size < core.tunnel_header and has_tunnel(set) then
    core.misuse(("vnet_hdr_size: udp_tunnel_gso needs %d or more"):format(core.tunnel_header))
  end
end

-- Make the virtio-net header as long as what is on needs.
local function lengthen(device, undo)
  local size, why, errno = core.getoption(device, "vnet_hdr_size")
  if not size then
    return nil, why, errno
  elseif size >= core.tunnel_header or not has_tunnel(option.get(device, "offload")) then
    return true
  elseif undo then
    table.insert(undo, function()
      return core.setoption(device, "vnet_hdr_size", size)
    end)
  end
  return core.setoption(device, "vnet_hdr_size", core.tunnel_header)
end

--- Set the offloads of a device, whatever they were.
-- @param value  true for all that the kernel knows, false for none, a set or list of names
-- @param undo  optional; what undoes this is appended, where the old set is known
-- @param size  optional; vnet_hdr_size as the caller wants it
-- @return true | nil, message, errno
-- Source: drivers/net/tun.c, set_offload()
function offload.set(device, value, undo, size)
  local old = option.get(device, "offload")
  local function try(set)
    return core.setoption(device, "offload", set)
  end
  if undo then
    table.insert(undo, function()
      if old == nil then
        return nil, "offload"
      end
      return try(old)
    end)
  end
  local ok, why, errno
  if value == true then
    ok, why, errno = offload.descend(try, size and size < core.tunnel_header)
  else
    ok, why, errno = try(value)
  end
  if not ok then
    table.remove(undo or {})
    return nil, explain.option(device, "offload", why, errno), errno
  end
  return lengthen(device, undo)
end

return offload
