-- sniff.lua: tcpdump in ten lines: a line for every packet that the kernel sends.
-- Run: make run EXAMPLE=sniff. It plays in a network namespace of its
-- own: the host is not touched. Exits with 0 when it saw all pings, right in every sum.
local tun = require "tun"

assert(tun.sandbox())
local dev = assert(tun.open { name = "sniff0", address = { "192.0.2.1/24", "fd00::1/64" } })
-- Nobody answers. At last the device is deleted, which ends the loop.
local ping = assert(io.popen [[
  ping -c 2 -i 0.2 -W 1 192.0.2.2; ping -6 -c 2 -i 0.2 -W 1 fd00::2; ip link del sniff0]])

local seen = 0
for packet in dev:packets() do
  print(packet)
  local icmp = packet.icmp or packet.icmp6
  if icmp and icmp.type == "echo" then
    assert(packet:verify())
    seen = seen + 1
  end
end
print(ping:read "*a")
os.exit(seen == 4 and 0 or 1)
