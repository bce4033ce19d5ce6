-- nat.lua: what is shared is one address: the world sees only that of the router.
-- Run: make run EXAMPLE=nat; it needs curl and python3. The host inside
-- and the server outside are in network namespaces of their own: nothing else is touched.
-- Exits with 0 when ping and curl got through.
local tun = require "tun"
local packet = require "tun.packet"
local found = os.execute "command -v curl >/dev/null && command -v python3 >/dev/null"
assert(found == true or found == 0, "curl or python3 is not there: install it")

assert(tun.sandbox())
local outside = assert(tun.open { name = "outside", mode = "tun", address = "203.0.113.2/24" })
local server = assert(io.popen [[
  echo $$; exec timeout 20 python3 -u -m http.server -d examples 8000 2>&1]])
local pid = server:read()
print(server:read()) -- that it listens
assert(tun.sandbox()) -- outside stays where it is
local inside = assert(tun.open { name = "inside", mode = "tun", address = "10.0.0.1/24",
                                 routes = { { dst = "0.0.0.0/0" } } })
local client = assert(io.popen [[
  ping -c 2 -i 0.2 203.0.113.2; curl -sS -m 5 http://203.0.113.2:8000/nat.lua; ip link del inside]])

local PUBLIC = "203.0.113.1"
local numbers, hosts, last = {}, {}, 50000 -- ports and ids of pings tell hosts apart

local function leave(p, l4)
  local field = p.icmp and "id" or "sport"
  local from = p.ip4.src .. " " .. l4[field]
  if not numbers[from] then
    last = last + 1
    numbers[from], hosts[last] = last, { p.ip4.src, l4[field] }
  end
  p.ip4.src, l4[field] = PUBLIC, numbers[from]
end

local function enter(p, l4)
  local field = p.icmp and "id" or "dport"
  local host = hosts[l4[field]] or { PUBLIC, l4[field] } -- whoever asked for this
  p.ip4.dst, l4[field] = host[1], host[2]
end

local ways = { [inside] = { leave, outside }, [outside] = { enter, inside } }
local deleted
repeat
  for _, dev in ipairs(assert(tun.poll { inside, outside })) do
    local text, reason = dev:read(0)
    local p = packet.parse(text or "", "ip")
    local l4 = p.ip4 and (p.icmp or p.tcp or p.udp)
    if l4 then
      ways[dev][1](p, l4)
      print(p:fix())
      ways[dev][2]:send(p) -- a network may lose packets
    end
    deleted = deleted or reason == "deleted" -- by the client, at its end
  end
until deleted
local said = client:read "*a"
os.execute("kill " .. pid)
print(said:match ".-\n\n.-\n.-\n" .. server:read())
os.exit(said:find " 0%% packet loss.*what is shared" and 0 or 1)
