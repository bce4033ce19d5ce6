-- ping_responder.lua: answer the kernel's own pings through a TUN device.
-- Run: make demo
-- It plays in a network namespace of its own: the host is not touched.
local tun = require "tun"

-- RFC 1071: the complement of the ones' complement sum of all 16-bit words.
local function checksum(bytes)
  local sum = 0
  for i = 1, #bytes, 2 do
    sum = sum + bytes:byte(i) * 256 + (bytes:byte(i + 1) or 0)
  end
  sum = 65535 - sum % 65535
  return string.char(math.floor(sum / 256), sum % 256)
end

local function show(packet, what)
  print(("IP %d.%d.%d.%d > %d.%d.%d.%d: ICMP echo "):format(packet:byte(13, 20)) .. what
    .. (", seq %d, length %d"):format(packet:byte(27) * 256 + packet:byte(28), #packet - 20))
end

assert(tun.sandbox())
local dev = assert(tun.open { mode = "tun", address = "192.168.69.1/24" })
print(dev)
local ping = assert(io.popen("ping -c 5 -i 0.2 192.168.69.2"))
local answered = 0
while answered < 5 do
  local packet = assert(dev:read(5))
  if packet:find("^\69........\1") and packet:byte(21) == 8 then -- IPv4, ICMP, echo request
    local reply = packet:sub(1, 12) .. packet:sub(17, 20) .. packet:sub(13, 16)
      .. "\0\0" .. checksum(packet:sub(25)) .. packet:sub(25)
    show(packet, "request")
    assert(dev:write(reply))
    show(reply, "reply")
    answered = answered + 1
  end
end
local statistics = ping:read("*a"):match("%-%-%-.*")
print(statistics)
os.exit(statistics:find(" 0% packet loss", 1, true) and 0 or 1)
