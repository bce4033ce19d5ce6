-- my_protocol.lua: a header of one's own, declared in the script that uses it: TFTP (RFC
-- 1350), and with it a server from which curl takes a file.
-- Run: make run EXAMPLE=my_protocol; it needs curl. It plays in a network
-- namespace of its own: the host is not touched. Exits with 0 when curl has the file.
local tun = require "tun"
local packet = require "tun.packet"
local ip4, udp = packet.ip4, packet.udp

local tftp = packet.header("tftp", {
  { "op", 16, enum = { read = 1, write = 2, data = 3, ack = 4, error = 5 } },
  { "block", 16 }, -- in a request, the name of the file begins here
  follows = { udp = 69 },
  line = function(view)
    return ("TFTP, %s, block %d"):format(view.op, view.block)
  end,
})

local FILE = ("What a header is like is a table.\n"):rep(50)

local found = os.execute "command -v curl >/dev/null"
assert(found == true or found == 0, "curl is not there: install it")

assert(tun.sandbox())
local dev = assert(tun.open { name = "tftp0", mode = "tun", address = "10.0.0.1/24" })
local curl = assert(io.popen "curl -sS -m 5 tftp://10.0.0.2/hello.txt; ip link del tftp0")

for asked in dev:packets() do
  local request = asked.tftp
  local block = request and (request.op == "read" and 1
    or request.op == "ack" and request.block + 1)
  if block and (block - 1) * 512 <= #FILE then
    local reply = ip4 { src = asked.ip4.dst, dst = asked.ip4.src }
      / udp { sport = 69, dport = asked.udp.sport } / tftp { op = "data", block = block }
      / FILE:sub((block - 1) * 512 + 1, block * 512)
    print(asked)
    print(reply)
    assert(dev:send(reply))
  end
end
local got = curl:read "*a"
print(("curl has %d bytes of %d"):format(#got, #FILE))
os.exit(got == FILE and 0 or 1)
