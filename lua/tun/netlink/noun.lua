-- noun.lua: what a link, an address and a route are called, and how what a caller
-- writes about one becomes a request. Defaults and spellings are decided here.
local core = require "tun.core"
local netns = require "tun.netlink.netns"

local noun = {}

-- Keys whose value is a link: a name, an index, a device, or what list gave.
noun.references = { dev = true, iif = true, link = true, master = true }

-- With dev to say which link is meant, a name is a new one.
local function shape_link(t, verb, socket)
  local dev = t.dev
  t.dev = nil
  if type(dev) == "number" then
    t.index = dev
  elseif t.name == nil then
    t.name = dev
  elseif dev then
    local index, why, errno = socket:index(dev)
    if not index then
      return nil, why, errno
    end
    t.index = index
  end
  if verb ~= "add" and not (t.index or t.name) then
    core.misuse("link: say which one with name=, index= or dev=")
  elseif verb == "set" and t.altnames then
    core.misuse("link: set cannot change altnames; addproperty and delproperty can")
  elseif verb == "get" or verb == "del" then
    return { index = t.index, name = not t.index and t.name or nil }
  end
  return t
end

-- As ip(8): an IPv4 address without a peer is its own peer.
local function shape_address(t, verb)
  if t.address == nil or t.dev == nil then
    core.misuse("address: address= and dev= are needed")
  end
  local address = tostring(t.address)
  if t.peer == nil and not address:find(":") and (verb ~= "del" or address:find("/")) then
    t.peer = t.address
  end
  return t
end

-- The kernel tells an address without a peer as two equal ones, or as the peer.
local function tidy_address(t)
  if t.address == nil then
    t.address, t.peer = t.peer, nil
  elseif t.address == t.peer then
    t.peer = nil
  end
  return t
end

-- As ip(8): the table and the scope that a type of route goes with.
local TABLES = { ["local"] = "local", nat = "local", broadcast = "local", anycast = "local" }
local SCOPES = { ["local"] = "host", nat = "host", broadcast = "link", anycast = "link",
                 multicast = "link" }

local function scope(t, type)
  if type == "unicast" then
    return not (t.via or t.nexthops or t.nhid) and "link" or nil
  end
  return SCOPES[type]
end

-- Whether an address tells the family: "default" is of either.
local function has_address(t)
  return t.dst ~= "default" or t.via or t.prefsrc or t.from or t.nexthops
end

local function shape_route(t, verb)
  t.dst = t.dst or "default"
  if verb == "get" then
    return t
  end
  t.family = t.family or not has_address(t) and "inet" or nil
  local type = t.type or "unicast"
  t.table = t.table or TABLES[type] or "main"
  if verb == "del" then
    t.scope = t.scope or "nowhere"
  else
    t.type, t.proto, t.scope = type, t.proto or "boot", t.scope or scope(t, type)
  end
  return t
end

-- object: its name in the core; word, plural: in messages; key, number: what a string and
-- a number alone stand for; default: of filters; shape(t, verb, socket): finish a copy of
-- what the caller wrote, or nil, message, errno; tidy(t): finish what the kernel told.
noun.link = { object = "link", word = "link", plural = "links", key = "name", number = "index",
              default = {}, shape = shape_link }
noun.addr = { object = "addr", word = "address", plural = "addresses", key = "address",
              default = {}, shape = shape_address, tidy = tidy_address }
noun.route = { object = "route", word = "route", plural = "routes", key = "dst",
               default = { table = "main" }, shape = shape_route }

-- fields: the keys that the core knows; filtered: those that the kernel filters by.
for _, row in pairs { noun.link, noun.addr, noun.route } do
  row.fields, row.filtered = {}, {}
  for _, field in ipairs(core.fields(row.object)) do
    row.fields[field.key] = true
    row.filtered[field.key] = field.filter
  end
end

local function is_device(value)
  return type(value) == "userdata" and getmetatable(value) == core.device
end

--- What a caller wrote, as a table: a device, a string or a number may stand for one.
function noun.table(row, what)
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
local function reference(value)
  if is_device(value) then
    return netns.index(value)
  elseif type(value) == "table" then
    return value.index or value.name or value
  end
  return value
end

-- Set the flags of a request: up = true beside others in flags.
local function add_flags(request, flags, more)
  if type(more or flags) == "table" then
    for name, value in pairs(more or {}) do
      flags[name] = value
    end
    request.flags = flags
  end
end

-- A copy in which links are names or indexes, and booleans that are no fields of the
-- noun are flags; and a device that is in it.
local function copy(row, t)
  local new, flags, device = {}, nil, nil
  for key, value in pairs(t) do
    if noun.references[key] then
      local link, why, errno = reference(value)
      if link == nil then
        return nil, why, errno
      end
      new[key], device = link, device or is_device(value) and value
    elseif type(value) == "boolean" and not row.fields[key] then
      flags = flags or {}
      flags[key] = value
    else
      new[key] = value
    end
  end
  if flags then
    add_flags(new, flags, t.flags)
  end
  return new, device
end

-- Next hops have links and flags, too.
local function copy_hops(hops)
  local new = {}
  for i, hop in ipairs(hops) do
    local why, errno
    new[i], why, errno = copy(noun.route, hop)
    if not new[i] then
      return nil, why, errno
    end
  end
  return new
end

--- A copy of what the caller wrote that is a request of ours, and the socket for it.
-- @param device  optional: whose namespace it concerns, if no link in it tells
-- @return table, socket | nil, message, errno
function noun.resolve(row, t, device)
  local new, found, errno = copy(row, t)
  if not new then
    return nil, found, errno
  end
  local why
  if type(t.nexthops) == "table" then
    new.nexthops, why, errno = copy_hops(t.nexthops)
    if not new.nexthops then
      return nil, why, errno
    end
  end
  local socket
  socket, why, errno = netns.socket(device or found)
  if not socket then
    return nil, why, errno
  end
  return new, socket
end

return noun
