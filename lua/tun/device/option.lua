-- option.lua: every key that tun.open and dev:set take, which part of their work it is,
-- and what its value is.
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"
local netns = require "tun.netlink.netns"

local option = {}

-- Decided when a device is opened, and never again.
local CREATE = { "name", "mode", "index", "pi", "vnet_hdr", "multi_queue", "excl", "napi",
                 "napi_frags", "no_carrier", "one_queue" }

-- Ioctls of which not all can be taken back, because the kernel does not tell what was
-- before, or that outlive the device. They come last, in this order.
local LAST = { "nocsum", "debug", "tx_filter", "steering_bpf", "filter_bpf", "offload",
               "owner", "group", "persist" }

-- What can only be read: these of a TUN/TAP link, and what the core says can only be read.
local readable = { type = true, num_queues = true, num_disabled_queues = true }

-- What only the making of a link takes, or only the kernel sets.
local NEVER = { kind = true, num_rx_queues = true, num_tx_queues = true }

-- Where names clash, what only a TUN/TAP device has goes before what every link has.
local ioctls = core.options()
local parts = { up = "link" }
for _, field in ipairs(core.fields("link")) do
  local set = not field.read and not NEVER[field.key] and field.key ~= ""
  parts[field.key] = set and "link" or nil
  readable[field.key] = not set and field.key ~= "" or nil
end
for name, ioctl in entries(ioctls) do
  parts[name] = ioctl.set and "first" or parts[name]
  readable[name] = not ioctl.set or nil
end
for _, name in ipairs(LAST) do
  parts[name] = "last"
end
for _, name in ipairs(CREATE) do
  parts[name] = "create"
end
parts.address, parts.routes = "addresses", "routes"
-- What ip(8) calls the group of a link; group is who may open the device.
parts.link_group = "link"

local function sorted(set, part)
  local list = {}
  for name, value in entries(set) do
    if not part or value == part then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

--- The ioctls that can be taken back, then those that cannot, each in the order to do them.
option.first, option.last = sorted(parts, "first"), LAST

-- What is meant by names that other tools have, and by those of a link that a device is opened
-- with otherwise.
local MEANT = {
  ip = "address", ip4 = "address", ip6 = "address", addr = "address", cidr = "address",
  gateway = "routes", via = "routes", kind = 'mode, "tun" or "tap"', type = 'mode, "tun" or "tap"',
  tun = 'mode = "tun"', tap = 'mode = "tap"', dev = "name", ifname = "name", hwaddr = "mac",
  lladdr = "mac", user = "owner", vnet = "vnet_hdr", num_rx_queues = "multi_queue = true",
  num_tx_queues = "multi_queue = true", queues = "multi_queue = true", qlen = "txqlen",
  gro = "offload", gso = "offload", tso = "offload",
}

local function unknown(what, name)
  if type(name) ~= "string" then
    core.misuse(("%s: a value without a name, number %s; write name = value"):format(what,
      tostring(name)))
  end
  local meant = MEANT[name]
  core.misuse(("%s: no option %s; %s"):format(what, core.words(name),
    meant and "what is meant is " .. meant
      or "there are: " .. core.nearest(name, sorted(parts))))
end

-- What netlink tells of a TUN/TAP link.
local of_tun = {}
for _, field in ipairs(core.fields "link") do
  for _, inner in ipairs(field.key == "tun" and field.fields or {}) do
    of_tun[inner.key] = true
  end
end

-- An option that the link tells, not the device.
local function of_link(device, name)
  local ioctl = ioctls[name]
  if ioctl and not (ioctl.get or of_tun[name] or name == "carrier") then
    return nil, ("%s: %s: the kernel does not tell it, it can only be set"):format(
      device:name() or "device", name), core.errno.EOPNOTSUPP
  end
  local link, why, errno = device:link()
  if not link then
    return nil, why, errno
  elseif ioctls[name] and name ~= "carrier" or link.tun and link.tun[name] ~= nil then
    return link.tun and link.tun[name]
  end
  return link[name == "link_group" and "group" or name]
end

-- Through what an option is read or set, beside the device: of core.getoption.
-- @return descriptor or false, index | nil, message, errno
local function access(device, ioctl)
  if not ioctl.through then
    return false
  end
  local index, home, errno = netns.find(device)
  if not index then
    return nil, home, errno
  end
  local object, why, code = home.socket, nil, nil
  if ioctl.through == "sysfs" then
    object, why, code = netns.sysfs(home, device)
  end
  return object and object:fd(), object and index or why, code
end

--- The value of one option; nil where there is none.
function option.get(device, name)
  if not (parts[name] or readable[name]) then
    unknown("get", name)
  end
  if name == "address" then
    return device:addresses()
  elseif name == "routes" then
    return device:routes()
  end
  local ioctl = ioctls[name]
  if not (ioctl and ioctl.get) then
    return of_link(device, name)
  end
  local value
  local fd, why, errno = access(device, ioctl)
  if fd ~= nil then
    value, why, errno = core.getoption(device, name, fd, why)
  end
  netns.leave()
  if errno then
    return nil, explain.option(device, name, why, errno), errno
  end
  return value
end

--- Set one option of core.setoption.
-- @return what that returned
function option.set(device, name, value)
  local fd, index, errno = access(device, ioctls[name])
  if fd == nil then
    return netns.leave(nil, index, errno)
  end
  return netns.leave(core.setoption(device, name, value, fd, index))
end

-- One string or table, or a list of them, as a list of tables that are ours.
local function items(value, name, key)
  if type(value) == "string" or type(value) == "table" and value[1] == nil and next(value) then
    value = { value }
  elseif type(value) ~= "table" then
    core.misuse(("%s: a %s is neither a string nor a list"):format(name, type(value)))
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = {}
    for field, part in entries(type(item) == "table" and item or { [key] = item }) do
      list[i][field] = part
    end
  end
  return list
end

-- Whether a link shall be up, as it may be said among its flags; an address implies it.
local function up(link, implied)
  local flags = link.flags
  if type(flags) == "table" and flags.up ~= nil then
    if link.up ~= nil and link.up ~= flags.up then
      core.misuse(("up: it is %s, and flags.up is %s"):format(tostring(link.up),
        tostring(flags.up)))
    end
    link.flags = {}
    for name, value in entries(flags) do
      link.flags[name] = value
    end
    link.up, link.flags.up = flags.up, nil
  end
  if link.up == nil then
    return implied
  elseif type(link.up) ~= "boolean" then
    core.misuse(("up: %s is not true or false"):format(tostring(link.up)))
  end
  return link.up
end

--- Sort a caller's options into the parts of a plan; an address brings the link up.
-- @param what  "open" or "set"
-- @return { create =, first =, link =, last = maps; addresses =, routes = lists of tables }
function option.sort(what, t)
  check.type(what, t, "table", "a table of options")
  local plan = { create = {}, first = {}, link = {}, last = {}, addresses = {}, routes = {} }
  for name, value in entries(t) do
    local part = parts[name] or unknown(what, name)
    if part == "addresses" then
      plan.addresses = items(value, name, "address")
    elseif part == "routes" then
      plan.routes = items(value, name, "dst")
    elseif part == "create" and what == "set" and name ~= "name" then
      core.misuse(("set: %s is decided when a device is opened"):format(name))
    else
      part = what == "set" and name == "name" and "link" or part
      plan[part][name == "link_group" and "group" or name] = value
    end
  end
  plan.link.up = up(plan.link, plan.addresses[1] ~= nil or nil)
  return plan
end

return option
