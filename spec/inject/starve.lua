-- starve.lua [SCENARIO] [n/m]: every scenario once for each allocation of Lua in it, and
-- that one fails. Then nothing may have crashed, hung, leaked or been left half done, and
-- what is raised is that there is not enough memory.
local fault = require "fault"
local search = dofile "spec/inject/search.lua"

-- LuaJIT 2.1 of 2022 jumps into nowhere now and then after memory ended in its recorder of
-- traces; its interpreter does not.
if jit then
  jit.off()
end

-- Lua tries again after it has collected its garbage; LuaJIT and Lua 5.1 do not.
local TIMES = _VERSION == "Lua 5.1" and 1 or 2

local function judge(_, base, out)
  if out.raised and not out.why:find "not enough memory" then
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
