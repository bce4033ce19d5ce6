-- batch.lua: many packets in one memory, which a script goes through with names and C
-- receives, changes and sends at once.
local check = require "tun.check"
local core = require "tun.core"
local slots = require "tun.slots"

local batch = check.methods(core.batches.__index, core.batches)
local append, drop, move, slot = batch.append, batch.drop, batch.move, batch.slot

-- -- Making one ---------------------------------------------------------------

local DEFAULTS = { slots = 64, size = core.packet_most, headroom = 128, mode = "tun" }
local WANTED = { slots = "a number of packets", size = "a number of bytes",
                 headroom = "a number of bytes", mode = '"tun" or "tap"' }

--- Make an empty batch: memory of so many slots.
-- @param t  optional; any of
--   slots (64): how many packets fit,
--   size (any packet fits): how many bytes a packet may have,
--   headroom (128): bytes in front of it, for headers that are pushed,
--   mode ("tun"): "tap" when the packets begin with an Ethernet header; what receives
--   into the batch sets it
-- @return batch | nil, message, errno
local function make(t)
  t = check.options("batch", t == nil and {} or t, "option", DEFAULTS)
  local function option(name)
    if t[name] == nil then
      return DEFAULTS[name]
    end
    return check.type(name, t[name], type(DEFAULTS[name]), WANTED[name])
  end
  return core.batch(option "slots", option "size", option "headroom", option "mode")
end

-- -- Going through --------------------------------------------------------------

-- Loaded at the first use: names are much that a script which only forwards can spare.
local packets

local function views()
  packets = packets or require "tun.packets"
  return packets
end

--- Go through the packets of the batch, in order; what is changed, is changed in the batch.
-- drop() takes a packet out, move(to) puts it in another batch. A packet is good until its slot
-- is given back, and then refuses: copy() keeps one.
--   for packet in batch:packets() do ... end
function batch:packets()
  return views().walk(self)
end

--- The i-th packet of the batch, good as long as it stays there.
-- @return packet, or nil when it was dropped or moved away, or there is none
function batch:packet(i)
  if type(i) ~= "number" or i % 1 ~= 0 then
    check.refuse("packet", i, "a place in the batch")
  end
  return views().at(self, i)
end

--- Append a packet.
-- @param what  bytes, or a packet of tun.packet
-- @return true | nil, message, errno: all slots are in use
function batch:add(what)
  if type(what) == "table" then
    return views().add(self, what)
  end
  return append(self, what)
end

-- -- Giving back --------------------------------------------------------------------

for _, name in ipairs { "clear", "segment", "coalesce" } do
  local method = batch[name]
  batch[name] = function(self, ...)
    return slots.after(self, method(self, ...))
  end
end

--- Take the i-th packet out.
-- @return the batch
function batch:drop(i)
  local base = slot(self, i)
  drop(self, i)
  if base then
    slots.expire(self, base)
  end
  return self
end

--- Put the i-th packet at the end of another batch, or of its own: the same bytes where the
-- memory is shared, else a copy.
-- @return true | nil, message, errno: all slots there are in use
function batch:move(i, to)
  local base = slot(self, i)
  local ok, why, errno = move(self, i, to)
  if not ok then
    return nil, why, errno
  elseif base and core.views(self) and self:arena() == to:arena() then
    views().moved(self, base, to)
  elseif base then
    slots.expire(self, base)
  end
  return true
end

return make
