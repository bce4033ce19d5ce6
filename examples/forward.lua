-- forward.lua: be the router between two hosts: TCP both ways, through Lua, in packets of up
-- to 64 KB.
-- Run: make run EXAMPLE=forward, which needs iperf3; SECONDS=60 lets it run longer
-- Each device is in a network namespace of its own, as if on another host: the one that
-- runs this is not touched.
local tun = require "tun"

local seconds = tonumber(os.getenv "SECONDS") or 3
local function iperf(options)
  return assert(io.popen("iperf3 " .. options .. " 2>&1"))
end

assert(tun.sandbox())
local left = assert(tun.open { name = "left", address = "10.0.0.1/24", offload = true })
local server = iperf "-s -1"
assert(tun.sandbox()) -- left and the server stay where they are
local right = assert(tun.open { name = "right", address = "10.0.0.2/24", offload = true })
print(left)
print(right)

local client = iperf("--bidir -c 10.0.0.1 -f g -t " .. seconds)
local result = tun.forward(left, right, {
  seconds = seconds + 2,
  edit = function(packet)
    local ip = packet.ip4
    if not ip or not ip:decrement_ttl() then
      return false
    end
    packet:fix()
  end,
})

local report = client:read "*a"
server:close()
print(report:match "\n(- - -.*)")
for i, way in ipairs { "from left to right", "from right to left" } do
  print(("%s: %d packets of %.0f bytes on average"):format(way, result[i].packets,
    result[i].bytes / result[i].packets))
end
assert(client:close(), "iperf3 failed")
assert(report:find "receiver", report)
