-- check.lua: whether what a caller gave is what is wanted. What is not, is raised at the
-- caller's line in one form of sentence: "what: value is not wanted".
local core = require "tun.core"
local entries = require "tun.entries"

local check = {}

local getmetatable, type = getmetatable, type

--- Raise that a value, told by its type or as the number or string that it is, is not what is
-- wanted.
-- @param what  the argument or option
-- @param wanted  in words: "a table of options"
check.refuse = core.refuse

--- A value that has to be of a type.
-- @param name  of the type, as type() gives it
-- @param wanted  in words
-- @return the value
function check.type(what, value, name, wanted)
  if type(value) ~= name then
    core.refuse(what, value, wanted)
  end
  return value
end

--- A whole number from least on.
-- @param most  optional
function check.whole(what, value, least, most)
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or most and value > most then
    check.refuse(what, value, most and ("a whole number from %.0f to %.0f"):format(least, most)
      or ("a whole number from %.0f on"):format(least))
  end
  return value
end

--- The names that a table has as keys, in alphabetical order.
function check.names(known)
  local names = {}
  for name in entries(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Raise that a table has no such key.
-- @param kind  what a key is: "option"
-- @param known  a table with the keys that there are
function check.unknown(what, kind, key, known)
  core.misuse(("%s: no %s %s; there are: %s"):format(what, kind, tostring(key),
    core.nearest(tostring(key), check.names(known))))
end

--- A table of options.
-- @param kind, known  as of unknown()
-- @return the table
function check.options(what, value, kind, known)
  check.type(what, value, "table", ("a table of %ss"):format(kind))
  for key in entries(value) do
    if known[key] == nil then
      check.unknown(what, kind, key, known)
    end
  end
  return value
end

--- Whether a value is an object of the type that has a metatable.
function check.is(value, meta)
  return (type(value) == "userdata" or type(value) == "table") and getmetatable(value) == meta
end

--- Raise that a method was called on something else.
function check.refuse_self(self)
  core.misuse(("a method was called on a %s: write object:method(...)"):format(type(self)))
end

--- Let the methods that a table gets from now on refuse to be called on anything but objects
-- of a type. Those that replace one of the core's are left to its own check.
-- @param meta  the metatable of the objects
-- @return the table
function check.methods(methods, meta)
  return setmetatable(methods, { __newindex = function(_, name, method)
    rawset(methods, name, function(self, a, b, c)
      if not check.is(self, meta) then
        check.refuse_self(self)
      end
      return method(self, a, b, c)
    end)
  end })
end

return check
