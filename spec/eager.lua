-- Calls a function under a collector that never rests, and puts the settings back.
local renamed = pcall(collectgarbage, "param", "pause") -- in Lua 5.5

local function set(name, value)
  if renamed then
    return collectgarbage("param", name, value)
  end
  return collectgarbage("set" .. name, value)
end

return function(work)
  local pause, stepmul = set("pause", 0), set("stepmul", 10000)
  work()
  set("pause", pause)
  set("stepmul", stepmul)
end
