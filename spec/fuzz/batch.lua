-- batch.lua: a program of a batch: any operations in any order, on batches over one memory
-- and on one over another, with devices and a socket whose system calls say anything. After
-- each, every slot is accounted for.
-- An input: how the device, the socket and both memories are; how many operations; of each,
-- its number and an argument; and what the system calls are told.
local core = require "tun.core"
local system = require "system"
require "tun" -- which says where the library is, and has tun.batch

local SLOTS, BATCHES_MOST = 6, 4

-- -- What there is at the beginning --------------------------------------------

local VNETS = { [0] = 0, 10, 12, 20, 24, 256, 300, 4096 }

local function device(config)
  system.vnet(VNETS[config % 8])
  local dev = assert(core.open {
    mode = config % 16 < 8 and "tun" or "tap", no_pi = config % 32 < 16, vnet_hdr = config % 8 > 0,
  })
  if config >= 32 and config % 8 > 0 then
    core.setoption(dev, "offload", { "csum", "tso4", "tso6", "uso4", "uso6" })
  end
  dev:settimeout(0)
  return dev
end

local function socket(config)
  local udp = assert(core.udp("127.0.0.1:0", "peer"))
  udp:setoption("gro", config % 2 == 1)
  udp:setoption("gso", config % 4 > 1)
  if config >= 128 then
    udp:connect "127.0.0.1:9"
  end
  udp:settimeout(0)
  return udp
end

local SIZES = { [0] = 1, 60, 200, 1500, 9000, 65536, 65557, 70000 }

local function memory(config)
  return assert(core.batch(SLOTS, SIZES[config % 8], config >= 128 and 300 or config % 32,
    config % 16 < 8 and "tun" or "tap"))
end

-- -- Operations ------------------------------------------------------------------

-- Those over the first memory, and one over another. Also all over the first that are not
-- collected yet.
local batches, other, dev, udp
local living = setmetatable({}, { __mode = "v" })

local function add(batch)
  batches[#batches + 1] = batch
  living[#living + 1] = batch
end

-- At any other time it would leave slots that nobody counts. In LuaJIT, it goes on after it
-- was called.
local function collect()
  collectgarbage()
  collectgarbage "stop"
end

local function pick(n)
  return n % 7 == 6 and other or batches[n % #batches + 1]
end

-- What Lua, and so a script, can write: the metadata of a packet.
local function scribble(batch, n)
  local base = batch:slot(n % 4 + 1)
  if base then
    local at = n % 48
    batch:arena():write(base + at, ("\255"):rep(math.min(n % 5, 48 - at)))
  end
end

local function edit_views(batch, n)
  local stop = n + 20 -- one that moves to its own batch comes again
  for p in batch:packets() do
    if n == stop then
      break
    elseif n % 2 == 0 then
      p:move(pick(n + 1))
    elseif n % 3 == 0 then
      p:drop()
    elseif p.ip then
      p.ip.ttl = n
      p:fix()
    end
    n = n + 1
  end
end

local PACKETS = {
  "\69\0\0\40\0\1\64\0\64\6\0\0\10\0\0\1\10\0\0\2\0\80\0\81\0\0\0\1\0\0\0\2\80\16\0\9\0\0\0\0",
  "\69\0\0\32\0\1\64\0\64\17\0\0\10\0\0\1\10\0\0\2\0\80\0\81\0\12\0\0data",
}

local OPERATIONS = {
  function(batch, n) batch:append(PACKETS[n % 2 + 1]:rep(n % 3)) end,
  function(batch, n) batch:append(PACKETS[1] .. ("x"):rep(n), "\1\1\40\0\8\0\20\0\16\0") end,
  function(batch, n)
    batch:append(("\2"):rep(12) .. ("\129\0\0\1"):rep(n) .. "\8\0" .. PACKETS[1])
  end,
  function(batch) dev:receive(batch) end,
  function(batch) dev:send(batch) end,
  function(batch) udp:receive(batch) end,
  function(batch, n) udp:send(batch, n % 2 == 0 and "127.0.0.1:9" or nil) end,
  function(batch, n) batch:segment(n > 0 and n * 16 or nil) end,
  function(batch) batch:coalesce() end,
  function(batch, n) batch:drop(n % SLOTS + 1) end,
  function(batch, n) batch:move(n % SLOTS + 1, pick(math.floor(n / SLOTS))) end,
  function(batch, n) batch:swap(n % SLOTS + 1, math.floor(n / SLOTS) % SLOTS + 1) end,
  function(batch) batch:clear() end,
  function(batch) batch:compact() end,
  function(batch) batch:reflect() end,
  function(batch) batch:fix() end,
  function(batch) batch:decrement_ttl() end,
  function(batch, n)
    batch:set { src = "10.0.0.9", dst = "fd00::1", sport = n, dport = n, ttl = n, tos = n }
  end,
  function(batch, n) batch:resize(n % SLOTS + 1, n * 64, n) end,
  function(batch, n) scribble(batch, n) end,
  function(batch, n) edit_views(batch, n) end,
  function(batch, n) dev:send_place(batch, n) end,
  function(batch) return #batch, batch:size(), batch:unused(), tostring(batch) end,
  function() udp:read() end,
  function(batch)
    if #batches < BATCHES_MOST and batch ~= other then
      add(batch:sibling())
    end
  end,
  function(_, n)
    if #batches > 1 then
      table.remove(batches, n % #batches + 1)
    end
  end,
  function()
    collect()
  end,
}

local function account()
  local all = {}
  for _, batch in pairs(living) do
    all[#all + 1] = batch
  end
  system.account(all)
  system.account { other }
end

collect()

-- Collecting takes longer than anything else.
local EVERY = 100
local inputs = 0

return function(bytes)
  local config = { bytes:byte(1, 5) }
  if #config < 5 then
    return
  end
  dev, udp, batches = device(config[1]), socket(config[2]), {}
  add(memory(config[3]))
  other = memory(config[4])
  local stop = math.min(5 + 2 * config[5], #bytes)
  local told = bytes:sub(stop + 1) -- lent
  system.feed(told)
  for at = 6, stop - 1, 2 do
    local op, n = bytes:byte(at, at + 1)
    system.attempt(OPERATIONS[op % #OPERATIONS + 1], pick(math.floor(op / #OPERATIONS)), n)
    account()
  end
  dev:close()
  udp:close()
  batches, other, living = nil, nil, setmetatable({}, { __mode = "v" })
  inputs = inputs + 1
  if inputs % EVERY == 0 then
    collect()
  end
end
