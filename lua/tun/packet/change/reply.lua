-- reply.lua: the packet that answers a packet: echo, ARP, neighbour discovery, TCP reset,
-- and ICMP errors that quote it.
local check = require "tun.check"
local core = require "tun.core"
local entries = require "tun.entries"
local header = require "tun.packet.declare.header"
local slot = require "tun.packet.memory.slot"

local protocols = header.protocols

local function name_of(view)
  return getmetatable(view).protocol.name
end

local function offset_of(view)
  return view[2] - view[3][slot.START]
end

-- -- Whom to answer --------------------------------------------------------

-- Whether addresses are of one host, which can be answered or can answer (RFC 1122, 3.2.1.3).
local function host4(number)
  local first = math.floor(number / 16777216)
  return first > 0 and first < 224
end

local function host6(text)
  return text ~= "::" and text:sub(1, 2) ~= "ff"
end

local function is_group(mac)
  return math.floor(mac / 1099511627776) % 2 == 1
end

local function is_fragment(p)
  local part = p.ip4 or p.frag
  return part ~= nil and (part.mf or part.offset > 0)
end

-- What stands in front of the answer's network header: the same layers, from the one that
-- was asked to the one who asked.
local function link(p, how)
  local list = {}
  for _, view in ipairs(p:layers()) do
    local name = name_of(view)
    if name == "eth" then
      local group = is_group(view.dst_n)
      if is_group(view.src_n) then
        return nil, "it comes from a group of hosts"
      elseif group and not how.mac then
        return nil, "it went to a group of hosts; say with mac who answers"
      end
      list[#list + 1] = protocols.eth { dst = view.src, src = how.mac or view.dst }
    elseif name == "vlan" or name == "svlan" then
      list[#list + 1] = protocols[name] { pcp = view.pcp, dei = view.dei, id = view.id }
    elseif name == "tun_pi" or name == "virtio_net" then
      list[#list + 1] = protocols[name] {}
    else
      break
    end
  end
  return list
end

-- The network header of an answer.
local function net(p, how, fields)
  local ip4, ip6 = p.ip4, p.ip6
  local ip = ip4 or ip6
  local src = how.src or ip.dst
  if not (ip4 and host4(ip.src_n) or ip6 and host6(ip.src)) then
    return nil, "it comes from no single host"
  elseif not how.src and not (ip4 and host4(ip.dst_n) or ip6 and host6(ip.dst)) then
    return nil, "it went to a group of hosts; say with src who answers"
  end
  fields.src, fields.dst = src, ip.src
  return ip4 and protocols.ip4(fields) or protocols.ip6(fields)
end

-- All headers of an answer, one behind the other.
local function stack(p, how, fields, ...)
  local list, why = link(p, how)
  if not list then
    return nil, why
  end
  if fields then
    list[#list + 1], why = net(p, how, fields)
    if why then
      return nil, why
    end
  end
  for _, layer in ipairs { ... } do
    list[#list + 1] = layer
  end
  local packet = list[1]
  for i = 2, #list do
    packet = packet / list[i]
  end
  return packet
end

-- -- Errors ----------------------------------------------------------------

-- { type, code } of ICMP and of ICMPv6, and the field that an argument goes to.
local ERRORS = {
  net = { { 3, 0 }, { 1, 0 } },
  host = { { 3, 1 }, { 1, 3 } },
  protocol = { { 3, 2 }, { 4, 1 }, pointer = true },
  port = { { 3, 3 }, { 1, 4 } },
  prohibited = { { 3, 13 }, { 1, 1 } },
  too_big = { { 3, 4 }, { 2, 0 }, mtu = true },
  ttl = { { 11, 0 }, { 3, 0 } },
  reassembly = { { 11, 1 }, { 3, 1 } },
}

-- ICMP messages that are errors, about which there are none (RFC 1122, 3.2.2).
local IS_ERROR = { [3] = true, [4] = true, [5] = true, [11] = true, [12] = true }

-- Why no error may be sent about a packet (RFC 1122, 3.2.2; RFC 4443, 2.4 e). A group may
-- be told that a packet is too big, which is how the path's mtu is found.
local function unspoken(p, ip, too_big)
  local ip4, icmp, icmp6 = p.ip4, p.icmp, p.icmp6
  local group = ip4 and not host4(ip.dst_n) or not ip4 and not host6(ip.dst)
  local loopback = ip4 and math.floor(ip.src_n / 16777216) == 127
  if icmp and IS_ERROR[icmp.type_n]
    or icmp6 and (icmp6.type_n < 128 or icmp6.type == "redirect") then
    return "it is an error itself"
  elseif loopback then
    return "it comes from no single host"
  elseif ip4 and ip.offset > 0 then
    return "it is not the first fragment"
  elseif not (too_big and not ip4) and (group or p.eth and is_group(p.eth.dst_n)) then
    return "it went to a group of hosts"
  end
end

-- As much of the packet as the smallest packet that every host takes has room for
-- (RFC 1812, 4.3.2.3; RFC 4443, 3.1).
local function quote(p, ip)
  local at = offset_of(ip)
  local size = p.ip4 and math.min(ip.length, 576 - 28) or math.min(ip.length + 40, 1280 - 48)
  return p:bytes():sub(at + 1, at + size)
end

local function known()
  local names = {}
  for name in entries(ERRORS) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- Where in an IPv6 packet the number is that says what its innermost header is.
local function pointer(p, ip)
  local at = offset_of(ip) + 6
  for _, view in ipairs(p:layers()) do
    at = protocols[name_of(view)].fields.next and name_of(view) ~= "ip6"
      and offset_of(view) or at
  end
  return at - offset_of(ip)
end

local function error_about(p, how)
  local row, ip = ERRORS[how.error], p.ip
  if not row then
    core.misuse(("reply: no error %s; there are: %s"):format(tostring(how.error), known()))
  elseif row.mtu and type(how.mtu) ~= "number" then
    core.misuse "reply: the error too_big needs an mtu"
  end
  local why = unspoken(p, ip, row.mtu)
  if why then
    return nil, why
  end
  local which = p.ip4 and row[1] or row[2]
  local fields = { type = which[1], code = which[2], mtu = row.mtu and how.mtu,
                   pointer = not p.ip4 and row.pointer and pointer(p, ip) or nil }
  local icmp = p.ip4 and protocols.icmp or protocols.icmp6
  return stack(p, how, {}, icmp(fields), quote(p, ip))
end

-- -- Answers ---------------------------------------------------------------

local function arp(p, how)
  local asked = p.arp
  if asked.op ~= "request" then
    return nil, "it asks nothing"
  elseif not how.mac then
    core.misuse "reply: to ARP needs mac, the address to answer with"
  end
  return stack(p, how, nil, protocols.arp { op = 2, sha = how.mac, spa = asked.tpa,
                                           tha = asked.sha, tpa = asked.spa })
end

-- An advertisement goes to whoever asked, or to all when that has no address yet
-- (RFC 4861, 7.2.4).
local function neighbour(p, how)
  if not how.mac then
    core.misuse "reply: to a neighbour solicitation needs mac, the address to answer with"
  elseif p.ip6.src == "::" then
    return nil, "it comes from no single host"
  end
  local target = p.ns.target
  return stack(p, { mac = how.mac, src = target }, { hlim = 255 }, protocols.icmp6 {},
    protocols.na { solicited = true, override = true, target = target,
                   options = { { "tlla", how.mac } } })
end

local function echo(p, how)
  local icmp, fields = p.icmp or p.icmp6, { dscp = p.ip.dscp }
  local protocol = p.icmp and protocols.icmp or protocols.icmp6
  return stack(p, how, fields, protocol { type = "echo_reply", id = icmp.id, seq = icmp.seq },
    p.payload)
end

-- RFC 9293, 3.5.2: what the other side must accept as an answer to its segment.
local function reset(p, how)
  local tcp = p.tcp
  if tcp.rst then
    return nil, "it is a reset itself"
  end
  local fields = { sport = tcp.dport, dport = tcp.sport, rst = true, window = 0 }
  if tcp.has_ack then
    fields.seq = tcp.ack
  else
    local length = #p.payload + (tcp.syn and 1 or 0) + (tcp.fin and 1 or 0)
    fields.has_ack, fields.ack = true, (tcp.seq + length) % 4294967296
  end
  return stack(p, how, {}, protocols.tcp(fields))
end

-- What answers a packet when nothing else is said.
local function usual(p, how)
  local icmp = p.icmp or p.icmp6
  if is_fragment(p) then
    return nil, "a fragment"
  elseif p.ns then
    return neighbour(p, how)
  elseif icmp and icmp.type == "echo" then
    return echo(p, how)
  elseif icmp then
    return nil, "it asks nothing"
  elseif p.tcp then
    return reset(p, how)
  end
  how.error = p.udp and "port" or "protocol"
  return error_about(p, how)
end

local KEYS = { error = true, mtu = true, src = true, mac = true }

--- Make the packet that answers this one.
-- Without an error: the reply to an echo request, an ARP request or a neighbour
-- solicitation, a reset of a TCP segment, and "port" or "protocol" unreachable for all
-- else. Addresses are swapped, tags kept, IP options and extension headers not.
-- @param p  packet; left as it is
-- @param how  optional table: error = "net", "host", "protocol", "port", "prohibited",
--   "too_big" (with mtu), "ttl" or "reassembly": an ICMP error about the packet;
--   src = address that answers, when it is not the one that the packet went to;
--   mac = link-layer address that answers
-- @return packet | nil, reason: what must not be answered
-- Source: RFC 792, RFC 826, RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4, RFC 9293 3.5.2
local function reply(p, how)
  local given = {}
  for key, value in entries(check.options("reply", how == nil and {} or how, "key", KEYS)) do
    given[key] = value
  end
  local broken = p.error or p.cut
  if p.arp then
    return arp(p, given)
  elseif not p.ip then
    return nil, broken and broken.message or "no layer that is answered"
  elseif broken and (not given.error or broken.layer == "ip4" or broken.layer == "ip6") then
    return nil, broken.message
  elseif given.error then
    return error_about(p, given)
  end
  return usual(p, given)
end

return reply
