-- tunnel.lua -- what spec/bench/tunnel.c does with batches: an end of a tunnel of TUN packets
-- as datagrams between 127.0.0.1 and itself.
-- Usage: tunnel.lua 1|2
local tun = require "tun"

local number = tonumber(arg[1])
local BUFFER = 4 * 1024 * 1024

local function address(which)
  return "127.0.0.1:" .. 7000 + which
end

local socket = assert(tun.udp { bind = address(number), connect = address(3 - number),
                                rcvbuf = BUFFER, sndbuf = BUFFER })
local dev = assert(tun.open { name = "measured%d", mode = "tun", offload = true })
print(dev:name())
io.flush()
error(select(2, tun.forward(dev, socket)))
