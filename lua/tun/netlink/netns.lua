-- netns.lua: the network namespaces that a script and its devices are in, and the sockets of
-- each. Either may go to another one at any time: a script by setns(2), tun.sandbox() or another
-- Lua state of its thread, a device by `ip link set netns`. So where a script is, is looked up
-- for every call; and of a namespace in which devices are, a socket tells the links that leave.
-- What remains is a move between that look and the request behind it.
local core = require "tun.core"
local entries = require "tun.entries"

local netns = {}

-- A home is a namespace as this process sees it:
--   id          its inode number, nil where /proc does not tell
--   generation  of the process whose sockets these are: what forks shares nothing
--   socket      for requests
--   watch       tells the links that leave
--   sysfs       opened when it is needed
--   links       weak, by index: those of devices
-- Of a namespace that neither the script nor a device that it opened there is in, one is made
-- for each call, without a watch: a socket that is kept would keep the namespace.
local homes = setmetatable({}, { __mode = "v" }) -- by id
local here -- the home of the script, when it was last looked up

-- A link is what the devices (queues) of one TUN/TAP share:
--   home, index
--   left   true when it is not there any more, "unsure" when it may be
local links = setmetatable({}, { __mode = "k" }) -- by device

-- -- Where the script is -----------------------------------------------------------

local function open_home(id, generation)
  local home = { id = id, generation = generation, links = setmetatable({}, { __mode = "v" }) }
  local why, errno
  home.watch, why, errno = core.watch()
  if home.watch then
    home.socket, why, errno = core.netlink()
  end
  if home.socket then
    return home
  elseif home.watch then
    home.watch:close()
  end
  return nil, why, errno
end

--- The home of the script.
-- @return home | nil, message, errno
function netns.here()
  local id, generation = core.here()
  if id and here and here.id == id and here.generation == generation then
    return here
  end
  local home, why, errno = id and homes[id]
  if not home or home.generation ~= generation then
    home, why, errno = open_home(id, generation)
    if not home then
      return nil, why, errno
    elseif id then
      homes[id] = home
    end
  end
  here = home
  return home
end

-- -- Where a device is --------------------------------------------------------------

-- Learn which links have left a home. Whether any have.
local function notice(home)
  local index = home.watch:next()
  if index == nil then
    return false
  end
  while index do
    local link = home.links[index]
    if link then
      link.left, home.links[index] = true, nil
    end
    index = home.watch:next()
  end
  if index == false then
    for _, link in entries(home.links) do
      link.left = link.left or "unsure"
    end
  end
  return true
end

-- The index that a device has in a home.
-- @return index, home | nil, message, errno
local function look_up(device, home)
  local name, why, errno = device:name()
  if not name then
    return nil, why, errno
  end
  local index
  index, why, errno = home.socket:index(name)
  return index, index and home or why, errno
end

-- Keep the link of a device that is in a home, and was opened there: its descriptor keeps the
-- namespace as well.
-- @return index, home | nil, message, errno
local function settle(device, home)
  local index, why, errno = look_up(device, home)
  if not index then
    return nil, why, errno
  end
  local link = home.links[index] or { home = home, index = index }
  link.left, home.links[index], links[device] = nil, link, link
  return index, home
end

--- The home of the script, for a device that is about to be opened there.
-- @return home | nil, message, errno
function netns.prepare()
  local home, why, errno = netns.here()
  if home then
    notice(home)
  end
  return home, why, errno
end

--- Keep the link of a device that was opened just now.
-- @param home  of prepare()
-- @return the device
function netns.bind(device, home)
  local some = notice(home)
  if settle(device, home) and (notice(home) or some) then
    links[device].left = "unsure" -- it may be the one that left, and another has its name
  end
  return device
end

--- Keep a queue with the link of the device that it is of.
-- @return the queue
function netns.share(queue, device)
  links[queue] = links[device]
  return queue
end

-- Homes that were made for one call.
local visits = {}

--- What a public function does at its end, with its results: leave the namespaces where it
-- was for this call alone.
function netns.leave(...)
  for i = #visits, 1, -1 do
    local visit = table.remove(visits, i)
    visit.socket:close()
    visit.ns:close()
    if visit.sysfs then
      visit.sysfs:close()
    end
  end
  return ...
end

local ELSEWHERE = "%s: it is in another network namespace, %s"

-- A home for this call in the namespace of a descriptor, which becomes its own.
-- @return index, home | nil, message, errno
local function visit(device, ns)
  local socket, why, errno = core.netlink(ns:fd())
  if not socket then
    why = errno == core.errno.EPERM and "which only root (CAP_SYS_ADMIN) may enter" or why
    why = ELSEWHERE:format(device:name() or "device", tostring(ns) .. ", " .. why)
    ns:close()
    return nil, why, errno
  end
  local home = { id = ns:id(), socket = socket, ns = ns }
  visits[#visits + 1] = home
  return look_up(device, home)
end

-- Where a device is, when the kernel does not tell: where it was, unless it is known to have
-- left.
local function guess(device, link)
  local home, why, errno = netns.here()
  if not home then
    return nil, why, errno
  elseif not link or link.left == "unsure" and link.home.id == home.id then
    local index, found, code = look_up(device, home)
    if code == core.errno.EBADFD or index and not link then
      return index, found, code
    elseif index and index == link.index then
      return settle(device, home)
    end
  end
  return nil, ELSEWHERE:format(device:name() or "device",
    "and only root (CAP_NET_ADMIN) is told in which"), core.errno.EPERM
end

-- Where a device is that may have left its home.
local function locate(device, link)
  local ns, why, errno = core.getoption(device, "netns")
  if errno == core.errno.EPERM then
    return guess(device, link)
  elseif not ns then
    return nil, why, errno
  end
  local script
  script, why, errno = netns.here()
  if not (script and script.id) then
    ns:close()
    if script then
      return guess(device, link)
    end
    return nil, why, errno
  end
  local id = ns:id()
  local opened_there = link and link.home.id == id
  local home = script.id == id and script or opened_there and homes[id]
  if not home or home.generation ~= script.generation then
    return visit(device, ns)
  end
  ns:close()
  return (opened_there and settle or look_up)(device, home)
end

--- The link of a device: wherever it is now, and whatever it is called.
-- @return index, home | nil, message, errno
-- Source: drivers/net/tun.c, TUNGETDEVNETNS; net/core/dev.c, __dev_change_net_namespace()
function netns.find(device)
  local link = links[device]
  if device:fd() < 0 then
    return device:name() -- raises
  elseif link then
    notice(link.home)
  end
  if not link or link.left then
    return locate(device, link)
  end
  return link.index, link.home
end

--- Whether two homes are of one namespace.
function netns.is_same(home, other)
  return home == other or home.id ~= nil and home.id == other.id
end

--- The index of a device's link.
-- @return integer | nil, message, errno
function netns.index(device)
  local index, why, errno = netns.find(device)
  if not index then
    return netns.leave(nil, why, errno)
  end
  return netns.leave(index)
end

--- The netlink socket of the script, as it is now.
-- @return socket | nil, message, errno
function netns.socket()
  local home, why, errno = netns.here()
  return home and home.socket, why, errno
end

--- The descriptor by which the namespace of a device is entered.
-- @return namespace, or false: it is that of the script | nil, message, errno
function netns.entrance(device)
  local index, home, errno = netns.find(device)
  if not index then
    return nil, home, errno
  end
  local script, why, code = netns.here()
  if not script then
    return nil, why, code
  elseif netns.is_same(script, home) then
    return false
  end
  return core.getoption(device, "netns")
end

--- The sysfs of a home.
-- @param device  that is there; nil: the script is
-- @return sysfs | nil, message, errno
function netns.sysfs(home, device)
  local ns, why, errno
  if home.sysfs then
    return home.sysfs
  elseif device then
    ns, why, errno = netns.entrance(device)
    if ns == nil then
      return nil, why, errno
    end
  end
  home.sysfs, why, errno = core.sysfs(ns and ns:fd() or nil)
  if ns then
    ns:close()
  end
  return home.sysfs, why, errno
end

-- -- Moving the script --------------------------------------------------------------

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
