-- filter.lua: which objects of a list are wanted: what the kernel is asked to leave out,
-- and what is left out here.
local core = require "tun.core"
local noun = require "tun.netlink.noun"

local filter = {}

-- What the kernel does not filter by, written as it writes its answers.
local function remainder(row, request, socket)
  local plain, want = {}, {}
  for key, value in pairs(request) do
    if not row.filtered[key] then
      want[key] = value
      plain[key] = type(value) ~= "table" and value or nil
    end
  end
  for key in pairs(noun.references) do
    if type(want[key]) == "number" then
      want[key] = socket:name(want[key])
    end
    plain[key] = nil
  end
  local written = next(plain) and core.decode(row.object, core.encode(row.object, "get", plain))
  for key in pairs(plain) do
    if written[key] ~= nil then
      want[key] = written[key]
    end
  end
  return next(want) and want
end

--- Whether an object has all that is wanted; false is as good as absent.
function filter.matches(object, want)
  for key, value in pairs(want) do
    local found = object[key]
    if type(value) == "table" then
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
-- @return request, socket, what is left to match or false | nil, message, errno
function filter.query(row, what)
  local request, socket, errno = noun.resolve(row, noun.table(row, what or {}))
  if not request then
    return nil, socket, errno
  end
  for key, value in pairs(row.default) do
    if request[key] == nil then
      request[key] = value
    elseif request[key] == "all" then
      request[key] = nil
    end
  end
  return request, socket, remainder(row, request, socket)
end

return filter
