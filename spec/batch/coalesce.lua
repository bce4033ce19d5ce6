-- coalesce.lua: random flows through spec.coalesce and spec.split, which must give back
-- every packet byte for byte, and those of one flow in their order.
-- Run: lua spec/batch/coalesce.lua SEED COUNT as `make properties` does
local core = require "tun.core"
local spec = require "tun.spec"
local random = dofile "spec/peers/random.lua"

local coalesce = {}

local int = random.int

coalesce.seed = random.seed

local function choice(list)
  return list[int(1, #list)]
end

local function chance(percent)
  return int(1, 100) <= percent
end

-- -- Packets -----------------------------------------------------------------

local TCP, UDP = 6, 17
local FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
local DF, MF = 16384, 8192
local NEEDS_CSUM, DATA_VALID = 1, 2
local TCPV4, TCPV6, UDP_L4 = 1, 4, 5

coalesce.TSO4, coalesce.TSO6, coalesce.USO4, coalesce.USO6 = 2, 4, 32, 64

local function be16(n)
  n = n % 65536
  return string.char(math.floor(n / 256), n % 256)
end

coalesce.be16 = be16

local function be32(n)
  return be16(math.floor(n / 65536)) .. be16(n)
end

local arena = core.arena(1 + 2 * 65536)

local function sum(bytes, initial)
  arena:write(0, bytes)
  return arena:sum(0, #bytes, initial)
end

-- Bytes to take payloads from.
local pool
do
  random.seed(1)
  local bytes = {}
  for i = 1, 70000 do
    bytes[i] = string.char(int(0, 255))
  end
  pool = table.concat(bytes)
end

function coalesce.payload(n)
  local at = int(1, #pool - n)
  return pool:sub(at, at + n - 1)
end

local function tcp_header(p, check)
  local options = p.options or ""
  return be16(p.sport) .. be16(p.dport) .. be32(p.seq) .. be32(p.ack)
    .. string.char((5 + #options / 4) * 16 + (p.reserved or 0), p.flags) .. be16(p.window)
    .. be16(check) .. be16(p.urgent or 0) .. options
end

local function udp_header(p, check)
  return be16(p.sport) .. be16(p.dport) .. be16(p.length or 8 + #p.payload) .. be16(check)
end

local function transport(p)
  local header, proto = tcp_header, TCP
  if p.udp then
    header, proto = udp_header, UDP
  end
  local addresses = p.src .. p.dst
  local length = #header(p, 0) + #p.payload
  local pseudo = sum(addresses, proto + length)
  local check = pseudo
  if not p.partial then
    check = 65535 - sum(header(p, 0) .. p.payload, pseudo)
    check = p.udp and check == 0 and 65535 or check
  end
  if p.check then
    check = p.check(check)
  end
  return header(p, check) .. p.payload, proto, #header(p, 0)
end

local function ip4(p, proto, n)
  local options = p.ip_options or ""
  local header = string.char(64 + 5 + #options / 4, p.tos) .. be16(20 + #options + n)
    .. be16(p.id) .. be16(p.frag) .. string.char(p.ttl, proto)
  local check = 65535 - sum(header .. p.src .. p.dst .. options)
  return header .. be16(p.ip_check and p.ip_check(check) or check) .. p.src .. p.dst .. options
end

local function ip6(p, proto, n)
  local extension = p.extension or ""
  return be32(6 * 2 ^ 28 + p.tos * 2 ^ 20 + (p.label or 0)) .. be16(#extension + n)
    .. string.char(p.extension and p.extension_proto or proto, p.ttl) .. p.src .. p.dst
    .. extension
end

--- Build a packet.
-- @param p  fields; udp, v6 and partial say which kind, ether is what is in front
-- @return a unit for spec.coalesce
function coalesce.build(p)
  local data, proto, n = transport(p)
  local front = p.ether .. (p.v6 and ip6 or ip4)(p, proto, #data)
  local unit = { bytes = front .. data .. (p.trailer or "") }
  if p.partial then
    unit.vnet = { flags = NEEDS_CSUM, csum_start = #front, csum_offset = p.udp and 6 or 16 }
  elseif p.valid then
    unit.vnet = { flags = DATA_VALID }
  end
  if p.gso then
    unit.vnet.gso_type = p.udp and UDP_L4 or p.v6 and TCPV6 or TCPV4
    unit.vnet.gso_size = p.gso
    unit.vnet.hdr_len = #front + n
  end
  return unit
end

--- Another one with some fields changed.
function coalesce.with(p, changes)
  local new = {}
  for key, value in pairs(p) do
    new[key] = value
  end
  for key, value in pairs(changes or {}) do
    new[key] = value
  end
  return new
end

local function native16(n)
  return core.little_endian and be16(n):reverse() or be16(n)
end

--- The bytes of a virtio-net header, as they stand in front of a packet.
function coalesce.header(vnet)
  vnet = vnet or {}
  return string.char(vnet.flags or 0, vnet.gso_type or 0) .. native16(vnet.hdr_len or 0)
    .. native16(vnet.gso_size or 0) .. native16(vnet.csum_start or 0)
    .. native16(vnet.csum_offset or 0)
end

-- -- Flows -------------------------------------------------------------------

local ETHER = ("\2\0\0\0\0\2\2\0\0\0\0\1")

-- VLAN tags, of 802.1Q and 802.1ad: mostly few, at times more than headers of a super-packet
-- have room for.
local function tags()
  local list = {}
  for i = 1, int(0, choice { 0, 1, 2, 2, 5, 20, 40 }) do
    list[i] = choice { "\129\0", "\136\168" } .. be16(int(0, 65535))
  end
  return table.concat(list)
end

local SIZES = { 1, 2, 3, 10, 99, 100, 100, 536, 1220, 1448, 1449, 9000, 32000, 65000 }

local function timestamp(n)
  return "\1\1\8\10" .. be32(n) .. be32(n + 7)
end

local function new_flow(number, ethernet)
  local v6, udp = chance(50), chance(40)
  local host = string.char(int(1, 2))
  local size = choice(SIZES)
  local flow = {
    v6 = v6, udp = udp, mss = size > 60000 and not v6 and 60000 or size,
    ether = ethernet and ETHER .. tags() .. (v6 and "\134\221" or "\8\0") or "",
    src = v6 and "\253" .. ("\0"):rep(14) .. host or "\10\0\0" .. host,
    dst = v6 and "\253\1" .. ("\0"):rep(13) .. host or "\10\1\0" .. host,
    sport = 1000 + number, dport = 80,
    seq = choice { 0, 1000, 2 ^ 31 - 500, 2 ^ 32 - 1000 }, ack = 77, flags = ACK, window = 500,
    tos = 0, ttl = 64, label = v6 and choice { 0, 74565 }, id = choice { 0, 1, 65530, 4711 },
    frag = choice { 0, DF, DF },
    options = choice { "", timestamp(5), "", ("\1"):rep(4 * int(0, 10)) },
    partial = chance(10), fixed = chance(20),
  }
  flow.valid = not flow.partial and chance(10)
  return flow
end

-- What may be special about a packet: how often, and what is then different, in it or in all
-- that follow in its flow.
local function change(key, value)
  return function(flow)
    flow[key] = value(flow)
  end
end

local function once(key, value)
  return function(_, p)
    p[key] = value(p)
  end
end

local function only_tcp(f)
  return function(flow, p)
    if not flow.udp then
      f(flow, p)
    end
  end
end

local function flag(bit)
  return only_tcp(once("flags", function(p)
    local has = math.floor(p.flags / bit) % 2 == 1
    return has and p.flags or p.flags + bit
  end))
end

local EVENTS = {
  { 50, function() end },
  { 4, once("size", function(p) return int(1, p.size) end) },
  { 2, once("size", function() return int(1, 2000) end) },
  { 2, once("size", function() return 0 end) },
  { 3, flag(PSH) }, { 2, flag(FIN) }, { 1, flag(ECE) }, { 1, flag(CWR) }, { 1, flag(URG) },
  { 1, flag(SYN) }, { 1, flag(RST) },
  { 1, only_tcp(once("reserved", function() return int(0, 15) end)) },
  { 1, only_tcp(once("urgent", function() return int(0, 2) end)) },
  { 2, change("ack", function(flow) return flow.ack + 1 end) },
  { 2, change("window", function(flow) return flow.window + 1 end) },
  { 2, change("options", function() return timestamp(int(1, 3)) end) },
  { 1, once("options", function() return "\1\1\1\1" end) },
  { 1, change("ttl", function() return int(63, 64) end) },
  { 2, once("tos", function() return int(0, 3) end) },
  { 1, change("tos", function() return choice { 0, 2, 3, 184 } end) },
  { 1, change("label", function(flow) return flow.v6 and int(0, 1) end) },
  { 2, change("seq", function(flow) return flow.seq + flow.mss end) },
  { 1, change("id", function(flow) return flow.id + int(1, 5) end) },
  { 1, change("frag", function() return choice { 0, DF } end) },
  { 2, once("again", function() return true end) },
  { 1, once("check", function()
    return function(check) return (check + int(1, 65534)) % 65535 end
  end) },
  { 1, once("check", function()
    return function(check) return check == 0 and 65535 or check end
  end) },
  { 1, once("none", function(p) return p.udp end) },
  { 1, once("ip_check", function()
    return function(check) return choice { 0, 65535, (check + int(1, 65534)) % 65535 } end
  end) },
  { 1, once("ip_options", function() return choice { "\1\1\1\0", "\7\4\4\0" } end) },
  { 1, once("extension", function() return choice { "hop", "fragment", "destination" } end) },
  { 1, once("frag", function() return choice { MF, 3, MF + 8, DF + 1, 32768 } end) },
  { 1, once("trailer", function() return ("\0"):rep(int(1, 18)) end) },
  { 1, once("length", function(p) return p.size + choice { 7, 9, 0 } end) },
  { 1, once("parts", function() return int(2, 4) end) },
  { 1, once("partial", function() return true end) },
  { 1, once("valid", function() return true end) },
}

local events = {}
for _, row in ipairs(EVENTS) do
  for _ = 1, row[1] do
    events[#events + 1] = row[2]
  end
end

local EXTENSIONS = {
  hop = { 0, "\0\1\4\0\0\0\0" },
  destination = { 60, "\0\1\4\0\0\0\0" },
  fragment = { 44, "\0\0\1\0\0\0\5" },
}

local function extend(p)
  if not p.v6 or not EXTENSIONS[p.extension] then
    p.extension = nil
    return
  end
  local row = EXTENSIONS[p.extension]
  p.extension_proto = row[1]
  p.extension = string.char(p.udp and UDP or TCP) .. row[2]
end

-- The fields that go together.
local function settle(flow, p)
  extend(p)
  if p.parts and not (p.check or p.none or p.extension or p.length or p.trailer) and p.size > 0
    and p.parts * p.size < 65000 and (p.frag == 0 or p.frag == DF) and p.flags == ACK then
    p.partial, p.gso, p.size = true, p.size, p.parts * p.size
  end
  if p.none then
    p.check = function() return 0 end
  end
  -- Nobody knows what is not so.
  if p.check or p.length or p.trailer or p.extension or p.frag ~= 0 and p.frag ~= DF then
    p.valid, p.partial = nil, nil
  end
  p.size = math.min(p.size, 65535 - 20 - 60)
  p.payload = coalesce.payload(p.size)
  flow.seq = (flow.seq + p.size) % 2 ^ 32
  if not flow.fixed then
    flow.id = flow.id + (p.gso and p.parts or 1)
  end
end

-- The next packets of a flow, in its order.
local function packets(flow, n)
  local list = {}
  for i = 1, n do
    local p = coalesce.with(flow, { size = flow.mss })
    for _ = 1, chance(80) and 1 or 2 do
      choice(events)(flow, p)
    end
    if p.again and i > 1 then
      list[i] = list[i - 1]
      flow.repeats = true
    else
      settle(flow, p)
      local unit = coalesce.build(p)
      unit.flow = flow
      list[i] = unit
    end
  end
  return list
end

local function disorder(list)
  for i = 2, #list do
    if chance(15) then
      list[i - 1], list[i] = list[i], list[i - 1]
    end
  end
end

--- Random packets of some flows, as if they came at the same time.
-- @param ethernet  whether they have Ethernet headers
-- @return list of units
function coalesce.batch(ethernet)
  local flows, batch = {}, {}
  for i = 1, int(1, 5) do
    flows[i] = packets(new_flow(i, ethernet), int(1, choice { 4, 12, 30 }))
    if chance(40) then
      disorder(flows[i])
    end
  end
  local run, f
  while #flows > 0 do
    if not run or run == 0 then
      f, run = int(1, #flows), int(1, choice { 1, 3, 20 })
    end
    run = run - 1
    -- The same table may be there twice: a packet has a place of its own.
    local unit = table.remove(flows[f], 1)
    batch[#batch + 1] = { bytes = unit.bytes, vnet = unit.vnet, flow = unit.flow }
    if #flows[f] == 0 then
      table.remove(flows, f)
      run = nil
    end
  end
  return batch
end

-- -- The property --------------------------------------------------------------

-- Without the IPv4 ID and the checksum over it: datagrams that must not be fragmented have
-- none to speak of (RFC 6864, section 4), and a super-packet cannot say that it is fixed.
local function without_id(bytes, front)
  if #bytes <= front or math.floor(bytes:byte(front + 1) / 16) == 6 then
    return bytes
  end
  return bytes:sub(1, front + 4) .. bytes:sub(front + 7, front + 10) .. bytes:sub(front + 13)
end

local function queue(map, key, i)
  map[key] = map[key] or { first = 1 }
  table.insert(map[key], i)
end

local function unqueue(map, key)
  local list = map[key]
  if list and list[list.first] then
    list.first = list.first + 1
    return list[list.first - 1]
  end
end

-- Where single packets came from: functions that add one and take one.
local function origins()
  local exact, loose = {}, {}
  local function add(bytes, unit, i)
    if unit.flow.fixed or unit.flow.repeats then
      queue(loose, without_id(bytes, #unit.flow.ether), i)
    else
      queue(exact, bytes, i)
    end
  end
  local function take(bytes, fronts)
    local i = unqueue(exact, bytes)
    for front in pairs(fronts) do
      i = i or unqueue(loose, without_id(bytes, front))
    end
    return i
  end
  local function rest()
    for _, map in ipairs { exact, loose } do
      for _, list in pairs(map) do
        if list[list.first] then
          return list[list.first]
        end
      end
    end
  end
  return add, take, rest
end

--- Coalesce a batch and split again.
-- @return how many packets there were in between; raises where something is not as it was
function coalesce.check(batch, ethernet)
  local add, take, rest = origins()
  local fronts = {}
  for i, unit in ipairs(batch) do
    fronts[#unit.flow.ether] = true
    for _, bytes in ipairs(assert(spec.split(unit.bytes, unit.vnet, nil, ethernet), "input")) do
      add(bytes, unit, i)
    end
  end
  local out = spec.coalesce(batch, nil, ethernet)
  local latest, before = {}, {}
  for at, super in ipairs(out) do
    local pieces = assert(spec.split(super.bytes, super.vnet, nil, ethernet),
      ("super-packet %d cannot be split"):format(at))
    for _, bytes in ipairs(pieces) do
      local i = take(bytes, fronts)
      assert(i, ("super-packet %d: a packet that was not there"):format(at))
      local flow = batch[i].flow
      assert(i >= (before[flow] or 0) or not flow.udp and super.count > 1 and latest[flow] == at,
        ("super-packet %d: packet %d was passed"):format(at, i))
      if latest[flow] ~= at then
        latest[flow] = at
        flow.before = before[flow] or 0
      end
      assert(i >= flow.before, ("super-packet %d: packet %d was passed"):format(at, i))
      before[flow] = math.max(before[flow] or 0, i)
    end
  end
  assert(not rest(), ("packet %d is lost"):format(rest() or 0))
  return #out
end

--- Check random batches.
-- @param say  called with what went wrong, in words
-- @return how many packets were joined, and how many there were afterwards
function coalesce.run(seed, count, say)
  local singles, joined = 0, 0
  for i = 1, count do
    random.seed(seed + i)
    local ethernet = chance(40)
    local batch = coalesce.batch(ethernet)
    local ok, why = xpcall(function()
      joined = joined + coalesce.check(batch, ethernet)
      singles = singles + #batch
    end, debug.traceback)
    if not ok then
      say(("the batch of seed %d: %s"):format(seed + i - 1, why))
    end
  end
  return singles, joined
end

-- As a program.
if arg and arg[0] and arg[0]:find "/coalesce%.lua$" then
  local seed, count, wrong = tonumber(arg[1]), tonumber(arg[2]), 0
  local singles, joined = coalesce.run(seed, count, function(words)
    wrong = wrong + 1
    print(words)
    if wrong == 20 then
      os.exit(1)
    end
  end)
  print(("%s: %d batches of seed %d, %d went wrong; %d packets became %d; %.0f us for a batch")
    :format(jit and jit.version or _VERSION, count, seed, wrong, singles, joined,
      os.clock() / count * 1e6))
  os.exit(wrong == 0 and 0 or 1)
end

return coalesce
