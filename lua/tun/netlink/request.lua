-- netlink/request.lua: how what a caller writes about an object becomes a request.
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
local netns = require "tun.netlink.netns"

local request = {}

--- Kinds whose value is a link, as core.fields calls them.
request.LINKS = { interface = true, ifname = true }

local function is_device(value)
  return type(value) == "userdata" and getmetatable(value) == core.device
end

-- What a caller wrote, as a table: a device, a string or a number may stand for one.
local function table_of(row, what)
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

--- The arguments of a verb.
-- @param what  a table; a device, a string or a number that says which one
-- @param more  optional: a table of what is to be said beside that; or a device, in whose
--   network namespace it is, if no device in the table tells
-- @return table, device or nil
function request.arguments(row, what, more, surplus)
  local t = table_of(row, what)
  if surplus ~= nil then
    check.refuse(row.word .. ": the third argument", surplus, "wanted")
  elseif more == nil or is_device(more) then
    return t, more
  elseif type(what) == "table" or type(more) ~= "table" then
    check.refuse(row.word .. ": the second argument", more, "wanted; one table has all the keys")
  end
  local new = {}
  for key, value in entries(more) do
    new[key] = value
  end
  local key, value = next(t)
  if new[key] == nil then
    new[key] = value
  elseif key == row.key and row.renamed and new.dev == nil then
    new.dev = value
  else
    core.misuse(("%s: %s is given twice"):format(row.word, key))
  end
  return new
end

-- A link as the core takes it, a name or an index, and the home of a device that it is |
-- nil, message, errno
local function link_of(value)
  if is_device(value) then
    return netns.find(value)
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
    for other, on in entries(t[key] or {}) do
      new[key][other] = on
    end
  end
  if new[key][name] == nil then
    new[key][name] = value
  elseif new[key][name] ~= value then
    core.misuse(("%s: it is %s, and %s.%s is %s"):format(name, tostring(value), key, name,
      tostring(new[key][name])))
  end
end

local copy

-- Kinds whose value is a list of tables.
local LISTS = { hops = true, array = true }

-- The value of a field that has fields inside: of a table, or of each in a list.
local function copy_inside(field, value, home)
  if not LISTS[field.kind] then
    return copy(field.fields, value, home)
  end
  local list = {}
  for i, hop in entries(value) do
    local new, found, errno = copy(field.fields, hop, home)
    if new == nil then
      return nil, found, errno
    end
    list[i], home = new, found
  end
  return list, home
end

local APART = "%s: it is in another network namespace than another device of this call"

-- The value of a field as the core takes it, and the home of the devices in it and before it |
-- nil, message, errno
local function copy_value(key, field, value, home)
  if field and request.LINKS[field.kind] then
    local link, found, errno = link_of(value)
    if link and found and home and not netns.is_same(found, home) then
      return nil, APART:format(key), core.errno.EXDEV
    elseif link == nil then
      return nil, found, errno
    end
    return link, found or home
  elseif field and field.fields and field.kind ~= "list" and type(value) == "table" then
    return copy_inside(field, value, home)
  end
  return value, home
end

-- A copy in which links are names or indexes, and booleans that are no fields are flags; and
-- the home of the devices that are in it and before it | nil, message, errno
function copy(fields, t, home)
  if type(t) ~= "table" then
    return t, home
  end
  local new = {}
  for key, value in entries(t) do
    local field = fields[key]
    local set = field and field.flag_of or not field and fields.flags and "flags"
    if set and type(value) == "boolean" then
      add_flag(new, t, set, key, value)
    elseif new[key] == nil then
      local copied, found, errno = copy_value(key, field, value, home)
      if copied == nil then
        return nil, found, errno
      end
      new[key], home = copied, found
    end
  end
  return new, home
end

-- The LuaJIT of Debian 12 skips the loop of copy(), compiled, for some table now and then.
if rawget(_G, "jit") then
  rawget(_G, "jit").off(copy)
end

--- A copy of what the kernel told, or of what names no device, that is a request of ours.
function request.copy(row, t)
  return (copy(row.fields, t))
end

--- A copy of what the caller wrote that is a request of ours, and the socket for it.
-- @param device  optional: whose namespace it concerns, if no device in it tells
-- @return table, socket | nil, message, errno
function request.resolve(row, t, device)
  local new, home, errno = copy(row.fields, t)
  if not new then
    return nil, home, errno
  end
  local found = home
  if not home and device then
    found, home, errno = netns.find(device)
  elseif not home then
    found, home, errno = netns.here()
    home = found or home
  end
  return found and new, found and home.socket or home, errno
end

return request
