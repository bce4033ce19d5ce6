-- search.lua: run every scenario in children, each with one fault, and tell what goes wrong.
local core = require "tun.core"
local fault = require "fault"
local netns = require "tun.netlink.netns"
local process = dofile "spec/process.lua"
local scenarios = dofile "spec/inject/scenarios.lua"

-- How long a call may take before it counts as one that hangs.
local SECONDS = 3

-- -- What there is -----------------------------------------------------------------

-- What a value is, with keys in order; what goes by the clock or the load is left out.
local VOLATILE = { stats = true, operstate = true, running = true, lower_up = true,
                   linkdown = true, dead = true, index = true, created = true,
                   updated = true, users = true }

local function show(value)
  if type(value) == "userdata" then
    return "userdata"
  elseif type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, part in pairs(value) do
    if not (VOLATILE[key] or tostring(key):find "^carrier_") then
      local text = show(part)
      parts[#parts + 1] = text ~= "{}" and tostring(key) .. "=" .. text or nil
    end
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- A netlink of its own, which looks at things and shares no socket with what runs.
local function load_again(...)
  local was = {}
  for _, name in ipairs { ... } do
    was[name], package.loaded[name] = package.loaded[name], nil
  end
  local copy = require((...))
  for name, value in pairs(was) do
    package.loaded[name] = value
  end
  return copy
end

local seen = load_again("tun.netlink", "tun.netlink.netns", "tun.netlink.noun",
                        "tun.netlink.request", "tun.netlink.filter")

-- Links, addresses and routes, one a line. No command of another process: that would be
-- nearly all of the time that a run takes.
local function state(scenario, world)
  local lines = {}
  for _, list in ipairs { seen.link.list(), seen.addr.list(), seen.route.list { table = "all" } } do
    for _, object in ipairs(list) do
      lines[#lines + 1] = show(object)
    end
  end
  lines[#lines + 1] = scenario.look and show(scenario.look(world))
  return table.concat(lines, "\n")
end

-- The state once the kernel has done what it does later, such as routes of IPv6 addresses:
-- one of those that are expected, or what it is after a while.
local function settled(scenario, world, base)
  local text
  local stop = core.now() + (base and 1 or 0.2)
  repeat
    text = state(scenario, world)
    if base and (text == base.before or text == base.after) then
      break
    end
    core.poll({}, nil, 0.005)
  until core.now() > stop
  return text
end

-- How many descriptors are open that are no garbage: one may hold another.
local function descriptors()
  for _ = 1, 4 do
    collectgarbage()
  end
  return fault.descriptors()
end

-- -- One run, in a child ---------------------------------------------------------

-- Have what the library keeps open of a namespace: sockets, a watch and a sysfs.
local KEPT = 3

local function keep()
  assert(netns.sysfs(assert(netns.here())))
end

-- Note how a run went. Nothing is done before this that could fail as well.
local function finish(out, scenario, world, ...)
  out.trace, out.hit, out.unlisted, out.allocations = fault.stop()
  collectgarbage "restart"
  local ran, value, why, errno = ...
  out.raised, out.value, out.why, out.errno = not ran, show(value), why, errno
  if not ran then
    out.why = tostring(value)
  end
  out.ok = ran and (value or why == nil) and true or false
  out.problem = scenario.judge and scenario.judge(world, select(2, ...))
  keep() -- which some runs do, and others not
end

-- Run a scenario with something that fails.
-- @return { state =, value =, results of run =, trace =, hit =, leaked =, problem = }
local function play(scenario, arm, base)
  if not scenario.fresh then
    keep()
  end
  local world = scenario.setup and scenario.setup() or {}
  world.object = false -- a place for what run opens, that needs no memory
  local out = { before = base and base.before or settled(scenario, world) }
  local count = descriptors() + (scenario.fresh and KEPT or 0) - (scenario.closes or 0)
  collectgarbage "stop"
  fault.alarm(SECONDS)
  arm()
  finish(out, scenario, world, pcall(scenario.run, world))
  local keeps = type(world.object) == "userdata" and world.object.fd and 1 or 0
  out.leaked = descriptors() - keeps - count
  out.after = settled(scenario, world, base)
  return out
end

-- Take all links away that a run left. A namespace for each run would be made and unmade
-- in far more time than all that runs in it.
local function clean()
  for _, link in ipairs(assert(seen.link.list())) do
    if link.name ~= "lo" then
      assert(seen.link.del { index = link.index })
    end
  end
end

-- Run it in a child.
-- @return the table of play | nil, what became of it
local function try(scenario, arm, base)
  local text, why = fault.child(function()
    local out = play(scenario, arm, base)
    local parts = {}
    for key, value in pairs(out) do
      if type(value) == "table" then
        value = "{" .. table.concat(value, ",") .. "}"
      elseif type(value) == "string" then
        value = ("%q"):format(value)
      end
      parts[#parts + 1] = ("%s=%s"):format(key, tostring(value))
    end
    return "return {" .. table.concat(parts, ",") .. "}"
  end)
  clean()
  if not text then
    return nil, why == "Alarm clock" and "hangs" or why
  end
  local chunk = (loadstring or load)(text) -- luacheck: compat
  if not chunk then
    return nil, text
  end
  return chunk()
end

-- What is loaded at its first use is no part of a scenario.
tostring(require("tun.packet").parse(("\0"):rep(40), "ip"))
for _, names in pairs(require("tun.packet.protocol.index").protocols) do
  for name in pairs(names) do
    assert(require("tun.packet")[name])
  end
end
require "tun.packets"

-- All children run in this namespace, one after the other.
process.sandbox()
process.sysctl("net/ipv6/conf/default/addr_gen_mode", 1)

-- -- What is wrong ------------------------------------------------------------------

-- The lines of a text that another has not.
local function surplus(is, was, sign)
  local lines, list = {}, {}
  for line in was:gmatch "[^\n]+" do
    lines[line] = true
  end
  for line in is:gmatch "[^\n]+" do
    list[#list + 1] = not lines[line] and sign .. line or nil
  end
  return table.concat(list)
end

local function difference(is, was)
  return surplus(is, was, "\n  + ") .. surplus(was, is, "\n  - ") .. "\n "
end

-- Whether a message says that something could not be undone.
local function is_confessed(why)
  return type(why) == "string" and (why:find "not undone: " or why:find "process has moved")
end

--- What is wrong with what a run left: descriptors, or a state that is neither as before
-- nor as asked.
-- @param base, out  of the run in which nothing failed, and of the other
-- @return words, or nil when nothing is
local search = {}
function search.judge(base, out)
  if out.leaked ~= 0 then
    return ("%d descriptors are left"):format(out.leaked)
  elseif out.problem then
    return out.problem
  elseif out.ok and out.after ~= base.after then
    return "is not as asked: " .. difference(out.after, base.after)
  elseif not out.ok and out.after ~= base.before and not is_confessed(out.why) then
    return ("is not as before: %s (%s)"):format(difference(out.after, base.before), out.why)
  end
end

-- What is wrong with a run in which nothing failed.
local function judge_base(base)
  return not base.ok and (base.why or "fails")
    or base.leaked ~= 0 and base.leaked .. " descriptors are left"
    or base.unlisted and ("no row for system call %d"):format(base.unlisted) or base.problem
end

--- Go through the scenarios whose name begins with the first argument of the script, or
-- the slice n/m of all runs that the second says; tell what went wrong, and the totals.
-- @param name  of the search
-- @param count  arms nothing, and counts
-- @param plan  function(base): list of { what =, arm = function }
-- @param judge  function(scenario, base, out, each): what is wrong, or nil
-- @return whether nothing went wrong
function search.run(name, count, plan, judge)
  local only, slices = arg[1] or "", arg[2] or "0/1"
  local slice, of = slices:match "^(%d+)/(%d+)$"
  slice, of = tonumber(slice), tonumber(of)
  assert(of and of > 0, "SLICE: n/m expected, such as 0/6")
  local begun, all, runs, number, failures = core.now(), 0, 0, 0, 0
  local function tell(scenario, what, problem)
    failures = failures + 1
    io.stderr:write(("FAILED %s, %s: %s\n"):format(scenario.name, what, problem))
  end
  for _, scenario in ipairs(scenarios) do
    local base, why
    if scenario.name:find(only, 1, true) == 1 then
      all = all + 1
      base, why = try(scenario, count)
      why = why or judge_base(base)
      if why then
        tell(scenario, "nothing", why)
      end
    end
    for _, each in ipairs(base and plan(base) or {}) do
      number = number + 1
      if number % of == slice % of then
        runs = runs + 1
        local out
        local tries = 3 -- what goes by the clock may not come to it
        repeat
          out, why = try(scenario, each.arm, base)
          tries = tries - 1
        until not out or out.hit or tries == 0
        why = why or judge(scenario, base, out, each)
        if why then
          tell(scenario, each.what, why)
        end
      end
    end
  end
  print(("%s: slice %s: %d scenarios, %d of %d runs in %.0f s, %d failures"):format(name,
    slices, all, runs, number, core.now() - begun, failures))
  return failures == 0 and runs > 0
end

return search
