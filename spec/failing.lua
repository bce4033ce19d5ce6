-- failing.lua: one system call that fails, for the specs, see spec/inject.
local core = require "tun.core"
local fault = require "fault"

local rows = {}
for i, each in ipairs(fault.calls()) do
  rows[each[1]] = i
end

--- Run a function while the nth of a system call fails, which has to happen.
-- @param call  its name in spec/inject/fault.c
-- @param nth  from 1
-- @param errno  its name, "ENOMEM"
-- @param f  what makes the call; it may not raise
-- @return the first two values of f, and the name of the errno that is the third
local function failing(call, nth, errno, f)
  fault.alarm(3)
  fault.call(assert(rows[call], call), nth, core.errno[errno])
  local ran, value, why, code = pcall(f)
  local _, hit = fault.stop()
  assert(ran, value)
  assert(hit, "there was no such call")
  return value, why, core.errno[code]
end

return failing
