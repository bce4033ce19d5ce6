-- packets.lua: packets of a device with names: views of an arena coming in, packets of any
-- origin going out.
local packet = require "tun.packet"
local build = require "tun.packet.build"
local bytes = require "tun.packet.bytes"
local core = require "tun.core"
local header = require "tun.packet.header"
local layer = require "tun.packet.layer"
local room = require "tun.packet.room"
local slot = require "tun.packet.slot"
local view = require "tun.packet.packet"
local jitted, ffi = pcall(require, "ffi")

local device = core.device.__index
local fill, transmit = device.fill, device.transmit

local packets = {}

local POINTER, ARENA, START, STOP = slot.POINTER, slot.ARENA, slot.START, slot.STOP
local FLOOR, CEILING = slot.FLOOR, slot.CEILING
local meta_at, info_at = layer.at[layer.LEVELS.meta], layer.at[layer.LEVELS.info]
local HEADROOM, ROOM = room.HEADROOM, core.packet_room

-- On LuaJIT packets move without leaving compiled code; what fails that way is told by
-- the methods. -1 then, and always where there is no FFI.
local quick_fill = function() return -1 end
local quick_send = quick_fill
if jitted then
  local c_fill = ffi.cast("intptr_t (*)(void *, void *)", ffi.cast("uintptr_t", core.fill_address))
  local c_drain = ffi.cast("intptr_t (*)(void *, const void *, size_t)",
    ffi.cast("uintptr_t", core.drain_address))
  function quick_fill(dev, p, at)
    local n = tonumber(c_fill(dev, p + at))
    return n
  end
  function quick_send(dev, p, at, n)
    n = tonumber(c_drain(dev, p + at, n))
    return n
  end
end

-- -- What the kernel puts in front ------------------------------------------

local function headers(flags)
  local list = {}
  list[1] = not flags.no_pi and packet.tun_pi or nil
  list[#list + 1] = flags.vnet_hdr and packet.virtio_net or nil
  return list
end

-- How many bytes: the virtio-net header may be longer than its fields.
local function front(dev, flags)
  return (flags.no_pi and 0 or packet.tun_pi.size)
    + (flags.vnet_hdr and dev:get "vnet_hdr_size" or 0)
end

local function kind_of(dev, flags)
  local kind = flags.tap and packet.eth or header.kinds.ip
  local list = headers(flags)
  if not list[1] then
    return kind
  end
  local n = front(dev, flags)
  return { name = kind.name, parse = function(self, p, o, stop, layers)
    local at = o
    for _, protocol in ipairs(list) do
      protocol.parse(self, p, at, stop, layers)
      at, layers = at + protocol.size, self[slot.LAYERS]
    end
    if o + n <= stop then
      kind.parse(self, p, o + n, stop, layers)
    end
  end }
end

-- -- Coming in --------------------------------------------------------------

-- Whether a loop goes on after this: a signal may have run a hook, and that is all.
local ENDS = { closed = true, deleted = true }

-- How many packets are taken the quick way before the method sees to signals.
local QUICK = 64

local wait

-- No loop, which would end a trace.
local function waited(state, n, why)
  if n or ENDS[why] then
    return n
  elseif why ~= "interrupted" then
    core.misuse(why)
  end
  return wait(state)
end

function wait(state)
  state.quick = QUICK
  local n, why = fill(state.dev, state.arena, HEADROOM)
  n = waited(state, n, why)
  return n
end

local function next_view(state)
  local self, n = state.view, -1
  if state.quick > 0 then
    state.quick = state.quick - 1
    n = quick_fill(state.dev, state.pointer, HEADROOM)
  end
  if n <= 0 or n >= ROOM then
    n = wait(state)
    if not n then
      return nil
    end
  end
  self[POINTER], self[ARENA], self[FLOOR], self[CEILING] =
    state.pointer, state.arena, 0, HEADROOM + ROOM
  view.read(self, HEADROOM, HEADROOM + n, state.kind)
  return self
end

-- The loop over what a closed or deleted device receives.
local function nothing() end

--- Iterate over the packets that arrive, until the device is closed or deleted. Every step
-- gives the same view of the next packet: copy() keeps one.
--   for packet in dev:packets() do ... end
function packets.each(dev)
  local flags = dev:fd() >= 0 and dev:flags()
  if not flags then
    return nothing
  end
  local arena = core.arena(HEADROOM + ROOM)
  local pointer = bytes.pointer(arena)
  return next_view, { dev = dev, arena = arena, pointer = pointer, quick = 0,
                      kind = kind_of(dev, flags),
                      view = view.new(arena, pointer, 0, HEADROOM + ROOM) }
end

-- -- Going out ----------------------------------------------------------------

-- Devices that put nothing in front of a packet; what a device is does not change.
local plain = setmetatable({}, { __mode = "k" })

local function is_plain(dev)
  if plain[dev] == nil then
    local flags = dev:flags()
    plain[dev] = flags and flags.no_pi == true and not flags.vnet_hdr
  end
  return plain[dev]
end

-- The first layer of the packet itself, behind what a device had put in front, and where.
local function first(self)
  for _, each in ipairs(view.sorted(self)) do
    if (each[1].level or layer.LEVELS.net) > layer.LEVELS.info then
      return each[2], each[1]
    end
  end
  return self[START]
end

-- The header of a level that a device wants in front: the packet's own, or one of zeroes
-- that says no more than what kind of packet follows.
local function front_header(self, at, size, protocol)
  local found, o = at(self)
  local own
  if found then
    own = bytes.string(self[POINTER], o, found.size)
  elseif at == meta_at then
    local names = layer.space("ethertype").names
    own = packet.tun_pi { proto = names[protocol and protocol.name] or 0 }:bytes()
  end
  return (own or "") .. ("\0"):rep(size - #(own or ""))
end

-- The bytes with what the device wants in front.
local function fronted(dev, self)
  local flags, parts = dev:flags(), {}
  if not flags then
    return self:bytes() -- sending tells why
  end
  local at, protocol = first(self)
  if not flags.no_pi then
    parts[1] = front_header(self, meta_at, packet.tun_pi.size, protocol)
  end
  if flags.vnet_hdr then
    parts[#parts + 1] = front_header(self, info_at, dev:get "vnet_hdr_size")
  end
  parts[#parts + 1] = bytes.string(self[POINTER], at, self[STOP] - at)
  return table.concat(parts)
end

--- Send a packet as it is: fix() it first if it was changed.
function packets.send(dev, self)
  if build.is(self) then
    build.realise(self)
  elseif not view.is(self) then
    core.misuse(("send: a packet or bytes expected, not a %s"):format(type(self)))
  end
  if not is_plain(dev) then
    return dev:send(fronted(dev, self))
  end
  local at = (meta_at(self) or info_at(self)) and first(self) or self[START]
  local n = quick_send(dev, self[POINTER], at, self[STOP] - at)
  return n > 0 and n or transmit(dev, self[ARENA], at, self[STOP] - at)
end

return packets
