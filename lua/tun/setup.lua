-- setup.lua: change an open device: all that was asked for, or nothing.
local core = require "tun.core"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local option = require "tun.option"

local setup = {}

-- What takes a key of a link away.
local NONE = { alias = "", master = 0 }

--- The value of an option: what the device tells, else its link.
function setup.get(device, name)
  local ioctl = option.ioctls[name]
  if ioctl and ioctl.get then
    local value, why, errno = core.getoption(device, name)
    if errno then
      return nil, explain.option(device, name, why, errno), errno
    end
    return value
  end
  local link, why, errno = device:link()
  if not link then
    return nil, why, errno
  elseif link.tun and link.tun[name] ~= nil then
    return link.tun[name]
  elseif name == "up" then
    return link.flags.up or false
  end
  return link[name]
end

-- Each part of a plan returns true | nil, message, errno, and appends what undoes it to
-- undo, unless that is nil: then closing the device undoes everything.

local function set_option(device, name, value, undo)
  local rule = name == "offload" and explain.offload(value)
  if rule then
    core.misuse(rule)
  end
  local old = undo and setup.get(device, name)
  local done, why, errno = core.setoption(device, name, value)
  if not done then
    return nil, explain.option(device, name, why, errno), errno
  elseif old ~= nil then
    table.insert(undo, function()
      return core.setoption(device, name, old)
    end)
  end
  return true
end

local function set_options(part)
  return function(device, plan, undo)
    for _, name in ipairs(option[part]) do
      local value = plan[part][name]
      if value ~= nil then
        local ok, why, errno = set_option(device, name, value, undo)
        if not ok then
          return nil, why, errno
        end
      end
    end
    return true
  end
end

-- What a link was before, under the keys that are going to be set.
local function before(link, wanted)
  local old = {}
  for key in pairs(wanted) do
    old[key] = link[key] == nil and NONE[key] or link[key]
  end
  if wanted.up ~= nil then
    old.up = link.flags.up or false
  end
  if type(wanted.flags) == "table" then
    old.flags = {}
    for name in pairs(wanted.flags) do
      old.flags[name] = link.flags[name] or false
    end
  end
  return old
end

-- Whether addresses and routes are lost: the link goes down or has less room.
local function loses(link, wanted)
  local flags = type(wanted.flags) == "table" and wanted.flags or {}
  local mtu = type(wanted.mtu) == "number" and wanted.mtu or link.mtu
  return wanted.up == false or flags.up == false or mtu < link.mtu
end

-- Add again what is missing; the kernel makes its own by itself.
local function regain(noun, objects, device)
  for _, object in ipairs(objects) do
    object.dev = object.dev and device
    local ok, why, errno = object.proto == "kernel" or noun.add(object, device)
    if not ok and errno ~= core.errno.EEXIST then
      return nil, why
    end
  end
  return true
end

local function remember_link(device, wanted, undo)
  local link, why, errno = device:link()
  if not link then
    return nil, why, errno
  end
  local old, addresses, routes = before(link, wanted), {}, {}
  if loses(link, wanted) then
    addresses = device:addresses() or addresses
    routes = device:routes { table = "all" } or routes
  end
  old.dev = device
  table.insert(undo, function()
    local ok, reason = netlink.link.set(old)
    if ok then
      ok, reason = regain(netlink.addr, addresses, device)
    end
    if ok then
      ok, reason = regain(netlink.route, routes, device)
    end
    return ok, reason
  end)
  return true
end

-- The kernel may stop half way in a request, so this is undone when it failed, too.
local function set_link(device, plan, undo)
  local ok, why, errno = true, nil, nil
  if next(plan.link) and undo then
    ok, why, errno = remember_link(device, plan.link, undo)
  end
  if next(plan.link) and ok then
    plan.link.dev = device
    ok, why, errno = netlink.link.set(plan.link)
  end
  return ok, why, errno
end

local function add(part, noun)
  return function(device, plan, undo)
    for _, object in ipairs(plan[part]) do
      object.dev = object.dev or device
      local ok, why, errno = noun.add(object, device)
      if not ok then
        return nil, why, errno
      elseif undo then
        table.insert(undo, function()
          return noun.del(object, device)
        end)
      end
    end
    return true
  end
end

local STEPS = { set_options("first"), set_link, add("addresses", netlink.addr),
                add("routes", netlink.route), set_options("last") }

local function run(device, plan, undo)
  for _, step in ipairs(STEPS) do
    local ok, why, errno = step(device, plan, undo)
    if not ok then
      return nil, why, errno
    end
  end
  return true
end

-- Undo the last thing first; says what could not be undone.
local function roll_back(undo)
  local failure = ""
  for i = #undo, 1, -1 do
    local ok, why = undo[i]()
    if not ok then
      failure = failure .. "; not undone: " .. tostring(why)
    end
  end
  return failure
end

--- Do what a plan says. When any of it fails or raises, what was done is undone.
-- @param device  an open device
-- @param plan  of option.sort
-- @param opened  "new" or "attached" for a device to close on failure: closing a new one
--   undoes everything
-- @return true | nil, message, errno
function setup.apply(device, plan, opened)
  local undo = opened ~= "new" and {} or nil
  local ran, ok, why, errno = pcall(run, device, plan, undo)
  if ran and ok then
    return true
  end
  local failure = roll_back(undo or {})
  if opened then
    device:close()
  end
  if not ran then
    error(ok, 0)
  end
  return nil, why .. failure, errno
end

return setup
