-- Splitting super-packets: compared with packets that are built one by one. With the
-- kernel: spec/batch/segment_spec.lua.
local spec = require "tun.spec"
local packet = require "tun.packet"
local random = dofile "spec/peers/random.lua"

local int = random.int

-- linux/virtio_net.h
local NEEDS_CSUM, DATA_VALID, TUNNEL_CSUM = 1, 2, 8
local TCP4, TCP6, UDP, IN4, IN6, ECN = 1, 4, 5, 0x20, 0x40, 0x80

local function flip()
  return int(1, 2) == 1
end

local noise = {}
for i = 1, 70000 do
  noise[i] = string.char(int(0, 255))
end
noise = table.concat(noise)

local function text(n)
  local first = int(1, #noise - n)
  return noise:sub(first, first + n - 1)
end

local function cut(bytes, n)
  local pieces = {}
  for at = 1, math.max(#bytes, 1), n do
    pieces[#pieces + 1] = bytes:sub(at, at + n - 1)
  end
  return pieces
end

-- -- Packets -------------------------------------------------------------------

-- Network headers by name, with an IPv4 id.
local nets = {
  ["IPv4"] = function(id)
    return packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = id, df = true, ttl = 9 }
  end,
  ["IPv4 with options"] = function(id)
    return packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = id, dscp = 5,
                        options = { { "nop" }, { "router_alert", 0 } } }
  end,
  ["IPv6"] = function()
    return packet.ip6 { src = "fd00::1", dst = "fd00::2", flow = 77 }
  end,
  ["IPv6 with extension headers"] = function()
    return packet.ip6 { src = "fd00::1", dst = "fd00::2" }
      / packet.hopopts { options = { { "router_alert", 0 } } }
      / packet.routing { type = 2, segleft = 1, addresses = { "fd00::3" } }
      / packet.frag { id = 5 }
      / packet.dstopts { options = { { 0x1e, ("x"):rep(12) } } }
  end,
}

-- What lies in front of them, by name.
local links = {
  ["alone"] = function() return "" end,
  ["in Ethernet"] = function(v6)
    return ("\2"):rep(12) .. (v6 and "\134\221" or "\8\0")
  end,
  ["in two VLANs"] = function(v6)
    return ("\2"):rep(12) .. "\136\168\0\1\129\0\0\2" .. (v6 and "\134\221" or "\8\0")
  end,
}

local tcps = {
  plain = function() return { seq = 2 ^ 32 - 1000, has_ack = true, psh = true } end,
  ecn = function() return { seq = 5, flags = "FPAEC", ack = 9 } end,
  options = function()
    return { seq = int(0, 2 ^ 32 - 1), has_ack = true, fin = flip(), psh = flip(), cwr = flip(),
             urg = true, urgent = int(0, 4000), options = {
      { "nop" }, { "nop" }, { "timestamps", { value = 1, echo = 2 } }, { "nop" }, { "nop" },
      { "sack", { 5, 6, 8, 9 } },
    } }
  end,
}

-- A super-packet of one kind of packet: its bytes, its virtio-net header, and the packets
-- that it stands for. partial: with a checksum that the device completes.
local super = {}

local function finish(p, header, offset, size, partial)
  local bytes = p:bytes()
  local front = #bytes - #p.payload
  local vnet = { gso_size = size, hdr_len = front }
  if partial then
    vnet.flags, vnet.csum_start, vnet.csum_offset = NEEDS_CSUM, front - header, offset
    bytes = (packet.virtio_net { needs_csum = true, csum_start = front - header,
                                 csum_offset = offset } / p:copy()):bytes():sub(11)
  end
  return bytes, vnet
end

local function each_bytes(list)
  local all = {}
  for i, p in ipairs(list) do
    all[i] = p:bytes()
  end
  return all
end

function super.tcp(net, data, size, partial, fields)
  fields = fields or tcps.plain()
  fields.sport, fields.dport = 80, 50000
  local p = nets[net](65535) / packet.tcp(fields) / data
  local bytes, vnet = finish(p, p.tcp.doff * 4, 16, size, partial)
  vnet.gso_type = (net:find "v4" and TCP4 or TCP6) + (fields.flags == "FPAEC" and ECN or 0)
  return bytes, vnet, each_bytes(assert(p:segment(size)))
end

function super.udp(net, data, size, partial)
  local ports = { sport = 1000, dport = 2000 }
  local bytes, vnet = finish(nets[net](65535) / packet.udp(ports) / data, 8, 6, size, partial)
  local all = {}
  vnet.gso_type = UDP
  for i, piece in ipairs(cut(data, size)) do
    all[i] = (nets[net]((65534 + i) % 65536) / packet.udp(ports) / piece):bytes()
  end
  return bytes, vnet, all
end

-- The same in VXLAN (RFC 7348), with a checksum of the outer UDP header or without.
local function tunnel(net, guarded, bytes, vnet, all)
  local function enclose(inner, id)
    local ether = ("\2"):rep(12) .. (inner:byte() < 0x60 and "\8\0" or "\134\221")
    local udp = packet.udp { sport = 9, dport = 4789, checksum = not guarded and 0 or nil }
    return (nets[net](id) / udp / packet.vxlan { vni = 7 } / (ether .. inner)):bytes()
  end
  local around = enclose(bytes, 65000)
  local front = #around - #bytes
  for i, each in ipairs(all) do
    all[i] = enclose(each, 64999 + i)
  end
  vnet.gso_type = vnet.gso_type + (net:find "v4" and IN4 or IN6)
  vnet.outer_th_offset, vnet.inner_nh_offset = front - 14 - 16, front
  vnet.csum_start = vnet.csum_start and vnet.csum_start + front
  vnet.flags = (vnet.flags or 0) + (guarded and TUNNEL_CSUM or 0)
  return around, vnet, all
end

local function same(wanted, got)
  assert.is_table(got)
  assert.equal(#wanted, #got)
  for i, bytes in ipairs(wanted) do
    if bytes ~= got[i] then -- busted's own way takes seconds to show such strings
      assert.equal(packet.parse(bytes, "ip"):show(), packet.parse(got[i], "ip"):show())
      error("segment " .. i)
    end
  end
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return ipairs(names)
end

describe("splitting", function()
  random.seed(4)

  for _, net in sorted(nets) do
    for _, how in sorted(tcps) do
      for _, link in sorted(links) do
        it(("TCP (%s) over %s %s"):format(how, net, link), function()
          for round = 1, 20 do
            local bytes, vnet, all = super.tcp(net, text(int(0, 5000)),
              int(1, 3) == 1 and int(200, 6000) or 1448, round % 2 == 0 or net:find "ext",
              tcps[how]())
            local front = links[link](net:find "v6")
            vnet.csum_start = vnet.csum_start and vnet.csum_start + #front
            for i, each in ipairs(all) do
              all[i] = front .. each
            end
            same(all, spec.split(front .. bytes, vnet, nil, front ~= ""))
          end
        end)
      end
    end

    it("UDP over " .. net, function()
      for round = 1, 20 do
        local bytes, vnet, all = super.udp(net, text(int(0, 5000)), int(100, 1500),
          round % 2 == 0 or net:find "ext")
        same(all, spec.split(bytes, vnet, 576))
      end
    end)

    if not net:find "ext" then
      for _, inner in sorted(nets) do
        it(("VXLAN over %s with %s inside"):format(net, inner), function()
          for round = 1, 24 do
            local guarded, partial = round % 4 < 2, round % 2 == 0 or inner:find "ext"
            local make = { super.udp(inner, text(int(0, 4000)), int(100, 1500), partial) }
            if round % 3 == 0 then
              make = { super.tcp(inner, text(int(0, 4000)), 1398, partial, tcps.options()) }
            end
            local bytes, vnet, all = tunnel(net, guarded, make[1], make[2], make[3])
            same(all, spec.split(bytes, vnet))
          end
        end)
      end
    end
  end

  it("makes segments that are right by themselves", function()
    local bytes, vnet = super.tcp("IPv4", text(60000), 1448, true, tcps.options())
    local got = spec.split(bytes, vnet)
    assert.equal(42, #got)
    for _, each in ipairs(got) do
      assert.is_true(packet.parse(each, "ip"):verify())
    end
  end)

  it("cuts TCP to an MTU that is smaller, and no other", function()
    for _, net in sorted(nets) do
      local data = text(5000)
      local front = nets[net](1) / packet.tcp {} / ""
      local size = 700 - #front:bytes()
      local bytes, vnet = super.tcp(net, data, 1448, true)
      local _, _, all = super.tcp(net, data, size, true)
      same(all, spec.split(bytes, vnet, 700))
      bytes, vnet, all = super.tcp(net, data, 500, true)
      same(all, spec.split(bytes, vnet, 700))
    end
  end)

  it("counts the bytes of a tunnel in an MTU", function()
    local bytes, vnet = tunnel("IPv4", true, super.tcp("IPv4", text(9000), 1448, true))
    for _, each in ipairs(spec.split(bytes, vnet, 1000)) do
      assert.is_true(#each <= 1000)
      local p = packet.parse(each, "ip")
      assert.is_true(p:verify())
      assert.is_true(p.inner:verify())
    end
    assert.equal(1000, #spec.split(bytes, vnet, 1000)[1])
  end)

  it("leaves what is behind the IP packet out", function()
    local bytes, vnet, all = super.tcp("IPv4", text(3000), 1000)
    same(all, spec.split(bytes .. "trailer", vnet))
  end)

  it("of a single packet completes its checksum", function()
    for _, net in sorted(nets) do
      for _, make in ipairs { "tcp", "udp" } do
        local bytes, vnet, all = super[make](net, text(int(0, 1001)), 2000, true)
        vnet.gso_type, vnet.gso_size = 0, 0
        same(all, spec.split(bytes, vnet))
        local whole, left = spec.complete(bytes, vnet)
        same(all, { whole })
        assert.same({ flags = DATA_VALID }, left)
      end
    end
  end)

  it("of a single packet with nothing to do gives it back", function()
    assert.same({ "anything" }, spec.split("anything", nil))
    assert.same({ "anything" }, spec.split("anything", { flags = DATA_VALID, hdr_len = 60000 }))
    assert.same({ "anything", {} }, { spec.complete("anything", {}) })
  end)

  it("writes a UDP checksum of zero as all ones", function()
    local bytes, vnet = super.udp("IPv4", "\0\0", 100, true)
    local sum = packet.parse(spec.split(bytes, vnet)[1], "ip").udp.checksum
    bytes, vnet = super.udp("IPv4", string.char(math.floor(sum / 256), sum % 256), 100, true)
    vnet.gso_type = 0
    assert.equal("\255\255", spec.split(bytes, vnet)[1]:sub(27, 28))
    vnet.gso_type = UDP
    assert.equal("\255\255", spec.split(bytes, vnet)[1]:sub(27, 28))
  end)
end)

-- -- What does not fit -----------------------------------------------------------

describe("a virtio-net header that does not fit", function()
  local bytes, vnet = super.tcp("IPv4", text(3000), 1000, true)

  -- What is wrong, and changes of the header, or of the packet.
  local rows = {
    { "no size of a segment", { gso_size = 0 } },
    { "an unknown kind", { gso_type = 2 } },
    { "IP fragments", { gso_type = 3 } },
    { "TCP over the other IP", { gso_type = TCP6 } },
    { "UDP that is TCP", { gso_type = UDP } },
    { "no kind but ECN", { gso_type = ECN } },
    { "a checksum behind the packet", { csum_start = 65535, csum_offset = 65535 } },
    { "a checksum before the header", { csum_start = 0 } },
    { "a checksum elsewhere in the header", { csum_offset = 6 } },
    { "headers behind the packet", { hdr_len = 3041 } },
    { "a tunnel that is none",
      { gso_type = TCP4 + IN4, outer_th_offset = 20, inner_nh_offset = 28 } },
    { "a truncated packet", {}, bytes:sub(1, 3000) },
    { "a truncated TCP header", {}, bytes:sub(1, 39) },
    { "no TCP header", {}, bytes:sub(1, 20) },
    { "half an IP header", {}, bytes:sub(1, 10) },
    { "no packet", {}, "" },
    { "a fragment", {}, bytes:sub(1, 6) .. "\32\1" .. bytes:sub(9) },
    { "a long TCP header", {}, bytes:sub(1, 32) .. "\160" .. bytes:sub(34, 50) },
    { "a short TCP header", {}, bytes:sub(1, 32) .. "\64" .. bytes:sub(34) },
    { "a short IP header", {}, "\68" .. bytes:sub(2) },
    { "an IP header that is shorter than it says", {}, "\79" .. bytes:sub(2, 50) },
    { "an IP length of nothing", {}, bytes:sub(1, 2) .. "\0\0" .. bytes:sub(5) },
    { "another version of IP", {}, "\117" .. bytes:sub(2) },
    { "SYN", {}, bytes:sub(1, 33) .. "\2" .. bytes:sub(35) },
    { "no room for data in the MTU", {}, bytes, 40 },
  }

  local function changed(old, changes)
    local new = {}
    for name, value in pairs(old) do
      new[name] = value
    end
    for name, value in pairs(changes) do
      new[name] = value
    end
    return new
  end

  for _, row in ipairs(rows) do
    it("is refused: " .. row[1], function()
      local with = changed(vnet, row[2])
      assert.is_nil(spec.split(row[3] or bytes, with, row[4]))
      assert.is_nil((spec.complete(row[3] or bytes, with)))
    end)
  end

  it("is refused for a single packet", function()
    local single = { flags = NEEDS_CSUM, csum_start = 20, csum_offset = 6 }
    assert.is_nil(spec.split(("x"):rep(27), single))
    assert.is_nil((spec.complete(("x"):rep(27), single)))
    assert.equal(28, #spec.complete(("x"):rep(28), single))
  end)

  it("is refused for a tunnel", function()
    local around, with = tunnel("IPv4", true, super.tcp("IPv4", text(3000), 1000, true))
    for _, changes in ipairs {
      { outer_th_offset = 24 }, { outer_th_offset = 65535 }, { inner_nh_offset = 0 },
      { inner_nh_offset = 65535 }, { inner_nh_offset = #around }, { inner_nh_offset = #around - 1 },
      { gso_type = TCP4 + IN6 }, { gso_type = TCP4 + IN4 + IN6 }, { gso_type = TCP6 + IN4 },
      { gso_type = IN4 },
    } do
      assert.is_nil(spec.split(around, changed(with, changes)))
    end
    assert.is_table(spec.split(around, with))
  end)

  it("is the caller's mistake when it is none", function()
    for words, value in pairs {
      ["no field of a virtio%-net header \"size\"; there are: flags, gso_type"] = { size = 1 },
      ["gso_size: 65536 is not a number that fits"] = { gso_size = 65536 },
      ["flags: %-1 is not"] = { flags = -1 },
      ["a boolean is not a table or bytes"] = true,
    } do
      assert.error_matches(function() spec.split("", value) end, words)
    end
  end)

  it("or a packet that does not, does no harm", function()
    local names = { "flags", "gso_type", "hdr_len", "gso_size", "csum_start", "csum_offset",
                    "outer_th_offset", "inner_nh_offset" }
    local function mutate(old)
      local at = int(1, math.min(#old, 150))
      return old:sub(1, at - 1) .. string.char(int(0, 255)) .. old:sub(at + 1)
    end
    local split = 0
    local _, net = sorted(nets)
    for _ = 1, 2000 do
      local make = { super[flip() and "tcp" or "udp"](net[int(1, 4)], text(int(0, 700)),
        int(1, 400), flip()) }
      if int(1, 3) == 1 then
        make = { tunnel(flip() and "IPv4" or "IPv6", flip(), make[1], make[2], {}) }
      end
      local with = make[2]
      for _ = 1, int(0, 3) do
        make[1] = mutate(make[1])
      end
      if int(1, 4) == 1 then
        make[1] = make[1]:sub(1, int(0, #make[1]))
      end
      if flip() then
        local field = names[int(1, #names)]
        with[field] = int(0, field:find "s$" and 255 or field == "gso_type" and 255 or 300)
      end
      local got = spec.split(make[1], with, flip() and int(1, 1500) or nil, int(1, 8) == 1)
      spec.complete(make[1], with)
      split = split + (got and 1 or 0)
      for _, each in ipairs(got or {}) do
        assert.is_true(#each <= #make[1])
      end
    end
    assert.is_true(split > 300)
  end)
end)
