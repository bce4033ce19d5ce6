-- What is done to all packets of a batch at once: the same as by names and fix().
local tun = require "tun"
local core = require "tun.core"
local spec = require "tun.spec"
local packet = require "tun.packet"
local random = dofile "spec/peers/random.lua"

local int = random.int

local SUM_AT = { tcp = 16, udp = 6, icmp = 2, icmp6 = 2 }
local MODES = { eth = "tap", ip = "tun" }

-- -- Packets --------------------------------------------------------------------

local function ip_of(p)
  return p.ip4 or p.ip6
end

--- Bytes without the Ethernet header, when they are to begin with IP.
local function as(kind, bytes)
  if kind == "ip" then
    return packet.parse(bytes, "eth"):pull():bytes()
  end
  return bytes
end

-- What is right to be left alone: none of our names, behind labels, or a signed one.
local function known(p)
  return ip_of(p) and not p.ah and not p.mpls
end

--- Random packets of all protocols; some UDP ones have no checksum.
local function some(count, kind)
  local list = {}
  for n = 1, count do
    local p = packet.parse(random.build(random.layers(n)):bytes(), "eth")
    if kind == "eth" or not (p.vlan or p.arp or p.mpls) then
      if p.udp and not p.ah and int(1, 5) == 1 then
        p.udp.checksum = 0
      end
      list[#list + 1] = as(kind, p:bytes())
    end
  end
  return list
end

--- A batch with them.
local function filled(list, kind, vnet)
  local batch = assert(tun.batch { slots = math.max(1, #list), size = 2048, mode = MODES[kind] })
  for i, bytes in ipairs(list) do
    assert(batch:append(bytes, vnet and vnet[i]))
  end
  return batch
end

--- The bytes of a batch's packets; false where one was dropped.
local function contents(batch, count)
  local list, arena = {}, batch:arena()
  for i = 1, count do
    local _, at, stop = batch:slot(i)
    list[i] = at and arena:bytes(at, stop - at) or false
  end
  return list
end

-- -- The same by names ---------------------------------------------------------

local by_name = {}

function by_name.reflect(p)
  local ip, transport = ip_of(p), p.tcp or p.udp
  if p.eth then
    p.eth.src, p.eth.dst = p.eth.dst, p.eth.src
  end
  ip.src, ip.dst = ip.dst, ip.src
  if transport then
    transport.sport, transport.dport = transport.dport, transport.sport
  end
end

function by_name.decrement_ttl(p)
  local name = p.ip4 and "ttl" or "hlim"
  local left = ip_of(p)[name] - 1
  if left <= 0 then
    return false
  end
  ip_of(p)[name] = left
end

local function set_tos(ip, tos)
  ip.dscp, ip.ecn = math.floor(tos / 4), tos % 4
end

function by_name.set(p, t)
  local ip, transport = ip_of(p), p.tcp or p.udp
  for _, name in ipairs { "src", "dst" } do
    if t[name] and (t[name]:find ":" ~= nil) == (p.ip6 ~= nil) then
      ip[name] = t[name]
    end
  end
  if t.ttl then
    ip[p.ip4 and "ttl" or "hlim"] = t.ttl
  end
  if t.tos then
    set_tos(ip, t.tos)
  end
  if transport then
    transport.sport, transport.dport = t.sport or transport.sport, t.dport or transport.dport
  end
end

function by_name.fix() end

--- What becomes of a packet's bytes.
local function expected(bytes, kind, operation, t)
  local p = packet.parse(bytes, kind)
  if not known(p) then
    return bytes
  end
  if by_name[operation](p, t) == false then
    return false
  end
  return p:fix(operation == "fix" and "all" or nil):bytes()
end

local function hex(bytes)
  return bytes and bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

-- Do it to all, and compare with each; those that cannot be compared are left out.
local function compare(list, kind, operation, t)
  local batch = filled(list, kind)
  local result = batch[operation](batch, t)
  for i, is in ipairs(contents(batch, #list)) do
    local should = expected(list[i], kind, operation, t)
    if is ~= should and not packet.parse(list[i], kind).ah then
      local text = tostring(packet.parse(list[i], kind))
      error(("%s of %s\n%s\nis\n%s\nnot\n%s"):format(operation, text,
        hex(list[i]), tostring(hex(is)), tostring(hex(should))), 0)
    end
  end
  return result, batch
end

local function address4()
  return ("10.%d.%d.%d"):format(int(0, 255), int(0, 255), int(0, 255))
end

local function address6()
  return ("fd00::%x:%x:%x"):format(int(1, 65535), int(1, 65535), int(1, 65535))
end

--- Some of the fields, at random.
local function random_fields()
  local all = {
    src = int(1, 2) == 1 and address4() or address6(),
    dst = int(1, 2) == 1 and address4() or address6(),
    sport = int(49152, 65535), dport = int(49152, 65535),
    ttl = int(0, 255), tos = int(0, 255),
  }
  local t = {}
  for _, name in ipairs { "src", "dst", "sport", "dport", "ttl", "tos" } do
    t[name] = int(1, 3) == 1 and all[name] or nil
  end
  return t
end

--- A random packet of TCP or UDP, where its transport header begins, and its name.
local function simple()
  local four, name = int(1, 2) == 1, int(1, 2) == 1 and "tcp" or "udp"
  local net = four and packet.ip4 { src = address4(), dst = address4(), ttl = int(2, 255) }
    or packet.ip6 { src = address6(), dst = address6(), hlim = int(2, 255) }
  local built = net / packet[name] { sport = int(49152, 65535), dport = int(49152, 65535) }
  return (built / random.data(200)):bytes(), four and 20 or 40, name
end

describe("all packets of a batch", function()
  local seed = os.time()

  local function each_kind(todo)
    for kind in pairs(MODES) do
      random.seed(seed)
      local ok, why = pcall(todo, kind)
      if not ok then
        error(("seed %d, %s: %s"):format(seed, kind, tostring(why)))
      end
    end
  end

  it("are reflected", function()
    each_kind(function(kind)
      local list = some(300, kind)
      local same, batch = compare(list, kind, "reflect")
      assert.equal(batch, same)
      batch:reflect()
      for i, bytes in ipairs(contents(batch, #list)) do
        assert.equal(list[i], bytes)
      end
    end)
  end)

  it("lose one of TTL, or are dropped", function()
    each_kind(function(kind)
      local list = some(300, kind)
      local dropped, batch = compare(list, kind, "decrement_ttl")
      assert.equal(#list - dropped, #batch)
      assert.is_true(dropped > 0)
    end)
  end)

  it("get addresses, ports, TTL and TOS", function()
    each_kind(function(kind)
      for _ = 1, 8 do
        compare(some(80, kind), kind, "set", random_fields())
      end
    end)
  end)

  it("get right lengths and checksums", function()
    each_kind(function(kind)
      local list, broken = some(300, kind), {}
      for i, bytes in ipairs(list) do
        local p = packet.parse(bytes, kind)
        local transport = p.tcp or p.udp or p.icmp or p.icmp6
        if p.ip4 and p.ip4.offset == 0 then
          p.ip4.checksum = int(0, 65535)
        end
        if known(p) and transport and transport.checksum ~= 0 then
          transport.checksum = int(1, 65535)
        end
        broken[i] = p:bytes()
      end
      local _, batch = compare(broken, kind, "fix")
      for i, bytes in ipairs(contents(batch, #list)) do
        local p = packet.parse(bytes, kind)
        if known(p) then
          assert.equal(list[i], bytes)
        end
      end
    end)
  end)

  it("may be fragments", function()
    random.seed(seed)
    for _ = 1, 20 do
      local p = packet.parse((simple()), "ip")
      p:set_payload(("x"):rep(3000))
      if p.ip4 then
        p.ip4.df = false
      end
      local list = {}
      for i, piece in ipairs(assert(p:fix():fragment(1280))) do
        list[i] = piece:bytes()
      end
      assert.is_true(#list > 2)
      compare(list, "ip", "reflect")
      compare(list, "ip", "decrement_ttl")
      compare(list, "ip", "fix")
      compare(list, "ip", "set", random_fields())
    end
  end)

  it("may be on a route whose last address is not their destination", function()
    random.seed(seed)
    for _, kind in ipairs { 2, 4 } do
      local route = { type = kind, segleft = 1, addresses = { address6(), address6() } }
      local p = packet.parse((packet.ip6 { src = address6(), dst = address6(), hlim = 9 }
        / packet.dstopts {} / packet.routing(route) / packet.udp { sport = 50000, dport = 50001 }
        / "payload"):bytes(), "ip")
      p:fix()
      local list = { p:bytes() }
      compare(list, "ip", "reflect")
      compare(list, "ip", "fix")
      compare(list, "ip", "set", { src = "fd00::7" })
      compare(list, "ip", "set", { dst = "fd00::7", dport = 50002 })
    end
  end)

  it("get the lengths of what there is", function()
    for _, net in ipairs { packet.ip4 { dst = "10.0.0.1" }, packet.ip6 { dst = "fd00::1" } } do
      local p = packet.parse((net / packet.udp { dport = 9 } / "payload"):bytes(), "ip")
      local right, ip = p:bytes(), ip_of(p)
      ip.length = ip.length + 100
      p.udp.length, p.udp.checksum = 8, 7
      local batch = filled({ p:bytes() }, "ip")
      assert.equal(right, contents(batch:fix(), 1)[1])
    end
  end)
end)

-- -- Partial checksums ---------------------------------------------------------------

local arena = assert(core.arena(65536, true))

local function sum(bytes)
  arena:write(0, bytes)
  return arena:sum(0, #bytes, 0)
end

-- A number of struct vnet.
local function half(n)
  local low, high = n % 256, math.floor(n / 256)
  return core.little_endian and string.char(low, high) or string.char(high, low)
end

local function vnet_bytes(flags, start, offset)
  return string.char(flags, 0) .. half(0) .. half(0) .. half(start) .. half(offset)
end

local function number_at(bytes, at)
  local high, low = bytes:byte(at + 1, at + 2)
  return high * 256 + low
end

local function with_number(bytes, at, n)
  return bytes:sub(1, at) .. string.char(math.floor(n / 256), n % 256) .. bytes:sub(at + 3)
end

--- Make the checksum of a right packet partial: the pseudo header's sum, which is what the
-- rest of it leaves.
local function partial(bytes, start, offset)
  local rest = sum(with_number(bytes, start + offset, 0):sub(start + 1))
  local pseudo = (65535 - number_at(bytes, start + offset) - rest) % 65535
  return with_number(bytes, start + offset, pseudo == 0 and 65535 or pseudo)
end

describe("partial checksums", function()
  local seed = os.time()

  --- Do it to packets with a partial checksum; completed they are as others.
  local function compare_partial(operation, t)
    local whole, list, vnet = {}, {}, {}
    for i = 1, 40 do
      local bytes, start, name = simple()
      whole[i] = bytes
      list[i] = partial(bytes, start, SUM_AT[name])
      vnet[i] = vnet_bytes(1, start, SUM_AT[name])
    end
    local batch = filled(list, "ip", vnet)
    batch[operation](batch, t)
    for i, bytes in ipairs(contents(batch, #list)) do
      assert.equal(hex(expected(whole[i], "ip", operation, t)),
        hex((spec.complete(bytes, vnet[i]))), "seed " .. seed)
    end
  end

  for _, operation in ipairs { "reflect", "decrement_ttl", "fix" } do
    it("stay valid under " .. operation, function()
      random.seed(seed)
      compare_partial(operation)
    end)
  end

  it("stay valid under set", function()
    random.seed(seed)
    for _ = 1, 20 do
      compare_partial("set", random_fields())
    end
  end)

  it("are untouched by ports", function()
    random.seed(seed)
    local bytes, start, name = simple()
    local at = start + SUM_AT[name]
    local batch = filled({ partial(bytes, start, SUM_AT[name]) }, "ip",
      { vnet_bytes(1, start, SUM_AT[name]) })
    local before = number_at(contents(batch, 1)[1], at)
    batch:set { sport = 1, dport = 2 }
    assert.equal(before, number_at(contents(batch, 1)[1], at))
  end)

  it("inside of a tunnel are counted on by the outer one", function()
    random.seed(seed)
    for _ = 1, 50 do
      local bytes, start, name = simple()
      local outer = packet.parse((packet.ip4 { src = address4(), dst = address4() }
        / packet.udp { sport = 50000, dport = 4789 } / packet.vxlan { vni = 7 }
        / packet.eth {} / bytes):bytes(), "ip")
      local right = outer:bytes()
      local front = #right - #bytes
      local vnet = vnet_bytes(1, front + start, SUM_AT[name])
      outer.udp.checksum = 1
      local broken = outer:bytes():sub(1, front) .. partial(bytes, start, SUM_AT[name])
      local batch = filled({ broken }, "ip", { vnet }):fix()
      assert.equal(hex(right), hex((spec.complete(contents(batch, 1)[1], vnet))))
    end
  end)

  -- VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM: the device has both checksums to do.
  it("of a tunnel itself stay those of its pseudo header", function()
    random.seed(seed)
    local bytes = packet.ip4 { src = "10.1.0.1", dst = "10.1.0.2" } / packet.tcp {} / "payload"
    local function tunnel(dst)
      return (packet.ip4 { src = "10.0.0.1", dst = dst } / packet.udp { sport = 50000,
        dport = 4789 } / packet.vxlan { vni = 7 } / packet.eth {} / bytes):bytes()
    end
    local right = tunnel "10.0.0.2"
    local inner = #right - #bytes:bytes()
    -- Where the outer UDP header is, and whether that is the one that the device looks at.
    for at, is in pairs { [20] = true, [0] = false } do
      local vnet = string.char(1 + 8, 1 + 0x20) .. half(0) .. half(100) .. half(inner + 20)
        .. half(SUM_AT.tcp) .. ("\0"):rep(10) .. half(at) .. half(inner)
      local function outer(packet_bytes)
        return is and partial(packet_bytes, 20, SUM_AT.udp) or packet_bytes
      end
      local batch = filled({ outer(right) }, "ip", { vnet }):set { dst = "10.0.0.99", sport = 7 }
      local wanted = outer(tunnel "10.0.0.99")
      if not is then -- the port counts
        wanted = with_number(wanted, 26, (number_at(wanted, 26) + 50000 - 7) % 65535)
      end
      assert.equal(number_at(wanted, 26), number_at(contents(batch, 1)[1], 26))
      if is then
        assert.equal(number_at(wanted, 26), number_at(contents(batch:fix(), 1)[1], 26))
      end
    end
  end)
end)

describe("what no whole-batch operation changes", function()
  local OPERATIONS = {
    reflect = false, decrement_ttl = false, fix = false,
    set = { src = "10.9.9.9", dst = "10.8.8.8", sport = 1, dport = 2, ttl = 3, tos = 4 },
  }

  local function unchanged(kind, list)
    for operation, t in pairs(OPERATIONS) do
      local batch = filled(list, kind)
      batch[operation](batch, t or nil)
      assert.same(list, contents(batch, #list), operation)
    end
  end

  it("is what is no IP packet", function()
    unchanged("ip", { "", "\69", ("\0"):rep(60), "\69" .. ("\0"):rep(18), "\96" .. ("\0"):rep(38),
      "\65" .. ("\0"):rep(40), ("\255"):rep(100) })
    unchanged("eth", { "", ("\0"):rep(13), ("\0"):rep(14),
      packet.parse((packet.eth {} / packet.arp {}):bytes(), "eth"):bytes() })
  end)

  it("is a packet whose TCP or UDP header is not whole", function()
    for _, size in ipairs { 20, 27, 39 } do
      local udp = packet.ip4 { dst = "10.0.0.1", proto = size < 28 and 17 or 6 } / ("x"):rep(40)
      local p = packet.parse(udp:bytes():sub(1, size), "ip")
      unchanged("ip", { p:bytes() })
    end
  end)

  it("is a dropped packet", function()
    local bytes = (packet.ip4 { dst = "10.0.0.1" } / packet.udp {} / "x"):bytes()
    local batch = filled({ bytes, bytes }, "ip")
    local _, at, stop = batch:slot(1)
    batch:drop(1):reflect():set { ttl = 1 }:fix()
    assert.equal(bytes, batch:arena():bytes(at, stop - at))
    assert.equal(1, batch:decrement_ttl())
    assert.equal(0, #batch)
  end)

  -- One byte changed, and the end cut off.
  local function spoilt(bytes)
    local at, size = int(1, #bytes), int(1, 2) == 1 and int(1, #bytes) or #bytes
    return (bytes:sub(1, at - 1) .. string.char(int(0, 255)) .. bytes:sub(at + 1)):sub(1, size)
  end

  it("is outside of the packets, whatever these are", function()
    random.seed(os.time())
    for _ = 1, 40 do
      local list, kind = {}, int(1, 2) == 1 and "eth" or "ip"
      for i, bytes in ipairs(some(20, kind)) do
        list[i] = spoilt(bytes)
      end
      local batch = filled(list, kind)
      batch:reflect():set(random_fields()):fix():decrement_ttl()
      for i = 1, #list do
        local _, at, stop = batch:slot(i)
        if at then
          assert.equal(("\0"):rep(64), batch:arena():bytes(at - 64, 64))
          assert.equal(("\0"):rep(64), batch:arena():bytes(stop, 64))
        end
      end
    end
  end)
end)

describe("batch:set", function()
  local batch = assert(tun.batch())

  local function refuses(t, words)
    assert.error_matches(function() batch:set(t) end, words)
  end

  it("names the fields that there are", function()
    refuses({ prt = 1 }, 'no field "prt"; there are: src, dst, sport, dport, ttl, tos')
    refuses({ 1 }, "field: 1 is not a name")
  end)

  it("refuses what does not fit", function()
    refuses(nil, "table of fields")
    refuses({ sport = 65536 }, "sport: 65536 is not a number from 0 to 65535")
    refuses({ ttl = -1 }, "ttl: %-1 is not a number from 0 to 255")
    refuses({ tos = "x" }, 'tos: "x" is not a number')
    refuses({ dport = 1.5 }, "dport: 1.5 is not a number")
    refuses({ src = "10.0.0.256" }, 'src: "10.0.0.256" is not an address')
    refuses({ dst = 1 }, "dst: .* is not an address")
  end)
end)
