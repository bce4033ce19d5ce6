-- netlink/init.lua: links, addresses and routes, with the verbs of ip(8).
local check = require "tun.check"
local core = require "tun.core"
local explain = require "tun.explain"
local filter = require "tun.netlink.filter"
local netns = require "tun.netlink.netns"
local noun = require "tun.netlink.noun"

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
--   add      fails when it exists         `ip link|addr|route add`
--   replace  adds, or changes what exists  `ip addr|route replace`
--   append   a route beside others         `ip route append`
--   change   fails when it does not exist  `ip route change`
--   set      the keys of a link that are given; dev or index says which one when name is
--            a new one                      `ip link set`
--   addproperty, delproperty  the altnames of a link   `ip link property add|del`
--   del      `ip link|addr|route del`
--   get      the link, or the route that a packet to dst would take: `ip route get`
-- @param what  a table of the object's keys, as list() gives them; a string stands for
--   its name, address or dst, a device for its link
-- @return true [, the kernel's warning], the object for get | nil, message, errno
-- Source: rtnetlink(7), ip-link(8), ip-address(8), ip-route(8)
local function ask(row, verb, what, device)
  local request, socket, errno = noun.resolve(row, noun.table(row, what), device)
  if not request then
    return nil, socket, errno
  end
  local shaped, why, code = row.shape(request, verb, socket)
  if not shaped then
    return nil, row.word .. " " .. why, code
  end
  local result, reason, number = socket:request(row.object, verb, shaped)
  if result ~= nil then
    return result, reason
  end
  reason = explain.request(row.object, shaped, socket, reason, number)
  return nil, subject(row, shaped, socket) .. ": " .. reason, number
end

--- List the objects that match a filter, as `ip link|addr|route show`.
-- @param what  optional; keys that each object must have. Routes: of table "main" unless
--   table= says another or "all"
-- @return list of tables [, true when it changed meanwhile, even after ten tries] |
--   nil, message, errno
-- Source: rtnetlink(7), RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE
local function list(row, what)
  local request, socket, want = filter.query(row, what)
  if not request then
    return nil, socket, want
  end
  local objects, why, errno = socket:list(row.object, request)
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

local streams = {}

-- The next object of a dump: the iterator of each, which needs no closure.
local function step(stream)
  if getmetatable(stream) ~= streams then
    check.refuse("each", stream, "what the loop goes through: write for object in each() do")
  end
  local row, want = stream.row, stream.want
  local object, why, errno
  repeat
    object, why, errno = stream.socket:next()
    if not object then
      return why and errno ~= ABSENT and core.misuse(row.plural .. ": " .. why) or nil
    elseif row.tidy then
      row.tidy(object)
    end
  until not want or filter.matches(object, want)
  return object, why
end

-- The iterator over a list: for a device that is in another namespace than the script.
local function each_listed(row, what)
  local objects, why = list(row, what)
  if not objects then
    core.misuse(why)
  end
  local i = 0
  return function()
    i = i + 1
    return objects[i]
  end
end

--- Iterate over what list() would give, in constant memory; raises when that fails.
--   for route, changed in tun.route.each { table = "all" } do ... end
-- @param what  optional filter, as of list()
-- @return iterator of objects, and whether the kernel's table changed so far
-- A dump that is going on needs a socket of its own, which is closed when the loop
-- is left (Lua 5.4) or by the collector.
local function each(row, what)
  local request, socket, want = filter.query(row, what)
  if not request then
    core.misuse(socket)
  elseif socket ~= netns.socket() then
    return each_listed(row, what)
  end
  local own, why = core.netlink()
  local started = own
  if own then
    started, why = own:start(row.object, request)
  end
  if not started then
    core.misuse(row.plural .. ": " .. why)
  end
  return step, setmetatable({ row = row, socket = own, want = want }, streams), nil, own
end

--- Get the first address that matches; the kernel does not look addresses up.
-- @return table | nil, message, errno (ENOENT when there is none)
local function first(row, what)
  local t = noun.table(row, what)
  local objects, why, errno = list(row, t)
  if not objects then
    return nil, why, errno
  elseif not objects[1] then
    return nil, subject(row, t) .. ": there is none", core.errno.ENOENT
  end
  return objects[1]
end

--- Delete all that match a filter, as `ip addr|route flush`; what is gone already is fine.
-- @param what  a filter that is not empty
-- @return how many there were | nil, message, errno; then some may be gone
local function flush(row, what)
  local t = noun.table(row, what)
  if not next(t) then
    core.misuse(row.plural .. ": flush needs a filter")
  end
  local objects, why, errno = list(row, t)
  for _, object in ipairs(objects or {}) do
    local ok, reason, code = ask(row, "del", object, t.dev)
    if not ok and not GONE[core.errno[code]] then
      return nil, reason, code
    end
  end
  return objects and #objects, why, errno
end

-- What the kernel takes only of a link that exists, by the verb that it takes it with;
-- lists tell it, so add() has to.
local LATER = { inet6_addr_gen_mode = "set", inet6_token = "set", altnames = "addproperty" }
local NO_TOKEN = "::"

--- Add a link, as `ip link add`. When a part is refused, nothing is left of it.
-- @param what  { kind =, name =, ... }
-- @return true [, the kernel's warning] | nil, message, errno
local function add_link(row, what)
  local now, later = {}, {}
  for key, value in pairs(noun.table(row, what)) do
    if not LATER[key] then
      now[key] = value
    elseif value ~= NO_TOKEN then
      later[#later + 1] = { verb = LATER[key], key = key, value = value }
    end
  end
  local ok, why, errno = ask(row, "add", now)
  for _, more in ipairs(ok and later or {}) do
    local done, refusal, code = ask(row, more.verb, { name = now.name, [more.key] = more.value })
    if not done then
      ask(row, "del", { name = now.name })
      return nil, refusal, code
    end
  end
  return ok, why, errno
end

-- Which verbs a noun has; those that are no function are a request of that name.
local VERBS = { list = list, each = each, flush = flush }
local nouns = {
  link = { "list", "each", "get", "add", "set", "addproperty", "delproperty", "del", "flush",
           add = add_link },
  addr = { "list", "each", "get", "add", "replace", "del", "flush", get = first },
  route = { "list", "each", "get", "add", "replace", "append", "change", "del", "flush" },
}

local netlink = {}
for name, verbs in pairs(nouns) do
  local row = noun[name]
  netlink[name] = {}
  for _, verb in ipairs(verbs) do
    local run = verbs[verb] or VERBS[verb]
    netlink[name][verb] = run and function(what)
      return run(row, what)
    end or function(what)
      return ask(row, verb, what)
    end
  end
end

return netlink
