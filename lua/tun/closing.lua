-- closing.lua: close what has a descriptor, so that a loop which waits for it wakes.

--- Make the method that closes: what waits in a cqueues loop wakes. LuaSocket's select and
-- those over it look whether it is dirty.
-- @param close  the method of the core
return function(close)
  return function(self)
    local cqueues = package.loaded.cqueues
    if cqueues and self:fd() >= 0 then
      cqueues.cancel(self:fd())
    end
    return close(self)
  end
end
