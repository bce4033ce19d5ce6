-- forward.lua: the loop that carries packets between two devices, or a device and a socket.
local batch = require "tun.batch"
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
local poll = require "tun.poll"

-- How many packets are taken at once: few of 64 KB fit in a processor's cache. Of a socket
-- what comes in some pieces of 64 KB each.
local SLOTS, DATAGRAMS = 32, 256

local function set(names)
  local numbers = {}
  for name in names:gmatch "%S+" do
    numbers[core.errno[name]] = true
  end
  return numbers
end

-- What a failed call means: the loop goes on as it is; packets are lost, as in any router
-- whose link is down. Anything else ends the loop.
local GOES_ON = set [[EAGAIN EINTR ECONNREFUSED EHOSTUNREACH ENETUNREACH EPROTO ENOPROTOOPT
  EMSGSIZE]]
local LOST = set "EIO ENETDOWN ENETUNREACH EHOSTUNREACH ENOBUFS"

-- -- One direction ------------------------------------------------------------

-- | nil, message, errno
local function direction(from, to, t, stats)
  local slots = t.slots or getmetatable(from) == core.udp_socket and DATAGRAMS or SLOTS
  local made, why, errno = batch { slots = slots, headroom = t.headroom }
  return made and { from = from, to = to, held = false, stats = stats, batch = made }, why, errno
end

local function index(object, name)
  return object[name]
end

-- Whether packets can be taken from an object and be given to it.
local function carries(object)
  for _, name in ipairs { "receive", "send", "fd" } do
    local known, method = pcall(index, object, name)
    if not known or type(method) ~= "function" then
      return false
    end
  end
  return true
end

-- One object as a list of one, or a list, of what carries packets.
local function queues(what, side)
  local list = type(side) == "table" and rawget(side, 1) ~= nil and not carries(side) and side
    or { side }
  for i = 1, math.max(#list, 1) do
    if not carries(list[i]) then
      check.refuse("forward: " .. what, list[i], "a device, a socket or a list of such")
    end
  end
  return list
end

-- Every queue of each side, and the one of the other side that takes what it has.
-- @return list | nil, message, errno
local function all_directions(a, b, t, result)
  local list = {}
  for i, sides in ipairs { { a, b }, { b, a } } do
    result[i] = { packets = 0, bytes = 0, dropped = 0, refused = 0, failed = 0 }
    for j, from in ipairs(sides[1]) do
      local each, why, errno = direction(from, sides[2][(j - 1) % #sides[2] + 1], t, result[i])
      if not each then
        return nil, why, errno
      end
      list[#list + 1] = each
    end
  end
  return list
end

-- Let the caller's function see and change what a loop still has; false drops a packet.
local function edit_rest(self, edit, step, state)
  for packet in step, state do
    self.edited = packet
    if edit(packet, self.from, self.to) == false then
      packet:drop()
    end
  end
end

-- How an interpreter ends what runs at Ctrl-C.
local INTERRUPTED = "interrupted!$"

-- The same of all that came. A packet at which it raises is lost, and the others go on.
local function edit_all(self, edit)
  local before, stats = self.batch:count(), self.stats
  local step, state = self.batch:packets()
  repeat
    local ok, why = pcall(edit_rest, self, edit, step, state)
    if not ok and tostring(why):find(INTERRUPTED) then
      error(why, 0)
    elseif not ok then
      self.edited:drop()
      stats.failed, stats.failure = stats.failed + 1, stats.failure or tostring(why)
    end
  until ok
  stats.dropped = stats.dropped + before - self.batch:count()
end

-- Send what there is; what the other side does not take yet is held.
-- @return true, or false when nothing moved | nil, message, errno
local function send(self)
  local stats, it = self.stats, self.batch
  local count, size = it:count(), it:size()
  local sent, why, errno = self.to:send(it)
  local left = it:count()
  sent = sent or 0
  stats.packets, stats.bytes = stats.packets + sent, stats.bytes + size - it:size()
  stats.refused = stats.refused + count - left - sent
  if left > 0 and LOST[errno] then
    stats.dropped, left = stats.dropped + left, 0
    it:clear()
  end
  self.held = left > 0
  if self.held and not GOES_ON[errno] then
    return nil, why, errno
  end
  return left < count
end

-- A turn: the same results.
local function turn(self, edit)
  if self.held then
    return send(self)
  end
  local n, why, errno = self.from:receive(self.batch, 0)
  if not n then
    return GOES_ON[errno] and false, why, errno
  elseif edit then
    edit_all(self, edit)
  end
  return send(self)
end

-- Wait until a direction can go on: for packets, unless it holds some; then for room.
local function wait(directions, seconds)
  local list = {}
  for _, each in ipairs(directions) do
    list[#list + 1] = each.held and { each.to, "w" } or { each.from, "r" }
  end
  return poll(list, seconds)
end

-- -- The loop -------------------------------------------------------------------

local OPTIONS = { edit = "function", slots = "number", headroom = "number", seconds = "number" }

local function options(t)
  t = check.options("forward", t == nil and {} or t, "option", OPTIONS)
  for key, value in entries(t) do
    check.type("forward: " .. key, value, OPTIONS[key], "a " .. OPTIONS[key])
    if value ~= value then
      check.refuse("forward: " .. key, value, "a number")
    end
  end
  return t
end

--- Carry packets between two devices or UDP sockets, both ways, until one of them is closed
-- or deleted. What one side does not take yet is held, and no more is read for it meanwhile;
-- packets for a link that is down are dropped.
-- @param a, b  devices of tun.open, sockets of tun.udp, or lists of a device's queues: what
--   comes by the first queue of one side leaves by the first of the other, and so on
-- @param t  optional; any of
--   edit = function(packet, from, to): sees every packet, may change it (fix() it then), and
--     returns false to drop it; the packet is good until it returns. When it raises, that
--     costs the packet, and not the loop,
--   slots (32, of a socket 256), headroom (128): of the batches, see tun.batch,
--   seconds: how long to go on at most
-- @return { there, back }: of each direction { packets, bytes, dropped, refused, failed,
--   failure }: how many were lost because edit raised, and the first error; and why it ended:
--   "closed", "deleted", "timeout", or message and errno of what failed | nil,
--   message, errno: there is no memory for the batches
local function forward(a, b, t)
  a, b, t = queues("a", a), queues("b", b), options(t)
  local result = {}
  local directions, refusal, code = all_directions(a, b, t, result)
  if not directions then
    return nil, refusal, code
  end
  local stop = core.now() + (t.seconds or math.huge)
  while true do
    local moved
    for _, each in ipairs(directions) do
      local now, why, errno = turn(each, t.edit)
      if now == nil then
        return result, why, errno
      end
      moved = moved or now
    end
    local left = stop - core.now()
    if left <= 0 then
      return result, "timeout", core.errno.EAGAIN
    elseif not moved then
      wait(directions, left)
    end
  end
end

return forward
