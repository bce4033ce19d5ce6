-- slots.lua: what becomes of the views that a script has of a batch's slots when these are given
-- back.
local core = require "tun.core"

local slots = {}

--- Let views of a batch whose slots it gave back refuse to be used.
-- @param base  optional: of the slot; else all of the batch
function slots.expire(batch, base)
  if core.views(batch) then -- made by packets.lua, which is not needed before
    require("tun.packets").expire(batch, base)
  end
end

--- The results of what gave slots back.
function slots.after(batch, ...)
  slots.expire(batch)
  return ...
end

return slots
