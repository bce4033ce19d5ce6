-- netlink/filter.lua: which objects of a list are wanted: what the kernel is asked to leave out,
-- and what is left out here.
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
local request = require "tun.netlink.request"

local filter = {}

-- Types of values that the kernel may write in another way.
local WRITTEN = { string = true, number = true, boolean = true }

local LARGEST = 2147483647 -- index of a link

-- What tells whether an object is of a link: lists call it by one of its names, or by its
-- index where its name could not be had. What names no link is compared as it is.
local function of_link(key, value, socket)
  local index = type(value) == "string" and socket:index(value) or value
  if type(index) ~= "number" then
    return value
  end
  local name = socket:name(check.whole(key, index, 1, LARGEST))
  return function(found)
    name = name or found and socket:name(index)
    return found ~= nil and (found == index or found == name)
  end
end

-- What the kernel does not filter by, written as it writes its answers.
-- @param want  what else has to match
local function remainder(row, wanted, socket, want)
  local plain = {}
  for key, value in entries(wanted) do
    local field = row.fields[key] or {}
    if not field.filter then
      local link = request.LINKS[field.kind]
      want[key] = link and of_link(key, value, socket) or value
      plain[key] = not link and WRITTEN[type(value)] and value or nil
    end
  end
  local written = next(plain) and core.decode(row.object, core.encode(row.object, "get", plain))
  for key in entries(plain) do
    if written[key] ~= nil then
      want[key] = written[key]
    end
  end
  return next(want) and want
end

--- Whether an object has all that is wanted; false is as good as absent.
function filter.matches(object, want)
  for key, value in entries(want) do
    local found = object[key]
    if type(value) == "function" then
      if not value(found, object) then
        return false
      end
    elseif type(value) == "table" then
      if not filter.matches(type(found) == "table" and found or {}, value) then
        return false
      end
    elseif (found or false) ~= value then
      return false
    end
  end
  return true
end

--- What a caller wants, as the kernel takes it.
-- @param device  optional, as of request.resolve
-- @return request, socket, what is left to match or false | nil, message, errno
function filter.query(row, t, device)
  local wanted, socket, errno = request.resolve(row, t, device)
  if not wanted then
    return nil, socket, errno
  end
  local matches = {}
  for key, value in entries(row.default) do
    if wanted[key] == "all" then
      wanted[key] = nil
    elseif wanted[key] == nil then
      local place = type(value) == "function" and matches or wanted
      place[key] = value
    end
  end
  local want = remainder(row, wanted, socket, matches)
  for key, asked in entries(row.recheck or {}) do
    wanted[key] = asked and wanted[key] or nil
  end
  return wanted, socket, want
end

return filter
