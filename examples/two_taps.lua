-- two_taps.lua: be the cable between two TAPs: pass every frame from one to the other.
-- Run: make run EXAMPLE=two_taps
-- Each TAP is in a network namespace of its own, as if on another host: the one that
-- runs this is not touched.
local tun = require "tun"

assert(tun.sandbox())
local left = assert(tun.open { name = "left", mode = "tap", address = "10.0.0.1/24" })
assert(tun.sandbox()) -- left stays where it is
local right = assert(tun.open { name = "right", mode = "tap", address = "10.0.0.2/24" })
print(left)
print(right)

local other = { [left] = right, [right] = left }
local ping = assert(io.popen("ping -c 3 -i 0.2 10.0.0.1")) -- from right to left
repeat
  local ready = tun.poll({ left, right }, 1)
  for _, dev in ipairs(ready or {}) do
    local frame = assert(dev:read(0))
    assert(other[dev]:write(frame))
    print(("%s > %s, %d bytes"):format(dev:name(), other[dev]:name(), #frame))
  end
until not ready -- quiet for a second
print(ping:read("*a"))
