-- netns.lua: the network namespaces that a script and its devices are in.
local core = require "tun.core"

local netns = {}

-- The request socket of the namespace that the script is in now; and for every device
-- the socket of the namespace that it was opened in, and its index there once known.
local current
local homes = setmetatable({}, { __mode = "k" })

--- The netlink socket that requests about a device go through.
-- @param device  optional; anything but a device means the script's namespace
-- @return socket | nil, message, errno
function netns.socket(device)
  local home = device and homes[device]
  if home and home.socket then
    return home.socket
  end
  if not current then
    local socket, why, errno = core.netlink()
    if not socket then
      return nil, why, errno
    end
    current = socket
  end
  return current
end

--- Keep a device with the namespace that another device, or the script, is in.
function netns.bind(device, other)
  homes[device] = { socket = netns.socket(other) }
  return device
end

--- The index of a device's link, which stays when it is renamed.
-- @return integer | nil, message, errno
function netns.index(device)
  local name, why, errno = device:name() -- or that it was deleted
  local home = homes[device]
  if not name then
    return nil, why, errno
  elseif home and home.index then
    return home.index
  end
  local socket, index
  socket, why, errno = netns.socket(device)
  if socket then
    index, why, errno = socket:index(name)
  end
  if home then
    home.index = index
  end
  return index, why, errno
end

-- Bring loopback up in the namespace that the script is in now.
local function loopback_up()
  local socket, why, errno = netns.socket()
  if not socket then
    return nil, why, errno
  end
  local ok
  ok, why, errno = socket:request("link", "set", { name = "lo", flags = { up = true } })
  return ok, not ok and "link lo: " .. why or nil, errno
end

--- Move this script into a network namespace of its own, with loopback up:
-- nothing that it does from now on can touch the host. Without the privilege to
-- do so it gets a user namespace of its own as well, in which it is root.
-- Devices that are open keep working where they are.
-- @return true | nil, message, errno; the message tells if the script has moved all the same
-- Source: unshare(2), network_namespaces(7), user_namespaces(7)
function netns.sandbox()
  local ok, why, errno = core.unshare(false)
  if errno == core.errno.EPERM then
    ok, why, errno = core.unshare(true)
  end
  if not ok then
    return nil, why, errno
  end
  current = nil
  local ran
  ran, ok, why, errno = pcall(loopback_up)
  if ran and ok then
    return true
  end
  why = "new network namespace, to which the process has moved: " .. (ran and why or ok)
  if not ran then
    error(why, 0)
  end
  return nil, why, errno
end

return netns
