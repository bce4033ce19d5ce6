-- random.lua: random packets of all protocols, built by tun.packet from a seed: the same
-- under every Lua.
local packet = require "tun.packet"

local random = {}

-- The minimal standard generator (Park, Miller): its products are exact in a double.
local state = 1

function random.seed(n)
  state = n % 2147483646 + 1
  for _ = 1, 8 do
    state = state * 16807 % 2147483647
  end
end

local function int(first, last)
  state = state * 16807 % 2147483647
  return first + math.floor(state / 2147483647 * (last - first + 1))
end
random.int = int

local function flip(chance)
  return int(1, 100) <= (chance or 50)
end

local function choice(list)
  return list[int(1, #list)]
end

local function u(width)
  local edge = int(1, 20)
  if edge == 1 then
    return 0
  elseif edge == 2 then
    return 2 ^ width - 1
  elseif width > 16 then
    return u(width - 16) * 65536 + int(0, 65535)
  end
  return int(0, 2 ^ width - 1)
end

local function data(most, unit)
  local bytes = {}
  for i = 1, int(0, (most or 64) / (unit or 1)) * (unit or 1) do
    bytes[i] = string.char(int(0, 255))
  end
  return table.concat(bytes)
end
random.data = data

local function list(most, make)
  local all = {}
  for i = 1, int(0, most) do
    all[i] = make()
  end
  return all
end

local function some(options, most)
  local all = {}
  for i = 1, int(0, most) do
    all[i] = choice(options)()
  end
  return all
end

local function mac()
  return ("02:%02x:%02x:%02x:%02x:%02x"):format(u(8), u(8), u(8), u(8), u(8))
end

local function ip4()
  return ("%d.%d.%d.%d"):format(int(1, 223), u(8), u(8), u(8))
end

-- Of the form that inet_ntop() gives: no group is zero.
local function ip6(first)
  local text = first or choice { "fd00", "fe80", "2001" }
  for _ = 1, 7 do
    text = ("%s:%x"):format(text, int(1, 65535))
  end
  return text
end

local function port()
  return int(49152, 65535)
end

local function name()
  local letters, labels = "abcdefghijklmnopqrstuvwxyz0123456789-", {}
  for i = 1, int(1, 4) do
    local label = {}
    for j = 1, int(1, 12) do
      local at = int(1, #letters)
      label[j] = letters:sub(at, at)
    end
    labels[i] = table.concat(label)
  end
  return table.concat(labels, ".")
end

-- -- A packet is a list of { layer, fields } and bytes -------------------------

local function net4(fields)
  fields = fields or {}
  fields.dscp, fields.ecn, fields.id, fields.df = u(6), u(2), u(16), flip()
  fields.ttl, fields.src, fields.dst = u(8), ip4(), ip4()
  if flip(30) then
    fields.options = some({
      function() return { "nop" } end,
      function() return { "router_alert", 0 } end,
      function() return { "rr", { pointer = 4, addresses = { "0.0.0.0", ip4() } } } end,
      function() return { 0x1e, data(6) } end,
    }, 3)
  end
  return { "ip4", fields }
end

local function net6(fields)
  fields = fields or {}
  fields.dscp, fields.ecn, fields.flow, fields.hlim = u(6), u(2), u(20), fields.hlim or u(8)
  fields.src, fields.dst = ip6(), ip6()
  return { "ip6", fields }
end

local function add(packet_list, ...)
  for _, layer in ipairs { ... } do
    packet_list[#packet_list + 1] = layer
  end
  return packet_list
end

local function destination()
  return { "dstopts", { options = some({
    function() return { "tunnel_limit", u(8) } end,
    function() return { 0x1e, data(12) } end,
    function() return { "padn", ("\0"):rep(int(0, 4)) } end,
  }, 2) } }
end

-- IPv6 with extension headers, in the order of RFC 8200.
local function long6()
  local all = { net6() }
  if flip(20) then
    add(all, { "hopopts", { options = some({
      function() return { "router_alert", u(16) } end,
      function() return { 0x1e, data(12) } end,
    }, 2) } })
  end
  if flip(20) then
    add(all, { "routing", { type = 2, segleft = 0, addresses = { ip6() } } })
  end
  if flip(20) then
    add(all, { "frag", { id = u(32) } })
  end
  if flip(20) then
    add(all, destination())
  end
  return all
end

local function net()
  return flip() and { net4() } or long6()
end

local function tcp()
  return { "tcp", {
    sport = port(), dport = port(), seq = u(32), ack = u(32), window = u(16), urgent = u(16),
    syn = flip(), fin = flip(20), rst = flip(20), psh = flip(), has_ack = flip(), urg = flip(20),
    ece = flip(), cwr = flip(), ae = flip(20),
    options = flip() and some({
      function() return { "nop" } end,
      function() return { "mss", u(16) } end,
      function() return { "wscale", int(0, 14) } end,
      function() return { "sack_ok" } end,
      function() return { "timestamps", { value = u(32), echo = u(32) } } end,
    }, 3) or nil,
  } }, data()
end

local function udp()
  return { "udp", { sport = port(), dport = port() } }, data()
end

local function tcp_or_udp()
  if flip() then
    return tcp()
  end
  return udp()
end

local function icmp()
  return choice {
    function()
      return { "icmp", { type = choice { "echo", "echo_reply" }, id = u(16), seq = u(16) } }, data()
    end,
    function()
      return { "icmp", { type = "unreachable", code = choice { 0, 1, 2, 3, 13 } } }, net4(), udp()
    end,
    function()
      return { "icmp", { type = "unreachable", code = 4, mtu = u(16) } }, net4(), tcp()
    end,
    function()
      return { "icmp", { type = "redirect", code = int(0, 3), gateway = ip4() } }, net4(), udp()
    end,
    function()
      return { "icmp", { type = "time_exceeded", code = int(0, 1) } }, net4(), udp()
    end,
    function()
      return { "icmp", { type = "parameter_problem", pointer = u(8) } }, net4(), tcp()
    end,
  }()
end

local function icmp6()
  return choice {
    function()
      local kind = choice { "echo", "echo_reply" }
      return { "icmp6", { type = kind, id = u(16), seq = u(16) } }, data()
    end,
    function()
      return { "icmp6", { type = "unreachable", code = int(0, 6) } }, net6(), udp()
    end,
    function()
      return { "icmp6", { type = "too_big", mtu = u(32) } }, net6(), tcp()
    end,
    function()
      return { "icmp6", { type = "time_exceeded", code = int(0, 1) } }, net6(), udp()
    end,
    function()
      local fields = { type = "parameter_problem", code = int(0, 2), pointer = u(32) }
      return { "icmp6", fields }, net6(), udp()
    end,
  }()
end

local function nd_options()
  return some({
    function() return { "slla", mac() } end,
    function() return { "tlla", mac() } end,
    function() return { "mtu", { mtu = u(32) } } end,
    function()
      return { "prefix", { length = int(0, 128), on_link = int(0, 1), autonomous = int(0, 1),
                           valid = u(32), preferred = u(32), prefix = ip6() } }
    end,
    function() return { "rdnss", { lifetime = u(32), addresses = { ip6(), ip6() } } } end,
  }, 3)
end

local function nd()
  return { "icmp6", {} }, choice {
    function() return { "rs", { options = nd_options() } } end,
    function()
      return { "ra", { hlim = u(8), managed = flip(), other = flip(), lifetime = u(16),
                       preference = choice { "low", "medium", "high" }, reachable = u(32),
                       retrans = u(32), options = nd_options() } }
    end,
    function() return { "ns", { target = ip6(), options = nd_options() } } end,
    function()
      return { "na", { router = flip(), solicited = flip(), override = flip(), target = ip6(),
                       options = nd_options() } }
    end,
    function() return { "redirect", { target = ip6(), dst = ip6(), options = nd_options() } } end,
  }()
end

local function mld()
  local group = ip6 "ff02"
  return choice {
    function()
      return { "icmp6", { type = choice { "mld_query", "mld_report", "mld_done" } } },
        { "mld", { max_response = u(15), group = group } }
    end,
    function()
      local query = { "mld", { max_response = u(15), group = group } }
      return { "icmp6", { type = "mld_query" } }, query,
        { "mld2", { s = flip(), qrv = u(3), qqic = u(7), sources = list(3, ip6) } }
    end,
    function()
      return { "icmp6", {} }, { "mld2_report", { records = list(3, function()
        return { type = choice { "is_in", "is_ex", "to_in", "to_ex", "allow", "block" },
                 group = ip6 "ff02", sources = list(2, ip6) }
      end) } }
    end,
  }()
end

local function record()
  local one = choice {
    function() return { type = "A", data = ip4() } end,
    function() return { type = "AAAA", data = ip6() } end,
    function() return { type = choice { "CNAME", "NS", "PTR" }, data = name() } end,
    function() return { type = "TXT", data = { name(), name() } } end,
    function() return { type = "MX", data = { preference = u(16), exchange = name() } } end,
    function()
      return { type = "SRV", data = { priority = u(16), weight = u(16), port = u(16),
                                      target = name() } }
    end,
    function()
      return { type = "SOA", data = { mname = name(), rname = name(), serial = u(32),
                                      refresh = u(31), retry = u(31), expire = u(31),
                                      minimum = u(31) } }
    end,
  }()
  one.name, one.class, one.ttl = name(), "IN", u(31)
  return one
end

local function dns()
  local kind = choice { "A", "AAAA", "TXT", "MX", "PTR" }
  local question = { name = name(), type = kind, class = "IN" }
  local fields = { id = u(16), aa = flip(), tc = flip(), rd = flip(), ra = flip(), ad = flip(),
                   cd = flip(), questions = { question } }
  if flip() then
    return { "udp", { sport = port(), dport = 53 } }, { "dns", fields }
  end
  fields.qr, fields.rcode = true, choice { "noerror", "nxdomain" }
  fields.answers, fields.authorities = list(3, record), list(1, record)
  return { "udp", { sport = 53, dport = port() } }, { "dns", fields }
end

local function igmp()
  return { "igmp", { type = choice { "query", "report2", "leave" }, max_response = u(8),
                     group = ip4() } }
end

local function dhcp6()
  return { "udp", { sport = 546, dport = 547 } }, { "dhcp6", { xid = u(24), options = {
    { "elapsed", u(16) }, { "preference", u(8) } } } }
end

local function ntp()
  return { "udp", { sport = 123, dport = 123 } }, { "ntp", { mode = int(1, 5), stratum = u(8) } }
end

local function sctp()
  return { "sctp", { sport = port(), dport = port(), tag = u(32), chunks = {
    { "data", { tsn = u(32), stream = u(16), seq = u(16), ppid = 0, data = data(40) }, flags = 3 },
  } } }
end

local function dhcp()
  local options = some({
    function() return { "requested", ip4() } end,
    function() return { "server", ip4() } end,
    function() return { "netmask", "255.255.255.0" } end,
    function() return { "routers", { ip4(), ip4() } } end,
    function() return { "dns", { ip4() } } end,
    function() return { "lease", u(32) } end,
    function() return { "hostname", name() } end,
    function() return { "parameters", { 1, 3, 6, 15, int(1, 254) } } end,
  }, 5)
  table.insert(options, 1, { "type", choice { "discover", "offer", "request", "ack", "nak" } })
  options[#options + 1] = { "end" }
  local reply = flip()
  return { "udp", { sport = reply and 67 or 68, dport = reply and 68 or 67 } },
    { "dhcp", { op = reply and "reply" or "request", xid = u(32), secs = u(16), broadcast = flip(),
                ciaddr = ip4(), yiaddr = ip4(), siaddr = ip4(), giaddr = ip4(), chaddr = mac(),
                hops = u(8), options = options } }
end

local function eth()
  return { "eth", { src = mac(), dst = mac() } }
end

-- An IP packet with something simple in it.
local function simple()
  return choice {
    function() return add(net(), tcp()) end,
    function() return add(net(), udp()) end,
    function() return { net4(), icmp() } end,
    function() return add(long6(), icmp6()) end,
  }()
end

local function append(front, back)
  return add(front, (unpack or table.unpack)(back)) -- luacheck: ignore
end

local function gre()
  local fields = {}
  if flip(30) then
    fields.c = true
  end
  if flip(30) then
    fields.key = u(32)
  end
  if flip(30) then
    fields.seq = u(32)
  end
  local front = add(net(), { "gre", fields })
  if flip(30) then
    add(front, eth())
  end
  return append(front, simple())
end

local KINDS = {
  function()
    return { { "arp", { op = int(1, 4), sha = mac(), spa = ip4(), tha = mac(), tpa = ip4() } } }
  end,
  function() return add(net(), tcp()) end,
  function() return add(net(), udp()) end,
  function() return { net4(), icmp() } end,
  function() return add(long6(), icmp6()) end,
  function() return { net6 { hlim = 255 }, nd() } end,
  function()
    return { net6 { hlim = 1 }, { "hopopts", { options = { { "router_alert", 0 } } } }, mld() }
  end,
  function() return add(net(), dns()) end,
  function() return { net4(), dhcp() } end,
  function()
    return { flip() and net4() or net6(),
             { "ah", { spi = u(32), seq = u(32), icv = ("%012x"):format(u(32)) } }, udp() }
  end,
  function()
    return { flip() and net4() or net6(), { "esp", { spi = u(32), seq = u(32) } }, data() }
  end,
  gre,
  function()
    local front = add(net(), { "udp", { sport = port(), dport = 4789 } })
    return append(add(front, { "vxlan", { vni = u(24) } }, eth()), simple())
  end,
  function() return append(net(), simple()) end,
  function() return { net4(), igmp() } end,
  function() return { net6(), dhcp6() } end,
  function() return add(net(), ntp()) end,
  function() return add(net(), sctp()) end,
  function()
    local label = { "mpls", { label = int(16, 1048575), tc = u(3), ttl = u(8), s = true } }
    return append({ eth(), { "mpls", { label = int(16, 1048575), ttl = u(8) } }, label }, simple())
  end,
  function()
    local front = add(net(), { "udp", { sport = port(), dport = 6081 } })
    return append(add(front, { "geneve", { vni = u(24) } }, eth()), simple())
  end,
  function()
    local front = add(net(), { "udp", { sport = 2152, dport = 2152 } })
    return append(add(front, { "gtp", { teid = u(32), s = flip() } }), simple())
  end,
  function()
    return { net4 { offset = int(1, 4000), mf = flip(), proto = 253 }, data(64, 8) }
  end,
  function()
    return add(append({ eth(), { "svlan", { pcp = u(3), dei = flip(), id = u(12) } } },
      { { "vlan", { pcp = u(3), dei = flip(), id = u(12) } } }), net4(), tcp_or_udp())
  end,
}

--- The layers of the packet of a number.
-- @return list of { layer, fields } and, last, bytes that follow
function random.layers(n)
  local layers = KINDS[n % #KINDS + 1]()
  if layers[1][1] ~= "eth" then
    table.insert(layers, 1, eth())
  end
  return layers
end

--- Build a packet of such a list.
function random.build(layers)
  local built
  for _, layer in ipairs(layers) do
    local piece = type(layer) == "string" and layer or packet[layer[1]](layer[2])
    built = built and built / piece or piece
  end
  return built
end

return random
