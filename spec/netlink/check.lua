-- check.lua: what the live specs of nouns ask again and again.
local core = require "tun.core"
local json = require "dkjson"
local process = dofile "spec/process.lua"

local check = {}

--- What ip(8) tells in JSON.
function check.ip(arguments)
  return assert(json.decode(process.must("ip -j " .. arguments)))
end

--- One key of every object of a list, sorted.
function check.column(list, key)
  local values = {}
  for i, object in ipairs(assert(list)) do
    values[i] = object[key]
  end
  table.sort(values)
  return values
end

--- That a call gave nil, this message and the errno of that name.
function check.refused(message, code, ok, why, number)
  assert(ok == nil and why == message, ("%s, %s"):format(tostring(ok), tostring(why)))
  assert(core.errno[number] == code, core.errno[number])
end

--- That a call raises words at the line of the spec that made it.
function check.raises(words, f, ...)
  local ok, why = pcall(f, ...)
  assert(not ok, "nothing was raised")
  assert(why:find "^[^\n]*spec/netlink/check.lua:%d+: ", why)
  assert(why:find(words, 1, true), why)
end

return check
