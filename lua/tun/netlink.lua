-- netlink.lua: links, addresses and routes, with the verbs of ip(8).
local core = require "tun.core"
local explain = require "tun.explain"
local noun = require "tun.noun"

-- Answers to a deletion that tell that it is gone already.
local GONE = { ENODEV = true, ENOENT = true, ESRCH = true, EADDRNOTAVAIL = true }

-- "route 10.0.0.0/8"
local function subject(row, t, socket)
  local name = t[row.key]
  if name == nil and t.index then
    name = socket:name(t.index) or t.index
  end
  return name and ("%s %s"):format(row.word, tostring(name)) or row.word
end

-- One request and its answer; what errno alone does not tell is explained.
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

-- What is left of a filter for Lua to match, written as the kernel's answers are.
local function remainder(row, filter, socket)
  local plain, want = {}, {}
  for key, value in pairs(filter) do
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

-- Whether an object has all that is wanted; false is as good as absent.
local function matches(object, want)
  for key, value in pairs(want) do
    local found = object[key]
    if type(value) == "table" then
      if not matches(found or {}, value) then
        return false
      end
    elseif (found or false) ~= value then
      return false
    end
  end
  return true
end

-- A filter as the kernel takes it, the socket, and what Lua has to match.
local function query(row, what)
  local filter, socket, errno = noun.resolve(row, noun.table(row, what or {}))
  if not filter then
    return nil, socket, errno
  end
  for key, value in pairs(row.default) do
    if filter[key] == nil then
      filter[key] = value
    elseif filter[key] == "all" then
      filter[key] = nil
    end
  end
  return filter, socket, remainder(row, filter, socket)
end

local function list(row, what)
  local filter, socket, want = query(row, what)
  if not filter then
    return nil, socket, want
  end
  local objects, why, errno = socket:list(row.object, filter)
  if not objects then
    return nil, row.plural .. ": " .. why, errno
  end
  local interrupted = why or nil
  if not (want or row.tidy) then
    return objects, interrupted
  end
  local kept = {}
  for _, object in ipairs(objects) do
    object = row.tidy and row.tidy(object) or object
    if not want or matches(object, want) then
      kept[#kept + 1] = object
    end
  end
  return kept, interrupted
end

-- The next object of a dump: the iterator of each, which needs no closure.
local function step(stream)
  local row, want = stream.row, stream.want
  local object, why
  repeat
    object, why = stream.socket:next()
    if not object then
      return why and core.misuse(row.plural .. ": " .. why) or nil
    elseif row.tidy then
      row.tidy(object)
    end
  until not want or matches(object, want)
  return object, why
end

-- A dump that is going on needs a socket of its own, which is closed when the loop
-- is left (Lua 5.4) or by the collector.
local function each(row, what)
  local filter, why, want = query(row, what)
  local socket, started
  if filter then
    socket, why = core.netlink()
  end
  if socket then
    started, why = socket:start(row.object, filter)
  end
  if not started then
    core.misuse(row.plural .. ": " .. why)
  end
  return step, { row = row, socket = socket, want = want }, nil, socket
end

-- The kernel does not look addresses up; the first that matches.
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

-- Deletes all that match a filter, which must not be empty; returns how many.
local function flush(row, what)
  local filter = noun.table(row, what)
  if not next(filter) then
    core.misuse(row.plural .. ": flush needs a filter")
  end
  local objects, why, errno = list(row, filter)
  for _, object in ipairs(objects or {}) do
    local ok, reason, code = ask(row, "del", object, filter.dev)
    if not ok and not GONE[core.errno[code]] then
      return nil, reason, code
    end
  end
  return objects and #objects, why, errno
end

-- Which verbs a noun has; those that are no function are a request of that name.
local VERBS = { list = list, each = each, flush = flush }
local nouns = {
  link = { "list", "each", "get", "add", "set", "del", "flush" },
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
