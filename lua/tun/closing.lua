-- closing.lua: close what has a descriptor, so that a loop which waits for it wakes.

--- Make the method that closes: what waits in a cqueues loop wakes. LuaSocket's select and
-- those over it look whether it is dirty.
-- @param close, fd  the methods of the core, which refuse another type's object
return function(close, fd)
  return function(self)
    local number, cqueues = fd(self), package.loaded.cqueues
    if cqueues and number >= 0 then
      cqueues.cancel(number)
    end
    return close(self)
  end
end
