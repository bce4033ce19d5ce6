-- inject.lua [SCENARIO] [n/m]: every scenario once for each occurrence of each system call in
-- it and each errno which that can give, and that one fails. Then nothing may have crashed,
-- hung, leaked or been left half done, and the message and the errno are those of the
-- failure.
local core = require "tun.core"
local fault = require "fault"
local search = dofile "spec/inject/search.lua"

if not fault.calls then
  print "inject: LEFT OUT: system calls can be made to fail on x86-64 alone"
  os.exit(0)
end
local calls = fault.calls()

-- What is not named in a message that is one of these words.
local WORDS = { EAGAIN = "timeout", EINTR = "interrupted", EBADF = "closed", EBADFD = "deleted",
                EFAULT = "deleted", EIO = "down" }

local function says(scenario, why)
  for pattern in scenario.says:gmatch "[^|]+" do
    if why:find(pattern) then
      return true
    end
  end
end

-- What other errno is told: a device that is gone at once is one with a filter on it, and
-- one that is not there is opened as a new one.
local INSTEAD = { TUNGETIFFEBADFD = "EBUSY", SIOCGIFINDEXENODEV = "EINVAL" }

local function judge_message(scenario, out, call, errno)
  if out.raised then
    local why = out.why:gsub("^spec/inject/scenarios%.lua:%d+: ", "")
    return not (scenario.raises and (why == WORDS[errno] or says(scenario, why)))
      and "raises " .. out.why or nil
  elseif type(out.why) ~= "string" then
    return "fails without a message"
  elseif out.errno ~= core.errno[errno] and core.errno[out.errno] ~= INSTEAD[call .. errno] then
    return ("tells %s: %s"):format(core.errno[out.errno] or tostring(out.errno), out.why)
  elseif out.why:gsub("; not undone: .*", "") ~= WORDS[errno] and not says(scenario, out.why) then
    return "does not say of what: " .. out.why
  end
end

-- Whether it fails as it does anyway.
local function is_refused(scenario, out)
  return scenario.refused and not out.raised and out.why:find(scenario.refused, 1, true)
end

-- What may be missing in a result: of a link that is gone its index stands for the name.
local PARTLY = { SIOCGIFNAME = true }

local function judge(scenario, base, out, each)
  local believed = scenario.believes == each.call .. " " .. each.errno and out.ok
  local problem = not out.hit and "was not met" or search.judge(base, out, believed)
  if problem then
    return problem
  elseif not out.ok and not is_refused(scenario, out) then
    return judge_message(scenario, out, each.call, each.errno)
  elseif out.ok and out.value ~= base.value and not (scenario.judge or PARTLY[each.call]) then
    return "gives " .. out.value:sub(1, 300)
  end
end

-- Every occurrence and errno of a run.
local function plan(base)
  local list, seen = {}, {}
  for _, row in ipairs(base.trace) do
    seen[row] = (seen[row] or 0) + 1
    local nth, call = seen[row], calls[row][1]
    for errno in calls[row][2]:gmatch "%S+" do
      list[#list + 1] = { call = call, errno = errno, what = ("%s %d %s"):format(call, nth, errno),
        arm = function() fault.call(row, nth, core.errno[errno]) end }
    end
  end
  return list
end

os.exit(search.run("inject", function() fault.call(0) end, plan, judge) and 0 or 1)
