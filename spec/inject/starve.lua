-- starve.lua [SCENARIO] [n/m]: every scenario once for each allocation of Lua in it, and
-- that one fails. Then nothing may have crashed, hung, leaked or been left half done, and
-- what is raised is that there is not enough memory.
local fault = require "fault"
local search = dofile "spec/inject/search.lua"

-- LuaJIT before its commit ca8d3257 of November 2022, which Debian 12 has, writes the message
-- of an allocation that fails at a top of the stack that is out of date (lj_err_mem, called by
-- lj_tab_dup for a table in the interpreter). With the compiler on that is in a frame which is
-- still needed now and then, and the return from it jumps into nowhere. Nothing of ours runs
-- then, and with that line of the commit the same runs pass.
if jit then
  jit.off()
end

-- Lua tries again after it has collected its garbage; LuaJIT and Lua 5.1 do not.
local TIMES = _VERSION == "Lua 5.1" and 1 or 2

-- Whether it is raised that memory ended: by Lua, or by an iterator, of a batch that it needs.
local function is_told(scenario, why)
  return why:find "not enough memory"
    or scenario.raises and why:find "batch: Cannot allocate memory"
end

local function judge(scenario, base, out)
  if out.raised and not is_told(scenario, out.why) then
    return "raises " .. out.why
  end
  return search.judge(base, out)
end

local function plan(base)
  local list = {}
  for nth = 1, base.allocations do
    list[nth] = { what = "allocation " .. nth,
                  arm = function() fault.allocation(nth, TIMES) end }
  end
  return list
end

os.exit(search.run("starve", function() fault.allocation(0, 0) end, plan, judge) and 0 or 1)
