-- packets.lua: packets of batches and devices with names: views of a batch's memory coming
-- in, packets of any origin going out.
local check = require "tun.check"
local packet = require "tun.packet"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local quick = require "tun.quick"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local view = require "tun.packet.object"

local device = core.device.__index
local receive, send, transmit = device.receive, device.send, device.transmit
local send_place = device.send_place

-- As batch:clear(), of a batch that no script has.
local clear = core.batches.__index.clear

local packets = {}

local getmetatable, read = getmetatable, view.read
local expire, revive, forget_inner = view.expire, view.revive, view.forget_inner
local INNER = slot.INNER

local POINTER, ARENA, START, STOP = slot.POINTER, slot.ARENA, slot.START, slot.STOP
local FLOOR, CEILING, SLOT = slot.FLOOR, slot.CEILING, slot.SLOT
local meta_at, info_at = layer.at[layer.LEVELS.meta], layer.at[layer.LEVELS.info]
local META, INFO = slot.FIRST + layer.LEVELS.meta, slot.FIRST + layer.LEVELS.info
local PI, VNET = packet.tun_pi, packet.virtio_net

-- What it takes to see the packets of a batch: a list, since constants of numbers make shorter
-- traces than names. What a view has as SLOT is the beginning of one, and LIVE: whether a script
-- may have it now. VIEWS are those of the batch's memory, of which each slot has one, by its
-- offset; the loop over a device has a RING of its own, of which it gives one after the other.
local BASE, BATCH, PLACE = slot.BASE, slot.BATCH, slot.PLACE
local HANDLE, LIVE = slot.HANDLE, 6
local VIEW, KIND, LAST, DEV, QUICK, MEMORY, VIEWS, RING, TURN, SECONDS =
  6, 7, 8, 9, 10, 11, 12, 13, 14, 15
local viewing = {}

local handle, locate, begin = quick.handle, quick.locate, quick.begin
local quick_receive, quick_place, quick_send, quick_append =
  quick.receive, quick.place, quick.send, quick.append

-- -- Views of a batch -------------------------------------------------------------

local LEFT = "the packet was good until it left its batch: keep it with copy()"
local NEXT = "the packet was good until the next step: keep it with copy()"

-- The arena of a batch, a pointer to its bytes, and the handle, which stay.
local memories = setmetatable({}, { __mode = "k" })

local function memory_of(batch)
  local memory = memories[batch]
  if not memory then
    local arena = batch:arena()
    memory = { arena, bytes.pointer(arena), handle(batch) }
    memories[batch] = memory
  end
  return memory
end

local IP = header.kinds.ip

local function viewer(batch, ethernet)
  local memory = memory_of(batch)
  return setmetatable({ 0, batch, 0, NEXT, memory[3], false, ethernet and packet.eth or IP, 0,
    false, 0, memory, false, false, 0, false }, viewing)
end

-- A view of a batch's memory.
local function new_view(state, where)
  local memory = state[MEMORY]
  local it = view.new(memory[1], memory[2], 0, 0)
  it[SLOT] = where
  return it
end

-- The view of a slot, which a script may have from now on.
local function view_of(state, base)
  local views = state[VIEWS]
  local it = views.slots[base]
  if not it then
    it = new_view(state, { base, false, 0, LEFT, false, false })
    views.slots[base] = it
  end
  local where = it[SLOT]
  if not where[LIVE] then
    local n = views.n + 1
    views.n, views.live[n], where[LIVE] = n, it, true
    revive(it, state[MEMORY][1])
  elseif it[INNER] then
    forget_inner(it)
  end
  where[BATCH], where[HANDLE] = state[BATCH], state[HANDLE]
  return it
end

-- What a loop was called with, that for gives it.
local function refuse_state(state)
  check.refuse("packets", state,
    "what the loop goes through: write for packet in object:packets() do")
end

-- The view on the i-th packet; false behind the last, nil where there is none.
local function see(state, i)
  local base, at, stop, floor, ceiling, vnet, pi = locate(state[BATCH], state[HANDLE], i)
  if not base then
    return base
  end
  local it, layers = state[VIEW] or view_of(state, base), 0
  if vnet then
    it[INFO], layers = base, VNET.mark
  end
  if pi then
    it[META], layers = base + core.slot_pi, layers + PI.mark
  end
  local where = it[SLOT]
  it[FLOOR], it[CEILING], where[BASE], where[PLACE], state[PLACE] = floor, ceiling, base, i, i
  read(it, at, stop, state[KIND], layers)
  return it
end

-- The view on the first packet from the i-th on. A loop would end a trace.
local function seek(state, i)
  local it
  repeat
    it, i = i <= state[LAST] and see(state, i), i + 1
  until it ~= nil
  return it
end

local function step(state)
  if getmetatable(state) ~= viewing then
    refuse_state(state)
  end
  local i = state[PLACE] + 1
  local it = i <= state[LAST] and see(state, i)
  if it == nil then
    it = seek(state, i + 1)
  end
  return it or nil
end

-- What sees the packets of a batch by a view for each slot.
local function by_slot(batch, ethernet)
  local state, views = viewer(batch, ethernet), core.views(batch, true)
  if not views.live then
    views.slots, views.live, views.n = {}, {}, 0
  end
  state[VIEWS] = views
  return state
end

-- Take views off the list of those that a script may have.
-- @param base  optional: of this slot; else all
local function take_off(views, base, act)
  local live, kept = views.live, 0
  for i = 1, views.n do
    local it = live[i]
    live[i] = nil
    if base and it[SLOT][BASE] ~= base then
      kept = kept + 1
      live[kept] = it
    else
      it[SLOT][LIVE] = false
      act(it)
    end
  end
  views.n = kept
end

--- Let views of a batch whose slots it gave back refuse to be used.
-- @param base  optional: of the slot; else all of the batch
function packets.expire(batch, base)
  local views = core.views(batch)
  if views then
    take_off(views, base, expire)
  end
end

--- Let the view of a slot go with its packet to another batch over the same memory.
function packets.moved(batch, base, to)
  local views, others = core.views(batch), by_slot(to)[VIEWS]
  take_off(views, base, function(it)
    local where, n = it[SLOT], others.n + 1
    views.slots[base], others.slots[base] = nil, it
    others.n, others.live[n], where[LIVE] = n, it, true
    where[BATCH], where[HANDLE], where[PLACE] = to, memory_of(to)[3], to:count()
  end)
end

--- As batch:packets().
function packets.walk(batch)
  local n, ethernet = begin(batch)
  local state = by_slot(batch, ethernet)
  state[LAST] = n -- what a step appends, or moves to the end, comes next time
  return step, state
end

--- As batch:packet(i).
function packets.at(batch, i)
  return see(by_slot(batch, batch:mode() == "tap"), i) or nil
end

-- -- Coming in from a device --------------------------------------------------------

-- What ends a loop; after a signal, which may have run a hook, it goes on.
local ENDS = { closed = true, deleted = true, timeout = true }

-- How many packets are taken the quick way before the method sees to signals.
local OFTEN = 64

local wait

-- No loop, which would end a trace.
local function waited(state, n, why, errno)
  if n or ENDS[why] then
    return n
  elseif why ~= "interrupted" then
    core.failure(why, errno)
  end
  return wait(state)
end

function wait(state)
  state[QUICK] = OFTEN
  local n, why, errno = receive(state[DEV], clear(state[BATCH]), state[SECONDS] or nil)
  n = waited(state, n, why, errno)
  return n
end

-- How many views a loop gives in turn.
local ROUND = 64

-- Take the view that is the next one's, and let the present one be good no more.
local function turn(state)
  local ring, i = state[RING], state[TURN] % ROUND + 1
  local it = ring[i]
  if state[VIEW] then
    expire(state[VIEW])
  end
  if not it then
    it = new_view(state, state)
    ring[i] = it
  end
  revive(it, state[MEMORY][1])
  state[TURN], state[VIEW] = i, it
end

local function next_view(state)
  if getmetatable(state) ~= viewing or not state[DEV] then
    refuse_state(state)
  end
  turn(state)
  local n = -1
  local times = state[QUICK]
  if times > 0 then
    state[QUICK] = times - 1
    n = quick_receive(state[DEV], state[BATCH], state[HANDLE])
  end
  if n <= 0 and not wait(state) then
    expire(state[VIEW])
    return nil
  end
  local it = see(state, 1)
  return it
end

-- The loop over what a closed or deleted device receives.
local function nothing() end

-- A viewer of one packet of a device; nil, message, errno when that is not there.
local function viewer_of(dev)
  local flags, why, errno = dev:flags()
  if not flags then
    return nil, why, errno
  end
  local headroom = room.HEADROOM + core.front_most
  local memory
  memory, why = core.batch(1, core.packet_most, headroom, flags.tap and "tap" or "tun")
  return viewer(memory or core.misuse(why), flags.tap)
end

local function duration(what, seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    check.refuse(what, seconds, "a number of seconds")
  end
end

--- Iterate over the packets that arrive, until the device is closed or deleted, or none came
-- for so long. A packet is good until the next step, and then refuses: copy() keeps one. One
-- packet is read at a time, so that a loop which is left takes nothing with it.
--   for packet in dev:packets() do ... end
function packets.each(dev, seconds)
  duration("packets", seconds)
  local state = dev:fd() >= 0 and viewer_of(dev)
  if not state then
    return nothing
  end
  state[DEV], state[SECONDS], state[RING] = dev, seconds or false, {}
  return next_view, state
end

-- The viewers of devices whose packets are taken one by one.
local ones = setmetatable({}, { __mode = "k" })

--- As dev:next().
function packets.next(dev, seconds)
  duration("next", seconds)
  local state = ones[dev]
  if not state then
    local why, errno
    state, why, errno = viewer_of(dev)
    if not state then
      return nil, why, errno
    end
    state[VIEW] = new_view(state, state)
    ones[dev] = state
  end
  local n, why, errno = receive(dev, clear(state[BATCH]), seconds)
  if not n then
    return nil, why, errno
  end
  return see(state, 1):copy()
end

-- -- Going out ------------------------------------------------------------------

local given, META_OF_PACKETS = view.given, view.meta

-- Devices that put nothing in front of a packet; what a device is does not change.
local plain = setmetatable({}, { __mode = "k" })

local function is_plain(dev)
  if plain[dev] == nil then
    local flags = dev:flags()
    plain[dev] = flags and flags.no_pi == true and not flags.vnet_hdr
  end
  return plain[dev]
end

-- Where the packet itself begins, behind what a device had put in front.
local function first(self)
  if self[SLOT] then
    return self[START]
  end
  for _, each in ipairs(view.sorted(self)) do
    if (each[1].level or layer.LEVELS.net) > layer.LEVELS.info then
      return each[2]
    end
  end
  return self[START]
end

-- The bytes of a header at a level, or nothing; in a slot the virtio-net header has all.
local function front(self, at)
  local protocol, o = at(self)
  local size = protocol and (protocol == VNET and self[SLOT] and core.vnet_size or protocol.size)
  return size and bytes.string(self[POINTER], o, size) or nil
end

--- The bytes of a packet.
function packets.bytes(self)
  return given("packet", self):bytes()
end

--- As batch:add(self), of a packet.
function packets.add(batch, self)
  if getmetatable(self) == META_OF_PACKETS and not info_at(self) and not meta_at(self) then
    local at = self[START]
    if quick_append(batch, self[POINTER], at, self[STOP] - at) > 0 then
      return true
    end
  end
  local at = first(given("packet", self))
  return batch:append(bytes.string(self[POINTER], at, self[STOP] - at), front(self, info_at),
    front(self, meta_at))
end

-- Through a batch, which knows what to put in front and how to split.
local single

local function send_copy(dev, self)
  single = single or assert(core.batch(1, core.packet_most, room.HEADROOM, "tun"))
  packets.add(single:clear(), self)
  local n, why, errno = send(dev, single)
  if n == 1 and not why then
    return self[STOP] - first(self)
  end
  return nil, why, errno
end

--- Send a packet as it is: fix() it first if it was changed.
function packets.send(dev, self)
  if getmetatable(self) ~= META_OF_PACKETS then
    given("packet", self)
  end
  local where = self[SLOT]
  if where and where[BATCH] then
    local n = quick_place(dev, where)
    if n > 0 then
      return n
    elseif not view.place(self) then
      core.misuse "send: the packet is in its batch no more"
    end
    return send_place(dev, where[BATCH], where[PLACE])
  elseif not is_plain(dev) or info_at(self) or meta_at(self) then
    return send_copy(dev, self)
  end
  local at = self[START]
  local n = quick_send(dev, self[POINTER], at, self[STOP] - at)
  if n > 0 then
    return n
  end
  return transmit(dev, self[ARENA], at, self[STOP] - at)
end

return packets
