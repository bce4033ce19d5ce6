-- search.lua: run every scenario in children, each with one fault, and tell what goes wrong.
local core = require "tun.core"
local fault = require "fault"
local netns = require "tun.netlink.netns"
local process = dofile "spec/process.lua"
local scenarios = dofile "spec/inject/scenarios.lua"

-- How long a call may take before it counts as one that hangs.
local SECONDS = 3

-- -- What there is -----------------------------------------------------------------

-- What a value is, with keys in order; what goes by the clock, the load or the order in which
-- links were made is left out.
local VOLATILE = { operstate = true, ifindex = true, link_index = true, stats = true,
                   running = true, lower_up = true, index = true, created = true,
                   updated = true, used = true, confirmed = true, users = true, refcnt = true,
                   linkdown = true, dead = true }

local function is_volatile(key)
  key = tostring(key)
  return VOLATILE[key] or key:find "^carrier" or key:find "_timer$"
end

local function show(value)
  if type(value) == "userdata" then
    return "userdata"
  elseif type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, part in pairs(value) do
    if not is_volatile(key) then
      local text = show(part)
      parts[#parts + 1] = text ~= "{}" and tostring(key) .. "=" .. text or nil
    end
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- What ip(8) lists, links first, so that it tells all of them in "addr show".
local LISTS = { "link show", "addr show", "route show table all", "rule show", "neigh show",
                "nexthop show" }

-- A shell that starts it, for all runs: to make copies of this process takes longer.
local shell

-- A line of JSON as a Lua table. Flags that come later than what causes them are left out.
local function parse(line)
  for _, flag in ipairs { "NO%-CARRIER", "LOWER_UP", "linkdown", "dead" } do
    line = line:gsub('"' .. flag .. '",?', "")
  end
  line = line:gsub("[%[%]]", { ["["] = "{", ["]"] = "}" }):gsub('("[^"]*"):', "[%1]=")
  return assert((loadstring or load)("return " .. line))() -- luacheck: compat
end

local function order(command)
  assert(shell.commands:write(command, "\n") and shell.commands:flush())
end

-- What ip(8) tells, by a new one: it keeps the names that links once had.
-- @return function that gives the next list
local function ask(lists)
  order("ip -j -d -batch - <<.\n" .. table.concat(lists, "\n") .. "\n.")
  return function()
    return parse(assert(shell.answers:read "*l"))
  end
end

local function start_shell()
  local fifo = os.tmpname()
  process.must(("rm %s && mkfifo %s"):format(fifo, fifo))
  local commands = assert(io.popen("exec sh >" .. fifo, "w"))
  shell = { commands = commands, answers = assert(io.open(fifo)) }
  process.must("rm " .. fifo)
end

-- What ip(8) tells and a scenario looks at, one thing a line.
local function state(scenario, world)
  local lines, next_list = {}, ask(LISTS)
  for _ = 1, #LISTS do
    for _, object in ipairs(next_list()) do
      lines[#lines + 1] = show(object)
    end
  end
  table.sort(lines)
  lines[#lines + 1] = scenario.look and show(scenario.look(world))
  return table.concat(lines, "\n")
end

-- The state once the kernel has done what it does later, such as routes of IPv6 addresses:
-- one of those that are expected, or what it is when it stays the same for a while.
local function settled(scenario, world, base)
  local text, again
  local patience = base and 1 or 0.4
  local stop = core.now() + patience
  repeat
    again = state(scenario, world)
    if base and (again == base.before or again == base.after) then
      return again
    elseif again ~= text then
      text, stop = again, core.now() + patience
    end
    core.poll({}, nil, 0.005)
  until core.now() > stop
  return text
end

-- How many descriptors are open: as many as are expected, or those that are no garbage. One
-- may hold another.
local function descriptors(expected)
  local count = fault.descriptors()
  for _ = 1, count == expected and 0 or 4 do
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
  local count = descriptors(base and base.open)
  out.open = count
  count = count + (scenario.fresh and KEPT or 0) - (scenario.closes or 0)
  collectgarbage "stop"
  fault.alarm(SECONDS)
  arm()
  finish(out, scenario, world, pcall(scenario.run, world))
  local keeps = type(world.object) == "userdata" and world.object.fd and 1 or 0
  out.leaked = descriptors(count + keeps) - keeps - count
  out.after = settled(scenario, world, base)
  return out
end

-- Rules of every namespace, by their priority.
local RULES = { [0] = true, [32766] = true, [32767] = true }

-- Take all links and rules away that a run left. A namespace for each run would be made and
-- unmade in far more time than all that runs in it.
local function clean()
  local next_list = ask { "link show", "rule show" }
  for _, link in ipairs(next_list()) do
    if link.ifname ~= "lo" then
      order("ip link del dev " .. link.ifname)
    end
  end
  for _, rule in ipairs(next_list()) do
    if not RULES[rule.priority] then
      order("ip rule del priority " .. rule.priority)
    end
  end
  assert(#ask({ "link show" })() == 1) -- and all is done
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
  if not text then
    start_shell() -- the child may have left an answer unread
  end
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
start_shell()

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
-- @param believed  whether the state is none that was asked for, as what failed lied
-- @return words, or nil when nothing is
local search = {}
function search.judge(base, out, believed)
  if out.leaked ~= 0 then
    return ("%d descriptors are left"):format(out.leaked)
  elseif out.problem then
    return out.problem
  elseif out.ok and not base.ok then
    return "is not refused"
  elseif out.ok and out.after ~= base.after and not believed then
    return "is not as asked: " .. difference(out.after, base.after)
  elseif not out.ok and out.after ~= base.before and not is_confessed(out.why) then
    return ("is not as before: %s (%s)"):format(difference(out.after, base.before), out.why)
  end
end

-- What is wrong with a run in which nothing failed.
local function judge_base(scenario, base)
  if base.leaked ~= 0 then
    return base.leaked .. " descriptors are left"
  elseif base.unlisted then
    return ("no row for system call %d"):format(base.unlisted)
  elseif base.problem or scenario.refused == nil then
    return base.problem or not base.ok and (base.why or "fails") or nil
  elseif base.ok or not base.why:find(scenario.refused, 1, true) then
    return "is not refused so: " .. tostring(base.why)
  elseif base.after ~= base.before then
    return "is not as before: " .. difference(base.after, base.before)
  end
end

-- Of every so many scenarios a slice has one.
local STRIDE = 20

-- What a slice n/m has: of scenarios and of the runs of each, by number.
-- @return two functions of a number
local function slicing(text)
  local n, m = text:match "^(%d+)/(%d+)$"
  n, m = tonumber(n), tonumber(m)
  assert(m and m > 0 and (m <= STRIDE or m % STRIDE == 0),
    "SLICE: n/m expected, such as 0/6; m is at most 20 or a multiple of it")
  local stride = math.min(m, STRIDE)
  local rest = m / stride
  return function(i) return i % stride == n % stride end,
    function(i) return i % rest == math.floor(n / stride) % rest end
end

--- Go through the scenarios whose name begins with the first argument of the script, or
-- the slice n/m of all runs that the second says; tell what went wrong, and the totals.
-- @param name  of the search
-- @param count  arms nothing, and counts
-- @param plan  function(base): list of { what =, arm = function }
-- @param judge  function(scenario, base, out, each): what is wrong, or nil
-- @return whether nothing went wrong
function search.run(name, count, plan, judge)
  local only, slice = arg[1] or "", arg[2] or "0/1"
  local has_scenario, has_run = slicing(slice)
  local begun, all, runs, number, failures = core.now(), 0, 0, 0, 0
  local function tell(scenario, what, problem)
    failures = failures + 1
    io.stderr:write(("FAILED %s, %s: %s\n"):format(scenario.name, what, problem))
  end
  for i, scenario in ipairs(scenarios) do
    local base, why
    if scenario.name:find(only, 1, true) == 1 and has_scenario(i) then
      all = all + 1
      base, why = try(scenario, count)
      why = why or judge_base(scenario, base)
      if why then
        tell(scenario, "nothing", why)
      end
    end
    for j, each in ipairs(base and plan(base) or {}) do
      number = number + 1
      if has_run(j) then
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
  print(("%s: slice %s: %d scenarios, %d of their %d runs in %.0f s, %d failures"):format(name,
    slice, all, runs, number, core.now() - begun, failures))
  return failures == 0 and all > 0
end

return search
