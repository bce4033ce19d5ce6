-- undo.lua: what a link was and had, and how it becomes that again.
local core = require "tun.core"
local entries = require "tun.entries"
local netlink = require "tun.netlink"

local snapshot = {}

-- What takes a key of a link away.
local NONE = { alias = "", master = 0 }

-- Delete the addresses that were not there.
local function trim(device, addresses)
  local known = {}
  for _, address in ipairs(addresses) do
    known[address.address] = true
  end
  for _, address in ipairs(device:addresses() or {}) do
    if not known[address.address] then
      netlink.addr.del(address, device)
    end
  end
end

-- Add what is missing; what is the kernel's own it adds itself.
local function regain(noun, objects, device)
  for _, object in ipairs(objects) do
    if object.proto ~= "kernel" then
      local ok, why, errno = noun.add(object, device)
      if not ok and errno ~= core.errno.EEXIST then
        return nil, why
      end
    end
  end
  return true
end

--- What is lost when a link goes down or has no room for IPv6.
-- @return function that puts it back and returns true | nil, message; or nil, message, errno
function snapshot.contents(device, link)
  local routes
  local addresses, why, errno = device:addresses()
  if addresses then
    routes, why, errno = device:routes { table = "all" }
  end
  if not routes then
    return nil, why, errno
  end
  return function()
    netlink.link.set { dev = device, inet6_addr_gen_mode = link.inet6_addr_gen_mode }
    trim(device, addresses)
    local ok, reason = regain(netlink.addr, addresses, device)
    if not ok then
      return nil, reason
    end
    return regain(netlink.route, routes, device)
  end
end

-- What a link is under the keys that are to be set.
local function values(link, wanted)
  local old = {}
  for key in entries(wanted) do
    old[key] = link[key] == nil and NONE[key] or link[key]
  end
  if type(wanted.flags) == "table" then
    old.flags = {}
    for name in entries(wanted.flags) do
      old.flags[name] = link.flags[name] or false
    end
  end
  if wanted.up ~= nil then
    old.up = link.flags.up or false
  end
  return old
end

local function same(a, b)
  for key, value in entries(a) do
    local other = b[key]
    if other ~= value and not (type(value) == "table" and type(other) == "table"
        and same(value, other)) then
      return false
    end
  end
  return true
end

--- What a link is under the keys that are to be set.
-- @return function that puts it back, if it changed, and returns true | nil, message; or nil,
--   message, errno
function snapshot.link(device, link, wanted)
  local old = values(link, wanted)
  local contents
  if type(wanted.mtu) == "number" and wanted.mtu < link.mtu then
    local why, errno
    contents, why, errno = snapshot.contents(device, link)
    if not contents then
      return nil, why, errno
    end
  end
  return function()
    local now, why = device:link()
    if not now then
      return nil, why
    elseif same(old, values(now, old)) then
      return true
    end
    old.dev = device
    local ok, reason = netlink.link.set(old)
    if not ok then
      return nil, reason
    end
    if contents then
      return contents()
    end
    return true
  end
end

return snapshot
