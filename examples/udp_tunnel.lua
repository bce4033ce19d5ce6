-- udp_tunnel.lua: two hosts that reach one another through a tunnel in UDP.
-- Run: make run EXAMPLE=udp_tunnel, which needs python3
-- The hosts and the network between them are network namespaces of their own: the one that
-- runs this is not touched. Exits with 0 when ping and 50 MB over TCP got through.
local tun = require "tun"

assert(tun.sandbox())
local left = assert(tun.udp { bind = "127.0.0.1:5001", connect = "127.0.0.1:5002" })
local right = assert(tun.udp { bind = "127.0.0.1:5002", connect = "127.0.0.1:5001" })
assert(tun.sandbox()) -- the sockets stay where they are
local near = assert(tun.open { address = "10.0.0.1/24", mtu = 1400, offload = true })
local server = assert(io.popen [[timeout 60 python3 -uc 'import socket
listener = socket.create_server(("", 5000)); print("listening")
listener.accept()[0].sendall(bytes(50000000))']])
print(server:read())
assert(tun.sandbox())
local far = assert(tun.open { name = "far", address = "10.0.0.2/24", mtu = 1400, offload = true })
local client = assert(io.popen [[ping -c 3 -i 0.2 10.0.0.1; timeout 60 python3 -c 'import socket
print(len(socket.create_connection(("10.0.0.1", 5000)).makefile("rb").read()), "over TCP")'
ip link del far]])

local ways = { [near] = left, [left] = near, [far] = right, [right] = far }
local batch = assert(tun.batch())
local packets, deleted = 0, nil
repeat
  for _, from in ipairs(assert(tun.poll { near, left, far, right })) do
    local n, why = from:receive(batch, 0)
    ways[from]:send(batch)
    batch:clear() -- what was not taken: a network may lose packets
    packets, deleted = packets + (n or 0), deleted or why == "deleted" -- at the client's end
  end
until deleted
local said = client:read "*a"
print(said .. packets .. " packets")
os.exit(said:find " 0%% packet loss.*50000000 over TCP" and 0 or 1)
