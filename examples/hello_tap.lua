-- hello_tap.lua: open a TAP and print the first frames that the kernel sends: it looks
-- for neighbours, routers and whoever listens to its multicast groups.
-- Run: make run EXAMPLE=hello_tap
-- It plays in a network namespace of its own: the host is not touched.
local tun = require "tun"

local types = { [0x0800] = "IPv4", [0x0806] = "ARP", [0x86dd] = "IPv6" }

local function mac(frame, at)
  return ("%02x:%02x:%02x:%02x:%02x:%02x"):format(frame:byte(at, at + 5))
end

assert(tun.sandbox())
local dev = assert(tun.open { mode = "tap", name = "hello%d", address = "192.0.2.1/24" })
print(dev)
assert(io.popen("ping -c 1 -W 1 192.0.2.2")) -- nobody is there: it asks who has the address

local count = 0
for frame in dev:each() do
  local kind = frame:byte(13) * 256 + frame:byte(14)
  print(("%s > %s, %s, %d bytes"):format(mac(frame, 7), mac(frame, 1),
    types[kind] or ("type 0x%04x"):format(kind), #frame))
  count = count + 1
  if count == 5 then
    dev:close() -- ends the loop
  end
end
