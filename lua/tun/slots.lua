-- slots.lua: views that a script has of a batch's slots, and what becomes of them when the slots
-- are given back.
local core = require "tun.core"

local slots = {}

local expire_view -- is loaded when there are views

--- Let views of a batch whose slots it gave back refuse to be used.
-- @param base  optional: of the slot; else all of the batch
function slots.expire(batch, base)
  local views = core.views(batch)
  if not views then
    return
  end
  expire_view = expire_view or require "tun.packet.object".expire
  local live, kept = views.live, 0
  for i = 1, views.n do
    local view = live[i]
    local where = view[views.place]
    if where.batch == batch and (not base or where.base == base) then
      where.live = false
      expire_view(view)
    else
      kept = kept + 1
      live[kept] = view
    end
  end
  views.n = kept
end

--- The results of what gave slots back.
function slots.after(batch, ...)
  slots.expire(batch)
  return ...
end

return slots
