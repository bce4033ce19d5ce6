-- forward.lua -- what spec/bench/forward.c does: packets between two TUN devices.
-- Usage: forward.lua plain|whole|split|from|to
-- whole takes one from the TTL of every packet and rewrites a port: 5000 becomes 5001.
local tun = require "tun"

local mode = arg[1]
local PLAIN, OFFLOAD = {}, { offload = true }
-- Its kernel joins what comes to it one by one, on another processor.
local THREADED = { napi = true, threaded = true }
local KINDS = { plain = { PLAIN, PLAIN }, whole = { OFFLOAD, OFFLOAD },
                split = { OFFLOAD, OFFLOAD }, from = { OFFLOAD, THREADED },
                to = { THREADED, OFFLOAD } }

local sides = {}
for i = 1, 2 do
  local kind = KINDS[mode][i]
  sides[i] = assert(tun.open { name = "measured%d", mode = "tun", offload = kind.offload,
                               napi = kind.napi, threaded = kind.threaded })
  print(sides[i]:name())
end
io.flush()

local function edit(packet)
  local ip, tcp = packet.ip4, packet.tcp
  if ip and tcp then
    ip.ttl = ip.ttl - 1
    if tcp.dport == 5000 then
      tcp.dport = 5001
    elseif tcp.sport == 5001 then
      tcp.sport = 5000
    end
    packet:fix()
  end
end

local function move(from, to, batch)
  local n = from:receive(batch, 0)
  if n then
    batch:segment()
    to:send(batch)
    batch:clear()
  end
  return n
end

local function split(a, b)
  local batch = tun.batch()
  while true do
    local there, back = move(a, b, batch), move(b, a, batch)
    if not (there or back) then
      tun.poll({ a, b })
    end
  end
end

if mode == "split" then
  split(sides[1], sides[2])
end
error(select(2, tun.forward(sides[1], sides[2], { edit = mode == "whole" and edit or nil })))
