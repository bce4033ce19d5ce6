-- ndp_and_ping6.lua: be a host on an Ethernet: answer neighbour solicitations for its
-- address, and `ping -6`.
-- Run: make run EXAMPLE=ndp_and_ping6. It plays in a network namespace of
-- its own: the host is not touched. Exits with 0 when no ping was lost.
local tun = require "tun"

local ADDRESS, MAC = "fd00::2", "02:00:00:00:00:02"

assert(tun.sandbox())
local dev = assert(tun.open { name = "ndp0", mode = "tap", address = "fd00::1/64" })
-- The kernel first makes sure that fd00::1 is not somebody else's; ping waits for that.
local ping = assert(io.popen [[
  until ping -6 -c 1 -W 1 fd00::1 >/dev/null 2>&1; do :; done
  ping -6 -c 3 -i 0.2 -W 2 fd00::2; ip neigh show dev ndp0; ip link del ndp0]])

for packet in dev:packets() do
  local asked = packet.ns
  local is_ours = asked and asked.target == ADDRESS or not asked and packet.ip6
    and packet.ip6.dst == ADDRESS
  local reply = is_ours and packet:reply { mac = MAC }
  if reply then
    print(packet)
    print(reply)
    assert(dev:send(reply))
  end
end
local said = ping:read "*a"
print(said)
os.exit(said:find(" 0% packet loss", 1, true) and said:find(MAC, 1, true) and 0 or 1)
