-- netlink/init.lua: the verbs of ip(8), for every noun.
local check = require "tun.check"
local core = require "tun.core"
local explain = require "tun.explain"
local filter = require "tun.netlink.filter"
local netns = require "tun.netlink.netns"
local nouns = require "tun.netlink.noun"
local request = require "tun.netlink.request"

-- Answers to a deletion that tell that it is gone already.
local GONE = { ENODEV = true, ENOENT = true, ESRCH = true, EADDRNOTAVAIL = true }

-- The answer to a dump of a routing table that nothing was put in yet.
local ABSENT = core.errno.ENOENT

-- "route 10.0.0.0/8"
local function subject(row, t, socket)
  local name = t[row.key]
  if name == nil and t.index then
    name = socket:name(t.index) or t.index
  end
  return name and ("%s %s"):format(row.word, tostring(name)) or row.word
end

--- Ask the kernel for one thing: every verb that is not a function of its own here.
--   add      fails when it exists         `ip link|addr|route|... add`
--   replace  adds, or changes what exists  `ip addr|route|... replace`
--   append   a route beside others         `ip route append`
--   change   fails when it does not exist  `ip route change`
--   set      the keys of a link that are given; dev or index says which one when name is
--            a new one                      `ip link set`
--   addproperty, delproperty  the altnames of a link   `ip link property add|del`
--   del      `ip link|addr|route|... del`
--   get      the one that is named; the route that a packet to dst would take: `ip route get`
-- @param what  a table of the object's keys, as list() gives them; a string stands for
--   its name, address or dst, a device for its link
-- @return true [, the kernel's warning], the object for get | nil, message, errno
-- Source: rtnetlink(7), ip-link(8), ip-address(8), ip-route(8), ip-neighbour(8), ip-rule(8)
local function ask(row, verb, what, device)
  local t, socket, errno = request.resolve(row, request.table(row, what), device)
  if not t then
    return nil, socket, errno
  end
  local shaped, why, code = row.shape(t, verb, socket)
  if not shaped then
    return nil, row.word .. " " .. why, code
  end
  local result, reason, number = socket:request(row.object, verb, shaped)
  if result ~= nil then
    return result, reason
  end
  reason = explain.request(row, shaped, socket, reason, number)
  return nil, subject(row, shaped, socket) .. ": " .. reason, number
end

--- List the objects that match a filter, as `ip link|addr|route|... show`.
-- @param what  optional; keys that each object must have. Routes: of table "main" unless
--   table= says another or "all"
-- @return list of tables [, true when it changed meanwhile, even after ten tries] |
--   nil, message, errno
-- Source: rtnetlink(7), RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE
local function list(row, what)
  local wanted, socket, want = filter.query(row, what)
  if not wanted then
    return nil, socket, want
  end
  local objects, why, errno = socket:list(row.object, wanted)
  if errno == ABSENT then
    return {}
  elseif not objects then
    return nil, row.plural .. ": " .. why, errno
  end
  local interrupted = why or nil
  if not (want or row.tidy) then
    return objects, interrupted
  end
  local kept = {}
  for _, object in ipairs(objects) do
    object = row.tidy and row.tidy(object) or object
    if not want or filter.matches(object, want) then
      kept[#kept + 1] = object
    end
  end
  return kept, interrupted
end

-- Raise what the world refused, with the name of its errno at the end.
local function raise_errno(why, errno)
  core.misuse(("%s (%s)"):format(why, core.errno[errno] or errno))
end

local streams = {}

-- The next object of a dump: the iterator of each, which needs no closure.
local function next_match(stream)
  if getmetatable(stream) ~= streams then
    check.refuse("each", stream, "what the loop goes through: write for object in each() do")
  end
  local row, want = stream.row, stream.want
  local object, why, errno
  repeat
    object, why, errno = stream.socket:next()
    if not object then
      return why and errno ~= ABSENT and raise_errno(row.plural .. ": " .. why, errno) or nil
    elseif row.tidy then
      row.tidy(object)
    end
  until not want or filter.matches(object, want)
  return object, why
end

-- The iterator over a list: for a device that is in another namespace than the script.
local function each_listed(row, what)
  local objects, why, errno = list(row, what)
  if not objects then
    raise_errno(why, errno)
  end
  local i = 0
  return function()
    i = i + 1
    return objects[i]
  end
end

--- Iterate over what list() would give, in constant memory; raises when that fails, with the
-- name of the errno at the end: "routes: No such device (dev "nope") (ENODEV)".
--   for route, changed in tun.route.each { table = "all" } do ... end
-- @param what  optional filter, as of list()
-- @return iterator of objects, and whether the kernel's table changed so far
-- A dump that is going on needs a socket of its own, which is closed when the loop
-- is left (Lua 5.4) or by the collector.
local function each(row, what)
  local wanted, socket, want = filter.query(row, what)
  if not wanted then
    raise_errno(socket, want)
  elseif socket ~= netns.socket() then
    return each_listed(row, what)
  end
  local own, why, errno = core.netlink()
  local started = own
  if own then
    started, why, errno = own:start(row.object, wanted)
  end
  if not started then
    raise_errno(row.plural .. ": " .. why, errno)
  end
  return next_match, setmetatable({ row = row, socket = own, want = want }, streams), nil, own
end

--- Get the first address that matches; the kernel does not look addresses up.
-- @return table | nil, message, errno (ENOENT when there is none)
local function first(row, what)
  local t = request.table(row, what)
  local objects, why, errno = list(row, t)
  if not objects then
    return nil, why, errno
  elseif not objects[1] then
    return nil, subject(row, t) .. ": there is none", core.errno.ENOENT
  end
  return objects[1]
end

-- A copy with what is missing in it.
local function with_defaults(t, defaults)
  local new = {}
  for key, value in pairs(defaults or {}) do
    new[key] = value
  end
  for key, value in pairs(t) do
    new[key] = value
  end
  return new
end

--- Delete all that match a filter, as `ip addr|route flush`; what is gone already is fine.
-- @param what  a filter that is not empty
-- @return how many there were | nil, message, errno of the first that was refused; all that
--   could be deleted are gone
local function flush(row, what)
  local t = request.table(row, what)
  if not next(t) then
    core.misuse(row.plural .. ": flush needs a filter")
  end
  local objects, why, errno = list(row, with_defaults(t, row.flushed))
  if not objects then
    return nil, why, errno
  end
  local refusal, refused
  for _, object in ipairs(objects) do
    local ok, reason, code = ask(row, "del", object, t.dev)
    if not ok and not refusal and not GONE[core.errno[code]] then
      refusal, refused = reason, code
    end
  end
  if refusal then
    return nil, refusal, refused
  end
  return #objects
end

-- A value without what each has at first; nil for nothing.
local function beyond(value, unset)
  if type(value) ~= "table" or type(unset) ~= "table" then
    return value ~= unset and value or nil
  end
  local new = {}
  for key, inner in pairs(value) do
    if inner ~= unset[key] then
      new[key] = inner
    end
  end
  return new
end

-- What add() is given in two parts: for the first request, and by verb for those behind it.
local function in_steps(row, t)
  local now, later = {}, {}
  for key, value in pairs(t) do
    local verb = row.later[key]
    if not verb then
      now[key] = value
    elseif beyond(value, row.unset[key]) ~= nil then
      later[verb] = later[verb] or {}
      later[verb][key] = beyond(value, row.unset[key])
    end
  end
  return now, later
end

-- Take the steps that follow the making of an object, which a key names.
local function take_steps(row, name, later)
  for verb, t in pairs(later) do
    t[row.key] = name
    local ok, why, errno = ask(row, verb, t)
    if not ok then
      return nil, why, errno
    end
  end
  return true
end

--- Add one whose kernel takes some keys only when it exists, as a link's. When a part is
-- refused, nothing is left of it, or the message says so.
-- @param what  { kind =, name =, ... }
-- @return true [, the kernel's warning] | nil, message, errno
local function add_in_steps(row, what)
  local now, later = in_steps(row, request.table(row, what))
  if next(later) and not now[row.key] then
    core.misuse(("%s: %s needs %s="):format(row.word, next(select(2, next(later))), row.key))
  end
  local ok, why, errno = ask(row, "add", now)
  if not ok then
    return nil, why, errno
  end
  local ran, done, refusal, code = pcall(take_steps, row, now[row.key], later)
  if ran and done then
    return ok, why
  end
  local gone, reason = ask(row, "del", { [row.key] = now[row.key] })
  local failure = gone and "" or "; not undone: " .. reason
  if not ran then
    error(done .. failure, 0)
  end
  return nil, refusal .. failure, code
end

-- The function of a verb; those that are not here are a request of that name.
local function verb_of(row, verb)
  local verbs = { list = list, each = each, flush = flush, get = row.listed and first,
                  add = row.later and add_in_steps }
  local run = verbs[verb]
  return run and function(what)
    return run(row, what)
  end or function(what)
    return ask(row, verb, what)
  end
end

local netlink = {}
for name, row in pairs(nouns) do
  netlink[name] = {}
  for verb in row.verbs:gmatch "%a+" do
    netlink[name][verb] = verb_of(row, verb)
  end
end

return netlink
