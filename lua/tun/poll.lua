-- poll.lua: wait for several things at once.
local check = require "tun.check"
local core = require "tun.core"

-- How objects tell their descriptor, a method or a plain field: here and in
-- LuaSocket, luaposix and cqueues.
local NAMES = { "fd", "getfd", "pollfd" }

local function descriptor(object)
  if type(object) == "number" then
    return object
  end
  for _, name in ipairs(NAMES) do
    local fd = object[name]
    if type(fd) == "function" then
      fd = fd(object)
    end
    if type(fd) == "number" then
      return fd
    end
  end
end

-- What an entry of the caller's list waits for: the object, its descriptor, events.
local function entry(what, i)
  local object, events = what, "r"
  if type(what) == "table" and what[1] ~= nil then
    object, events = what[1], what[2] or "r"
  end
  local known, fd = pcall(descriptor, object)
  if not known or not fd then
    core.misuse(("poll: object %d has no descriptor: none of fd, getfd, pollfd"):format(i))
  elseif type(events) ~= "string" then
    check.refuse(("poll: events of object %d"):format(i), events, '"r", "w" or "rw"')
  end
  return object, fd, events
end

-- Whether an object has something to read of which its descriptor does not know, as
-- LuaSocket asks its objects: what a buffer holds.
local function has_more(object, event)
  local kind = type(object)
  if (kind ~= "userdata" and kind ~= "table") or not event:find("r", 1, true) then
    return false
  end
  local dirty = object.dirty
  return type(dirty) == "function" and dirty(object)
end

--- Wait until one or more of several objects are ready.
-- @param objects  list of devices, sockets or anything that has fd(), getfd() or
--   pollfd(), descriptors, and { object, "r" | "w" | "rw" } to say for what ("r")
-- @param timeout  seconds; 0 never waits, nil waits for ever
-- @return list of those that are ready, parallel list of "r", "w", "rw"; with an "e"
--   where there is an error, a hang-up or a closed object | nil, "timeout", EAGAIN |
--   nil, "interrupted", EINTR
-- Source: poll(2)
local function poll(objects, timeout)
  check.type("poll", objects, "table", "a list of what to wait for")
  local waiting, fds, events, more, some = {}, {}, {}, {}, false
  for i, what in ipairs(objects) do
    waiting[i], fds[i], events[i] = entry(what, i)
    if fds[i] >= 0 and has_more(waiting[i], events[i]) then
      more[i], some, timeout = true, true, 0
    end
  end
  if not waiting[1] and timeout == nil then
    core.misuse "poll: an empty list is not something to wait for without a timeout"
  end
  local found, why, errno = core.poll(fds, events, timeout)
  if not found and not (why == "timeout" and some) then
    return nil, why, errno
  end
  local ready, got = {}, {}
  for i = 1, #waiting do
    local event = found and found[i]
    if more[i] and not (event and event:find("r", 1, true)) then
      event = "r" .. (event or "")
    end
    if event then
      ready[#ready + 1], got[#got + 1] = waiting[i], event
    end
  end
  return ready, got
end

return poll
