-- device/init.lua: what a device can do beyond its descriptor: its link, addresses and
-- routes, options, loops, and its line for people.
local check = require "tun.check"
local closing = require "tun.closing"
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local netns = require "tun.netlink.netns"
local offload = require "tun.device.offload"
local option = require "tun.device.option"
local setup = require "tun.device.apply"
local slots = require "tun.slots"

local meta = core.device
local device = check.methods(meta.__index, meta)
local read, attach, detach = device.read, device.attach, device.detach
local send = device.send

-- A table of ours with the keys of another, which may be missing.
local function with(t, what, more)
  for key, value in entries(more == nil and {} or check.type(what, more, "table", "a table")) do
    t[key] = value
  end
  return t
end

--- The index of the link.
-- @return integer | nil, message, errno
function device:index()
  return netns.index(self)
end

--- The link, as tun.link.get gives it.
function device:link()
  return netlink.link.get(self)
end

--- The addresses, as tun.addr.list gives them.
function device:addresses()
  return netlink.addr.list(self)
end

--- The routes through the device, as tun.route.list gives them.
-- @param filter  optional; { table = "all" } for those of every table
function device:routes(filter)
  return netlink.route.list(with({ dev = self }, "routes", filter))
end

--- Bring the link up.
function device:up()
  return netlink.link.set { dev = self, up = true }
end

--- Bring the link down.
function device:down()
  return netlink.link.set { dev = self, up = false }
end

--- Change options, the link, addresses and routes: all or nothing.
-- @param t  the keys of tun.open, save those that are decided there; name renames
-- @return true | nil, message, errno
function device:set(t)
  local plan = option.sort("set", t)
  offload.check(plan, self)
  return setup.apply(self, plan, {})
end

--- The value of one option; nil where the device or its link has none. That of offload is
-- the set of those that are on, whoever set them, or false; single is among them when
-- packets are sent one by one, since joined ones were refused or unwanted.
function device:get(name)
  return option.get(self, name)
end

--- Add an address, as `ip addr add`.
-- @param address  "10.0.0.1/24"
-- @param more  optional; other keys of tun.addr.add, such as { nodad = true }
function device:add_address(address, more)
  return netlink.addr.add(with({ address = address, dev = self }, "add_address", more))
end

--- Delete an address.
function device:del_address(address, more)
  return netlink.addr.del(with({ address = address, dev = self }, "del_address", more))
end

--- Add a route through the device, as `ip route add`.
-- @param dst  "10.0.0.0/8" or "default"
-- @param more  optional; other keys of tun.route.add, such as { via = "10.0.0.1" }
function device:add_route(dst, more)
  return netlink.route.add(with({ dst = dst, dev = self }, "add_route", more))
end

--- Delete a route through the device.
function device:del_route(dst, more)
  return netlink.route.del(with({ dst = dst, dev = self }, "del_route", more))
end

--- Open another queue of a multi-queue device, in whichever namespace that is.
-- @return device | nil, message, errno
function device:queue()
  local ns, queue, why, errno
  ns, why, errno = netns.entrance(self)
  if ns == nil then
    return netns.leave(nil, why, errno)
  end
  queue, why, errno = core.queue(self, ns and ns:fd() or nil)
  if ns then
    ns:close()
  end
  if not queue then
    local asked = { name = self:name(), multi_queue = true }
    return nil, explain.open(asked, why, errno, self:link()), errno
  end
  return netns.leave(netns.share(queue, self))
end

-- Errors of TUNSETQUEUE in words.
local function explained(self, verb, ok, why, errno)
  if ok then
    return ok
  end
  return nil, explain.queue(self, verb, why, errno), errno
end

--- Let the queue carry packets again.
function device:attach()
  return explained(self, "attach", attach(self))
end

--- Take the queue out of service, without closing it.
function device:detach()
  return explained(self, "detach", detach(self))
end

--- Close the descriptor; what waits for it in a cqueues loop wakes.
-- A device that is not persistent goes with its last descriptor.
-- @return true
device.close = closing(device.close, device.fd)
meta.__close = device.close

-- Whether a loop goes on after this: a signal may have run a hook, and that is all.
local ENDS = { closed = true, deleted = true }

local function next_packet(self)
  local bytes, why, errno
  repeat
    bytes, why, errno = read(self)
  until why ~= "interrupted"
  if not bytes and not ENDS[why] then
    core.failure(why, errno)
  end
  return bytes
end

--- Iterate over the packets that arrive, as strings, until the device is closed or deleted.
--   for bytes in dev:each() do ... end
function device:each()
  return next_packet, self
end

local packets -- is loaded when names are wanted

local function named()
  packets = packets or require "tun.packets"
  return packets
end

--- Iterate over the packets that arrive, with names (see tun.packet), until the device is
-- closed or deleted, or none came for so long. A packet is good until the next step; copy()
-- keeps it.
--   for packet in dev:packets() do ... end
-- @param seconds  optional; the timeout of settimeout() unless it is given
function device:packets(seconds)
  return named().each(self, seconds)
end

--- The next packet, with names, one that is the script's own.
-- @param seconds  optional; the timeout of settimeout() unless it is given
-- @return packet | nil, message, errno: "timeout", "closed", "deleted", "interrupted"
function device:next(seconds)
  return named().next(self, seconds)
end

local getmetatable, type = getmetatable, type

--- Send bytes or a packet of tun.packet, as it is: fix() it first if it was changed. What a
-- function gives that has none, nil and why, is handed on: dev:send(p:reply()).
-- @return number of bytes | nil, message, errno
function device:send(packet, ...)
  if packet == nil and type((...)) == "string" then
    return nil, ...
  elseif type(packet) == "userdata" then
    return slots.after(packet, send(self, packet, ...))
  elseif type(packet) ~= "table" then
    return send(self, packet, ...)
  elseif type(self) ~= "userdata" or getmetatable(self) ~= meta then
    check.refuse_self(self)
  end
  local n, why, errno = named().send(self, packet) -- no tail call: see packet/field.lua
  return n, why, errno
end

--- name: mode, state, MTU, addresses.
function meta:__tostring()
  local name = self:fd() >= 0 and self:name()
  if not name then
    return self:fd() < 0 and "closed TUN/TAP device" or "deleted TUN/TAP device"
  end
  local words = { self:flags().tap and "tap" or "tun" }
  local link = self:link()
  if link then
    words[2], words[3] = link.flags.up and "up" or "down", "mtu " .. link.mtu
  end
  for _, address in ipairs(self:addresses() or {}) do
    words[#words + 1] = address.address
  end
  return name .. ": " .. table.concat(words, ", ")
end

return device
