-- poll.lua: wait for several things at once.
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
  end
  return object, fd, events
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
  local waiting, fds, events = {}, {}, {}
  for i, what in ipairs(objects) do
    waiting[i], fds[i], events[i] = entry(what, i)
  end
  local found, why, errno = core.poll(fds, events, timeout)
  if not found then
    return nil, why, errno
  end
  local ready, got = {}, {}
  for i, event in ipairs(found) do
    if event then
      ready[#ready + 1], got[#got + 1] = waiting[i], event
    end
  end
  return ready, got
end

return poll
