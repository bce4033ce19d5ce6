-- apply.lua: change an open device: all that was asked for, or nothing.
local attach = require "tun.device.attach"
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
local offload = require "tun.device.offload"
local option = require "tun.device.option"
local snapshot = require "tun.device.undo"

local setup = {}

-- The steps of a plan return true | nil, message, errno, and append what undoes them to
-- undo, unless that is nil: then closing the device undoes everything. They do so before
-- they act, when there may be no memory left for it afterwards.

-- What sets an option to what it was; what the kernel does not tell cannot be.
local function take_back(device, name, old)
  return function()
    if old == nil then
      return nil, name
    end
    return option.set(device, name, old)
  end
end

local function set_option(device, name, value, undo)
  local old = undo and option.get(device, name)
  if undo then
    table.insert(undo, take_back(device, name, old))
  end
  local done, why, errno = option.set(device, name, value)
  if done == 0 and type(value) == "table" and value[1] then
    done, why, errno = nil, "it is off", core.errno.ENOSPC
  end
  if done then
    return true
  end
  -- It may have changed although it failed.
  if undo and (old == nil or type(old) == "table" or option.get(device, name) == old) then
    table.remove(undo)
  end
  return nil, explain.option(device, name, why, errno), errno
end

local function set_options(part)
  return function(device, plan, undo)
    for _, name in ipairs(option[part]) do
      local value = plan[part][name]
      if value ~= nil then
        local ok, why, errno
        if name == "offload" then
          ok, why, errno = offload.set(device, value, undo, plan.first.vnet_hdr_size)
        else
          ok, why, errno = set_option(device, name, value, undo)
        end
        if not ok then
          return nil, why, errno
        end
      end
    end
    return true
  end
end

-- Open the device, where that is part of the plan.
local function open(device, plan)
  if not plan.open then
    return true
  end
  return plan.open(device)
end

-- A device that was opened stays with the namespace that it was opened in.
local function bind(device, plan)
  if plan.opened then
    netns.bind(device, plan.home)
  end
  if plan.opened == "attached" then
    option.get(device, "offload") -- what is on already, its batches have to know
  end
  return true
end

-- Whether the kernel does the whole plan or none of it: one key of the link, or an MTU,
-- which it looks at first, and up.
local function is_whole(plan)
  local count = 0
  for _ in entries(plan.link) do
    count = count + 1
  end
  return (count <= 1 or count == 2 and plan.link.mtu and plan.link.up)
    and not (plan.addresses[1] or plan.routes[1] or next(plan.first) or next(plan.last))
end

-- The link as it is before the first step, where that may be needed.
local function look(device, plan, undo)
  if not undo or not next(plan.link) or is_whole(plan) then
    return true
  end
  local why, errno
  plan.before, why, errno = device:link()
  return plan.before, why, errno
end

local function go_down(device, plan, undo)
  if plan.link.up ~= false then
    return true
  end
  if plan.before and plan.before.flags.up then
    local regain, why, errno = snapshot.contents(device, plan.before)
    if not regain then
      return nil, why, errno
    end
    table.insert(undo, function()
      local ok, reason = device:up()
      if not ok then
        return nil, reason
      end
      return regain()
    end)
  end
  return device:down()
end

-- These the kernel looks at only after it has brought a link up, when it is too late.
local function comes_up_later(link)
  return link.up and (link.inet6_addr_gen_mode or link.inet6_token)
end

-- The kernel may stop half way, so what undoes this is known before it is tried.
local function set_link(device, plan, undo)
  local wanted = {}
  for key, value in entries(plan.link) do
    wanted[key] = value
  end
  wanted.up = wanted.up or nil
  if not next(wanted) then
    return true
  elseif plan.before then
    local back, why, errno = snapshot.link(device, plan.before, wanted)
    if not back then
      return nil, why, errno
    end
    table.insert(undo, back)
  end
  local later = comes_up_later(wanted)
  wanted.dev, wanted.up = device, not later and wanted.up or nil
  local ok, why, errno = netlink.link.set(wanted)
  if ok and later then
    return device:up()
  end
  return ok, why, errno
end

local function add(part, noun)
  return function(device, plan, undo)
    for _, object in ipairs(plan[part]) do
      object.dev = object.dev or device
      local done
      if undo then
        table.insert(undo, function()
          if not done then
            return true
          end
          return noun.del(object, device)
        end)
      end
      local ok, why, errno = noun.add(object, device)
      if not ok then
        return nil, why, errno
      end
      done = true
    end
    return true
  end
end

local function finish(device, plan)
  if plan.opened == "attached" then
    attach.finish(device)
  end
  return true
end

-- Some options want the link to be down; routes want it up.
local STEPS = { open, bind, look, go_down, set_options("first"), set_link,
                add("addresses", netlink.addr), add("routes", netlink.route), set_options("last"),
                finish }

local function run(device, plan, undo)
  for _, step in ipairs(STEPS) do
    local ok, why, errno = step(device, plan, undo)
    if not ok then
      return nil, why, errno
    end
  end
  return true
end

-- Undo the last thing first, all that can be. Instead of each function, what it says is in
-- the list then, or false when it is done: to tell takes memory, which may be short.
-- @return whether all is undone
local function roll_back(device, undo)
  local all = true
  for i = #undo, 1, -1 do
    local ran, ok, why = pcall(undo[i], device)
    all = all and ran and ok
    undo[i] = not (ran and ok) and (ran and why or ok or "?")
  end
  return all
end

-- A reason, and what could not be undone.
local function tell(why, undo)
  why = tostring(why)
  for i = #undo, 1, -1 do
    if undo[i] then
      why = why .. "; not undone: " .. tostring(undo[i])
    end
  end
  return why
end

local NOTHING = {}
local UNTOLD = "not enough memory; not undone: more than there is memory to tell"

--- Do what a plan says. When any of it fails or raises, what was done is undone.
-- @param device  an open device, or one of core.newdevice, which plan.open opens
-- @param plan  of option.sort; with opened = "new" or "attached" for a device to close on failure
-- @param undo  functions of the device that undo what was done before; nil for a new device:
--   closing it undoes everything
-- @return true | nil, message, errno
function setup.apply(device, plan, undo)
  local ran, ok, why, errno = pcall(run, device, plan, undo)
  if ran and ok then
    return true
  end
  if not ran then
    pcall(collectgarbage) -- LuaJIT and Lua 5.1 do not before they give up
  end
  local undone = roll_back(device, undo or NOTHING)
  if plan.opened then
    device:close()
  end
  local reason = ran and why or ok
  if not undone then
    local told, text = pcall(tell, reason, undo)
    reason = told and text or UNTOLD
  end
  if not ran then
    error(reason, 0)
  end
  return nil, reason, errno
end

return setup
