-- entries.lua: pairs() that LuaJIT does not compile. That of Debian 12 (2.1.0-beta3) now and then
-- skips a compiled loop over a table, turns in one for ever in a finalizer, where no trace can
-- begin, or loads a value by half of its address.
if not jit then
  return pairs
end

local function step(t, key)
  return next(t, key)
end
jit.off(step)

return function(t)
  return step, t
end
