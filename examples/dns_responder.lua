-- dns_responder.lua: a name server: answers what is in a table, in any number of
-- addresses, and knows no other names.
-- Run: make run EXAMPLE=dns_responder; it needs dig. It plays in a
-- network namespace of its own: the host is not touched. Exits with 0 when dig was told
-- what is in the table.
local tun = require "tun"
local packet = require "tun.packet"
local dns, ip4, udp = packet.dns, packet.ip4, packet.udp

local ZONE = {
  ["www.example.org"] = { A = { "192.0.2.80", "192.0.2.81" }, AAAA = { "2001:db8::80" } },
  ["example.org"] = { MX = { { preference = 10, exchange = "mail.example.org" } } },
}

local found = os.execute "command -v dig >/dev/null"
assert(found == true or found == 0, "dig is not there: install dnsutils")

assert(tun.sandbox())
local dev = assert(tun.open { name = "dns0", mode = "tun", address = "10.0.0.1/24" })
local dig = assert(io.popen [[
  ask() { dig @10.0.0.53 +tries=1 +time=2 "$@"; }
  ask +short www.example.org A; ask +short www.example.org AAAA; ask +short example.org MX
  ask nobody.example.org | grep -o "status: [A-Z]*"
  ip link del dns0]])

local function answers(question)
  local list = {}
  for i, data in ipairs((ZONE[question.name] or {})[question.type] or {}) do
    list[i] = { name = question.name, type = question.type, ttl = 60, data = data }
  end
  return list
end

for query in dev:packets() do
  local asked = query.dns
  local question = asked and not asked.qr and asked.questions[1]
  if question then
    local reply = ip4 { src = query.ip4.dst, dst = query.ip4.src }
      / udp { sport = 53, dport = query.udp.sport }
      / dns { id = asked.id, qr = true, aa = true, rd = asked.rd, questions = { question },
              rcode = ZONE[question.name] and "noerror" or "nxdomain", answers = answers(question) }
    print(query)
    print(reply)
    assert(dev:send(reply))
  end
end
local said = dig:read "*a"
print(said)
os.exit(said == "192.0.2.80\n192.0.2.81\n2001:db8::80\n10 mail.example.org.\nstatus: NXDOMAIN\n"
  and 0 or 1)
