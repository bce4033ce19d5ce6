-- netlink/init.lua: the verbs of ip(8), for every noun.
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
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

-- Ask the kernel for one thing through a socket.
-- @param t  of request.resolve, which becomes ours
local function ask_at(row, verb, t, socket)
  local shaped, why, code = row.shape(t, verb, socket)
  if not shaped then
    return nil, row.word .. " " .. why, code
  end
  local result, reason, number = socket:request(row.object, verb, shaped)
  if type(result) == "table" and row.tidy then
    return row.tidy(result)
  elseif result ~= nil then
    return result, reason
  end
  reason = explain.request(row, shaped, socket, reason, number)
  return nil, subject(row, shaped, socket) .. ": " .. reason, number
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
-- @param what, device  of request.arguments: the object's keys, as list() gives them
-- @return true [, the kernel's warning], the object for get | nil, message, errno
-- Source: rtnetlink(7), ip-link(8), ip-address(8), ip-route(8), ip-neighbour(8), ip-rule(8)
local function ask(row, verb, what, device)
  local t, socket, errno = request.resolve(row, what, device)
  if not t then
    return nil, socket, errno
  end
  return ask_at(row, verb, t, socket)
end

-- What a socket lists of what filter.query() gave.
local function list_at(row, wanted, want, socket)
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

--- List the objects that match a filter, as `ip link|addr|route|... show`.
-- @param what  optional; keys that each object must have. Routes: of table "main" unless
--   table= says another or "all"
-- @return list of tables [, true when it changed meanwhile, even after ten tries] |
--   nil, message, errno
-- Source: rtnetlink(7), RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE
local function list(row, what, device)
  local wanted, socket, want = filter.query(row, what, device)
  if not wanted then
    return nil, socket, want
  end
  return list_at(row, wanted, want, socket)
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
local function each_listed(row, what, device)
  local objects, why, errno = list(row, what, device)
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
-- is left (Lua 5.4) or by the collector. After a fork it goes on in the process that began it,
-- and raises in the other (ESTALE).
local function each(row, what, device)
  local wanted, socket, want = filter.query(row, what, device)
  if not wanted then
    raise_errno(socket, want)
  elseif socket ~= netns.socket() then
    return each_listed(row, what, device)
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
local function first(row, t, device)
  local objects, why, errno = list(row, t, device)
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
  for key, value in entries(defaults or {}) do
    new[key] = value
  end
  for key, value in entries(t) do
    new[key] = value
  end
  return new
end

--- Delete all that match a filter, as `ip addr|route flush`; what is gone already is fine.
-- @param what  a filter that is not empty
-- @return how many there were | nil, message, errno of the first that was refused; all that
--   could be deleted are gone
local function flush(row, t, device)
  if not next(t) then
    core.misuse(row.plural .. ": flush needs a filter")
  end
  local wanted, socket, want = filter.query(row, with_defaults(t, row.flushed), device)
  if not wanted then
    return nil, socket, want
  end
  local objects, why, errno = list_at(row, wanted, want, socket)
  if not objects then
    return nil, why, errno
  end
  local refusal, refused
  for _, object in ipairs(objects) do
    local ok, reason, code = ask_at(row, "del", request.copy(row, object), socket)
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
  for key, inner in entries(value) do
    if inner ~= unset[key] then
      new[key] = inner
    end
  end
  return new
end

-- What add() is given in two parts: for the first request, and by verb for those behind it.
local function in_steps(row, t)
  local now, later = {}, {}
  for key, value in entries(t) do
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
local function take_steps(row, name, later, socket)
  for verb, t in entries(later) do
    t[row.key] = name
    local ok, why, errno = ask_at(row, verb, request.copy(row, t), socket)
    if not ok then
      return nil, why, errno
    end
  end
  return true
end

-- The socket of the namespace where an object will be, whose making goes through another one.
local function destination(t, socket)
  if t.netns_fd == nil and t.netns_pid == nil then
    return socket
  end
  local ns, why, errno
  if t.netns_pid ~= nil then
    ns, why, errno = core.netns(("/proc/%s/ns/net"):format(tostring(t.netns_pid)))
    if not ns then
      return nil, why, errno
    end
  end
  socket, why, errno = core.netlink(ns and ns:fd() or t.netns_fd)
  if ns then
    ns:close()
  end
  return socket, why, errno
end

--- Add one whose kernel takes some keys only when it exists, as a link's. When a part is
-- refused, nothing is left of it, or the message says so.
-- @param what  { kind =, name =, ... }
-- @return true [, the kernel's warning] | nil, message, errno
local function add_in_steps(row, what, device)
  local now, later = in_steps(row, what)
  if not next(later) then
    return ask(row, "add", now, device)
  elseif not now[row.key] then
    core.misuse(("%s: %s needs %s="):format(row.word, next(select(2, next(later))), row.key))
  end
  local t, socket, errno = request.resolve(row, now, device)
  if not t then
    return nil, socket, errno
  end
  local there, why, code = destination(now, socket)
  if not there then
    return nil, subject(row, now) .. ": " .. why, code
  end
  local ok, warning, number = ask_at(row, "add", t, socket)
  if not ok then
    return nil, warning, number
  end
  local ran, done, refusal, refused = pcall(take_steps, row, now[row.key], later, there)
  if ran and done then
    return ok, warning
  end
  local gone, reason = ask_at(row, "del", { [row.key] = now[row.key] }, there)
  local failure = gone and "" or "; not undone: " .. reason
  if not ran then
    error(done .. failure, 0)
  end
  return nil, refusal .. failure, refused
end

-- A verb as its users call it, of a function of (row, table, device).
local function public(row, optional, run)
  return function(what, more, surplus)
    if what == nil and optional then
      what = {}
    end
    return netns.leave(run(row, request.arguments(row, what, more, surplus)))
  end
end

-- The function of a verb; those that are not here are a request of that name.
local function verb_of(row, verb)
  local verbs = { list = list, each = each, flush = flush, get = row.listed and first,
                  add = row.later and add_in_steps }
  return public(row, verb == "list" or verb == "each", verbs[verb] or function(_, t, device)
    return ask(row, verb, t, device)
  end)
end

local netlink = {}
for name, row in entries(nouns) do
  netlink[name] = {}
  for verb in row.verbs:gmatch "%a+" do
    netlink[name][verb] = verb_of(row, verb)
  end
end

return netlink
