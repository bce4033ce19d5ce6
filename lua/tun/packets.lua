-- packets.lua: packets of batches and devices with names: views of a batch's memory coming
-- in, packets of any origin going out.
local check = require "tun.check"
local packet = require "tun.packet"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"
local view = require "tun.packet.object"
local jitted, ffi = pcall(require, "ffi")

local device = core.device.__index
local receive, send, transmit = device.receive, device.send, device.transmit
local send_place = device.send_place

local packets = {}

local expire, revive = view.expire, view.revive
local POINTER, ARENA, START, STOP = slot.POINTER, slot.ARENA, slot.START, slot.STOP
local FLOOR, CEILING, SLOT = slot.FLOOR, slot.CEILING, slot.SLOT
local meta_at, info_at = layer.at[layer.LEVELS.meta], layer.at[layer.LEVELS.info]
local META, INFO = slot.FIRST + layer.LEVELS.meta, slot.FIRST + layer.LEVELS.info
local PI, VNET = packet.tun_pi, packet.virtio_net

-- -- Leaves ---------------------------------------------------------------------

-- handle(batch) -> what locate() takes beside it.
-- locate(batch, handle, i) -> as batch:slot(i).
-- quick_receive(dev, batch) -> how many packets are in it now, after clearing it; what is
--   not above 0 is told by the method, which then tries again.
-- quick_place(dev, batch, i), quick_send(dev, pointer, at, n): the same for sending.
-- there(where): whether a packet is at the place of its batch at which it was seen.
local handle, locate, quick_receive, quick_place, quick_send, there

if jitted then
  -- The beginnings of the structures of csrc/batch.h.
  ffi.cdef [[
  struct tun_slot { uint8_t vnet[24]; uint32_t at, size; uint16_t flags; };
  struct tun_pool {
    uint8_t *bytes;
    uint32_t slots, stride, headroom, room, unused, first;
    struct { uint32_t free, home, users; } of[1];
  };
  struct tun_batch { struct tun_pool *pool; uint32_t count, ethernet, list[1]; };
  ]]
  local band = require("bit").band
  local it_type, batch_type = ffi.typeof "struct tun_slot *", ffi.typeof "struct tun_batch *"
  local BEGIN = core.slot_meta
  local DROPPED, HAS_VNET, HAS_PI = core.slot_dropped, core.slot_vnet, core.slot_with_pi

  local function of_core(name, type)
    return ffi.cast(type, ffi.cast("uintptr_t", core.addresses[name]))
  end

  local c_receive = of_core("receive", "int (*)(void *, void *)")
  local c_place = of_core("send_place", "intptr_t (*)(void *, void *, uint32_t)")
  local c_write = of_core("write", "intptr_t (*)(void *, const void *, size_t)")

  function handle(batch)
    return ffi.cast(batch_type, ffi.cast("uintptr_t", batch:address()))
  end

  function locate(_, at, i)
    if i < 1 or i > at.count then
      return false
    end
    local number, pool = at.list[i - 1], at.pool
    if number >= pool.slots then
      return nil
    end
    local base = number * pool.stride
    local it = ffi.cast(it_type, pool.bytes + base)
    local first, flags = it.at, it.flags
    if band(flags, DROPPED) ~= 0 then
      return nil
    end
    local stop, floor, ceiling = first + it.size, base + BEGIN, base + pool.stride
    if stop > pool.slots * pool.stride then -- a script can write there
      return nil
    end
    if pool.of[number].home ~= number then
      floor, ceiling = first, stop
    end
    return base, first, stop, floor, ceiling, band(flags, HAS_VNET) ~= 0, band(flags, HAS_PI) ~= 0
  end

  function there(where)
    local at, i = where.handle, where.i
    return i >= 1 and i <= at.count and at.list[i - 1] * at.pool.stride == where.base
  end

  function quick_receive(dev, batch)
    local n = c_receive(dev, batch)
    return n
  end

  function quick_place(dev, batch, i)
    local n = tonumber(c_place(dev, batch, i - 1))
    return n
  end

  function quick_send(dev, p, at, n)
    n = tonumber(c_write(dev, p + at, n))
    return n
  end
else
  function handle()
    return false
  end

  function locate(batch, _, i)
    return batch:slot(i)
  end

  function quick_receive()
    return -1
  end

  function there(where)
    return where.batch:slot(where.i) == where.base
  end

  quick_place, quick_send = quick_receive, quick_receive
end

-- -- Views of a batch -------------------------------------------------------------

-- What it takes to see the packets of a batch: the views of its memory, of which each slot has
-- one, by its offset, and a list of those that a script may have now.
local viewing = {}

local function viewer(batch)
  local views = core.views(batch, true)
  if not views.live then
    views.live, views.n, views.place = {}, 0, SLOT
  end
  return setmetatable({ batch = batch, handle = handle(batch), i = 0, arena = batch:arena(),
    views = views, kind = batch:mode() == "tap" and packet.eth or header.kinds.ip }, viewing)
end

-- A view, whose slot says where it is, see slot.lua, and why it may be good no more.
local function new_view(state, words)
  local it = view.new(state.arena, bytes.pointer(state.arena), 0, 0)
  it[SLOT] = { batch = state.batch, handle = state.handle, i = 0, base = 0, live = false,
               gone = words }
  return it
end

local LEFT = "the packet was good until it left its batch: keep it with copy()"

-- The view of a slot.
local function view_of(state, base)
  local views = state.views
  local it = views[base]
  if not it then
    it = new_view(state, LEFT)
    views[base] = it
  end
  local where = it[SLOT]
  if not where.live then
    local n = views.n + 1
    views.n, views.live[n], where.live = n, it, true
    revive(it, state.arena)
  end
  where.batch, where.handle = state.batch, state.handle
  return it
end

-- What a loop was called with, that for gives it.
local function refuse_state(state)
  check.refuse("packets", state,
    "what the loop goes through: write for packet in object:packets() do")
end

-- The view on the i-th packet; false behind the last, nil where there is none.
local function see(state, i)
  local base, at, stop, floor, ceiling, vnet, pi = locate(state.batch, state.handle, i)
  if not base then
    return base
  end
  local it, layers = state.view or view_of(state, base), 0
  if vnet then
    it[INFO], layers = base, VNET.mark
  end
  if pi then
    it[META], layers = base + core.slot_pi, layers + PI.mark
  end
  local where = it[SLOT]
  it[FLOOR], it[CEILING], where.base, where.i, state.i = floor, ceiling, base, i, i
  view.read(it, at, stop, state.kind, layers)
  return it
end

-- The view on the first packet from the i-th on. A loop would end a trace.
local function seek(state, i)
  local it
  repeat
    it, i = i <= state.last and see(state, i), i + 1
  until it ~= nil
  return it
end

local function step(state)
  if getmetatable(state) ~= viewing then
    refuse_state(state)
  end
  local i = state.i + 1
  local it = i <= state.last and see(state, i)
  if it == nil then
    it = seek(state, i + 1)
  end
  return it or nil
end

--- As batch:packets().
function packets.walk(batch)
  local state = viewer(batch:compact())
  state.last = batch:count() -- what a step appends, or moves to the end, comes next time
  return step, state
end

--- As batch:packet(i).
function packets.at(batch, i)
  return see(viewer(batch), i) or nil
end

-- -- Coming in from a device --------------------------------------------------------

-- What ends a loop; after a signal, which may have run a hook, it goes on.
local ENDS = { closed = true, deleted = true, timeout = true }

-- How many packets are taken the quick way before the method sees to signals.
local QUICK = 64

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
  state.quick = QUICK
  local n, why, errno = receive(state.dev, state.batch:clear(), state.seconds)
  n = waited(state, n, why, errno)
  return n
end

-- How many views a loop has, which it gives in turn.
local RING = 64
local NEXT = "the packet was good until the next step: keep it with copy()"

-- Take the view that is the next one's, and let the present one be good no more.
local function turn(state)
  local ring, i = state.ring, state.turn % RING + 1
  local it = ring[i]
  if state.view then
    expire(state.view)
  end
  if not it then
    it = new_view(state, NEXT)
    ring[i] = it
  end
  revive(it, state.arena)
  state.turn, state.view = i, it
end

local function next_view(state)
  if getmetatable(state) ~= viewing or not state.dev then
    refuse_state(state)
  end
  turn(state)
  local n = -1
  if state.quick > 0 then
    state.quick = state.quick - 1
    n = quick_receive(state.dev, state.batch)
  end
  if n <= 0 and not wait(state) then
    expire(state.view)
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
  return viewer(memory or core.misuse(why))
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
  state.dev, state.quick, state.seconds, state.ring, state.turn = dev, 0, seconds, {}, 0
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
    ones[dev] = state
  end
  local n, why, errno = receive(dev, state.batch:clear(), seconds)
  if not n then
    return nil, why, errno
  end
  return see(state, 1):copy()
end

-- -- Going out ------------------------------------------------------------------

local given = view.given

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
  given("packet", self)
  local where = self[SLOT]
  if where and where.batch then
    if not there(where) and not view.place(self) then
      core.misuse "send: the packet is in its batch no more"
    end
    local n = quick_place(dev, where.batch, where.i)
    if n > 0 then
      return n
    end
    return send_place(dev, where.batch, where.i)
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
