-- netlink/request.lua: how what a caller writes about an object becomes a request.
local core = require "tun.core"
local netns = require "tun.netlink.netns"

local request = {}

--- Kinds whose value is a link, as core.fields calls them.
request.LINKS = { interface = true, ifname = true }

local function is_device(value)
  return type(value) == "userdata" and getmetatable(value) == core.device
end

--- What a caller wrote, as a table: a device, a string or a number may stand for one.
function request.table(row, what)
  if type(what) == "table" then
    return what
  elseif is_device(what) then
    return { dev = what }
  elseif type(what) == "string" then
    return { [row.key] = what }
  elseif type(what) == "number" and row.number then
    return { [row.number] = what }
  end
  core.misuse(("%s: a %s is neither a table nor a %s"):format(row.word, type(what), row.key))
end

-- A link as the core takes it, a name or an index | nil, message, errno
local function link_of(value)
  if is_device(value) then
    return netns.index(value)
  elseif type(value) == "table" then
    return value.index or value.name or value
  end
  return value
end

-- Add a flag to a set of a request, beside those that the caller's own set has.
local function add_flag(new, t, key, name, value)
  if type(t[key] or {}) ~= "table" then
    return
  elseif not new[key] or new[key] == t[key] then
    new[key] = {}
    for other, on in pairs(t[key] or {}) do
      new[key][other] = on
    end
  end
  if new[key][name] == nil then
    new[key][name] = value
  end
end

local copy

-- Kinds whose value is a list of tables.
local LISTS = { hops = true, array = true }

-- The value of a field that has fields inside: of a table, or of each in a list.
local function copy_inside(field, value)
  if not LISTS[field.kind] then
    return copy(field.fields, value)
  end
  local list = {}
  for i, hop in pairs(value) do
    local new, why, errno = copy(field.fields, hop)
    if new == nil then
      return nil, why, errno
    end
    list[i] = new
  end
  return list
end

-- The value of a field as the core takes it, and a device that it is | nil, message, errno
local function copy_value(field, value)
  if field and request.LINKS[field.kind] then
    local link, why, errno = link_of(value)
    if link == nil then
      return nil, why, errno
    end
    return link, is_device(value) and value
  elseif field and field.fields and field.kind ~= "list" and type(value) == "table" then
    return copy_inside(field, value)
  end
  return value
end

-- A copy in which links are names or indexes, and booleans that are no fields are flags; and
-- a device that is in it.
function copy(fields, t)
  if type(t) ~= "table" then
    return t
  end
  local new, device = {}, nil
  for key, value in pairs(t) do
    local field = fields[key]
    local set = field and field.flag_of or not field and fields.flags and "flags"
    if set and type(value) == "boolean" then
      add_flag(new, t, set, key, value)
    elseif new[key] == nil then
      local copied, found, errno = copy_value(field, value)
      if copied == nil then
        return nil, found, errno
      end
      new[key], device = copied, device or found
    end
  end
  return new, device
end

--- A copy of what the caller wrote that is a request of ours, and the socket for it.
-- @param device  optional: whose namespace it concerns, if no link in it tells
-- @return table, socket | nil, message, errno
function request.resolve(row, t, device)
  local new, found, errno = copy(row.fields, t)
  if not new then
    return nil, found, errno
  end
  local socket, why, code = netns.socket(device or found)
  if not socket then
    return nil, why, code
  end
  return new, socket
end

return request
