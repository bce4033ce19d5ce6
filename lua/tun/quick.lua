-- quick.lua: what loops over packets call for each: by the FFI on LuaJIT, where a call of the C
-- API would end the trace; elsewhere by methods, or not at all.
local core = require "tun.core"
local slot = require "tun.packet.memory.slot"
local jitted, ffi = pcall(require, "ffi")

local BASE, PLACE, HANDLE = slot.BASE, slot.PLACE, slot.HANDLE

-- handle(batch) -> what the others take for the batch.
-- locate(batch, handle, i) -> as batch:slot(i).
-- begin(batch) -> how many packets are in it, after closing gaps; whether of Ethernet.
-- receive(dev, batch, handle) -> how many packets are in it now, after clearing it; what is not
--   above 0 is told by the method, which then tries again.
-- place(dev, where), send(dev, pointer, at, n), append(batch, pointer, at, n): the same for
--   sending the packet of a slot, or bytes, and for appending them.
local quick = {}

if jitted then
  local band = require("bit").band
  local HAS_VNET, HAS_PI = core.slot_vnet, core.slot_with_pi
  -- base, at, stop, floor, ceiling, flags: struct seen of csrc/batch/batch.c.
  quick.seen = ffi.new "double[6]" -- is kept here: a pointer keeps nothing
  local seen = ffi.cast("double *", quick.seen)

  local function of_core(address, type)
    return ffi.cast(type, ffi.cast("uintptr_t", address))
  end

  local c_see = of_core(core.batch_addresses.see, "int (*)(void *, double, double *)")
  local c_begin = of_core(core.batch_addresses.begin, "double (*)(void *)")
  local c_append = of_core(core.batch_addresses.append, "int (*)(void *, const void *, uint32_t)")
  local c_receive = of_core(core.addresses.receive, "int (*)(void *, void *)")
  local c_place = of_core(core.addresses.send_place, "int (*)(void *, void *, double, double)")
  local c_write = of_core(core.addresses.write, "int (*)(void *, const void *, uint32_t)")

  function quick.handle(batch)
    return ffi.cast("void *", ffi.cast("uintptr_t", batch:address()))
  end

  function quick.locate(_, at, i)
    local n = c_see(at, i, seen)
    if n ~= 1 then
      if n == 0 then
        return false
      end
      return nil
    end
    local flags = seen[5]
    return seen[0], seen[1], seen[2], seen[3], seen[4],
      flags ~= 0 and band(flags, HAS_VNET) ~= 0, flags ~= 0 and band(flags, HAS_PI) ~= 0
  end

  function quick.begin(batch)
    local n = c_begin(batch)
    return (n - n % 2) / 2, n % 2 == 1
  end

  function quick.append(batch, p, at, n)
    n = c_append(batch, p + at, n)
    return n
  end

  function quick.receive(dev, _, at)
    local n = c_receive(dev, at)
    return n
  end

  function quick.place(dev, where)
    local n = c_place(dev, where[HANDLE], where[PLACE], where[BASE])
    return n
  end

  function quick.send(dev, p, at, n)
    n = c_write(dev, p + at, n)
    return n
  end
else
  function quick.handle()
    return false
  end

  function quick.locate(batch, _, i)
    return batch:slot(i)
  end

  function quick.begin(batch)
    return batch:compact():count(), batch:mode() == "tap"
  end

  function quick.receive()
    return -1
  end

  quick.place, quick.send, quick.append = quick.receive, quick.receive, quick.receive
end

return quick
