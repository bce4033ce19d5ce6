-- What joins to super-packets and what does not; `make properties` runs many more random
-- flows.
local coalesce = dofile "spec/batch/coalesce.lua"
local core = require "tun.core"
local spec = require "tun.spec"
local process = dofile "spec/process.lua"
local socket = require "socket"

local FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
local DF, MF = 16384, 8192

local with = coalesce.with

local ETHER = "\2\0\0\0\0\2\2\0\0\0\0\1"
local A4, B4 = "\10\9\0\2", "\10\9\0\1"
local A6, B6 = "\253" .. ("\0"):rep(14) .. "\2", "\253" .. ("\0"):rep(14) .. "\1"

local tcp4 = {
  ether = "", src = A4, dst = B4, tos = 0, ttl = 64, id = 65535, frag = DF,
  sport = 1, dport = 2, seq = 2 ^ 32 - 150, ack = 5, flags = ACK, window = 9,
  payload = coalesce.payload(100),
}
local tcp6 = with(tcp4, { v6 = true, src = A6, dst = B6, label = 7 })
local udp4, udp6 = with(tcp4, { udp = true }), with(tcp6, { udp = true })

-- The segment behind another one.
local function after(p, changes)
  return with(with(p, { seq = (p.seq + #p.payload) % 2 ^ 32, id = p.id + 1 }), changes)
end

local function join(list, allowed, ethernet)
  local units = {}
  for i, p in ipairs(list) do
    units[i] = coalesce.build(p)
  end
  return spec.coalesce(units, allowed, ethernet), units
end

-- How many packets are in each that goes out.
local function counts(list, allowed, ethernet)
  local result = {}
  for i, super in ipairs(join(list, allowed, ethernet)) do
    result[i] = super.count
  end
  return table.concat(result, " ")
end

local function payload(n)
  return { payload = coalesce.payload(n) }
end

-- n segments of a flow.
local function run(p, n, changes)
  local list = { p }
  for i = 2, n do
    list[i] = after(list[i - 1], changes)
  end
  return list
end

-- A packet behind an Ethernet header with so many VLAN tags.
local function tagged(p, tags)
  return with(p, { ether = ETHER .. ("\129\0\0\5"):rep(tags) .. (p.v6 and "\134\221" or "\8\0") })
end

local function wrong(check)
  return (check + 1) % 65535
end

local function none()
  return 0
end

local function all_ones(check)
  return check == 0 and 65535 or check
end

-- The packet with a value of a field for which a checksum is 0.
local function sums_to_zero(p, field, checksum)
  local found
  local function look(check)
    found = check == 0
    return check
  end
  for value = 0, 65535 do
    local try = with(p, { [field] = value })
    coalesce.build(with(try, { [checksum] = look }))
    if found then
      return try
    end
  end
end

describe("segments", function()
  for name, p in pairs { ["TCP over IPv4"] = tcp4, ["TCP over IPv6"] = tcp6,
                         ["UDP over IPv4"] = udp4, ["UDP over IPv6"] = udp6 } do
    it("join: " .. name, function()
      assert.equal("3", counts(run(p, 3)))
    end)

    -- What is different in the second of two, which then do not join.
    local different = {
      tos = 4, ttl = 63, src = p.dst, dst = p.src, sport = 3, dport = 3,
      trailer = "\0", check = wrong,
    }
    for key, value in pairs(different) do
      it(("stay apart where %s is not the same: %s"):format(key, name), function()
        assert.equal("1 1", counts { p, after(p, { [key] = value }) })
      end)
    end

    it("with congestion experienced stay apart: " .. name, function()
      local ect = with(p, { tos = 2 })
      assert.equal("2", counts(run(ect, 2)))
      assert.equal("1 1", counts { ect, after(ect, { tos = 3 }) })
    end)

    it("join with a shorter one, which is the last: " .. name, function()
      local short = after(p, payload(99))
      assert.equal("2 1", counts { p, short, after(short) })
    end)

    it("do not join with a longer one: " .. name, function()
      local long = after(p, payload(101))
      assert.equal("1 2", counts { p, long, after(long) })
    end)

    it("without payload do not join and are not passed: " .. name, function()
      local second = after(p)
      assert.equal("2 1 1", counts { p, second, after(second, payload(0)), after(second) })
      assert.equal("1 1", counts(run(with(p, payload(0)), 2)))
    end)

    it("of flows in turns join: " .. name, function()
      local other = with(p, { sport = 7 })
      local second = after(other)
      assert.equal("2 2", counts { p, other, after(p), second })
      assert.equal("1 2 1", counts { p, other, after(p, { ttl = 1 }), second })
    end)

    it("join when their kind is allowed: " .. name, function()
      local kind = (p.udp and "USO" or "TSO") .. (p.v6 and "6" or "4")
      assert.equal("2", counts(run(p, 2), coalesce[kind]))
      assert.equal("1 1", counts(run(p, 2), 2 + 4 + 32 + 64 - coalesce[kind]))
    end)

    it("are as long as an IP packet can be: " .. name, function()
      local headers = (p.v6 and 40 or 20) + (p.udp and 8 or 20)
      local half = math.floor((65535 - headers) / 2)
      local list = run(with(p, payload(half)), 2)
      assert.equal("2", counts(list))
      assert.equal("2 1", counts { list[1], list[2], after(list[2], payload(2)) })
      assert.equal("1 1", counts(run(with(p, payload(half + 1)), 2)))
    end)

    it("are as many as a super-packet can have: " .. name, function()
      local most = p.udp and 64 or 128
      assert.equal(("%d %d 1"):format(most, most), counts(run(p, 2 * most + 1)))
    end)

    it("with a checksum that is known to be right are not summed: " .. name, function()
      assert.equal("2", counts { p, after(p, { check = wrong, valid = true }) })
    end)

    it("with bytes behind their end do not join: " .. name, function()
      for _, trailer in ipairs { "\0", "\0\0" } do
        local short = payload(100 - #trailer).payload
        local padded = after(p, { trailer = trailer, payload = short, valid = true })
        assert.equal("1 1 1", counts { p, padded, after(after(p)) })
        assert.equal("1 1", counts { with(padded, { seq = p.seq }), after(p) })
      end
    end)

    it("with a partial checksum join: " .. name, function()
      assert.equal("3", counts { p, after(p, { partial = true }),
                                 after(after(p), { partial = true }) })
      local unit = coalesce.build(after(p, { partial = true }))
      unit.vnet.csum_start = unit.vnet.csum_start + 2
      assert.equal(2, #spec.coalesce { coalesce.build(p), unit })
    end)

    it("join behind one whose checksum is wrong: " .. name, function()
      local second = after(p)
      assert.equal("1 2", counts { with(p, { check = wrong }), second, after(second) })
    end)

    it("pass no fragment between their addresses: " .. name, function()
      local piece = p.v6 and with(udp6, { extension = "\6\0\0\9\0\0\0\1", extension_proto = 44 })
        or with(udp4, { frag = MF, sport = 9 })
      assert.equal("1 1 1", counts { p, piece, after(p) })
      local far = p.v6 and with(piece, { src = ("\254"):rep(16) })
        or with(piece, { src = "\10\9\0\9" })
      assert.equal("2 1", counts { p, far, after(p) })
    end)

    it("with Ethernet headers join where these are the same: " .. name, function()
      local type = p.v6 and "\134\221" or "\8\0"
      for _, tag in ipairs { "", "\129\0\0\5", "\136\168\0\5\129\0\0\6" } do
        local framed = with(p, { ether = ETHER .. tag .. type })
        assert.equal("2", counts(run(framed, 2), nil, true))
        local other = after(framed, { ether = "\4" .. ETHER:sub(2) .. tag .. type })
        assert.equal("1 1", counts({ framed, other }, nil, true))
      end
      local one = with(p, { ether = ETHER .. "\129\0\0\5" .. type })
      local two = after(p, { ether = ETHER .. "\129\0\0\6" .. type })
      assert.equal("1 1", counts({ one, two }, nil, true))
    end)

    it("join as long as their headers are no longer than 128 bytes: " .. name, function()
      local ip, transport = p.v6 and 40 or 20, p.udp and 8 or 20
      for options = 0, p.udp and 0 or 40, 20 do
        for tags = 0, 20 do
          local size = 14 + 4 * tags + ip + transport + options
          local framed = with(tagged(p, tags), { options = ("\1"):rep(options) })
          assert.equal(size <= 128 and "2" or "1 1", counts(run(framed, 2), nil, true))
        end
      end
    end)

    it("with any number of tags stay as they are, and in their order: " .. name, function()
      for _, tags in ipairs { 30, 60, 100, 16370, 16371, 16375, 16384, 40000 } do
        local framed = tagged(p, tags)
        local other = after(framed, { ttl = 7 })
        local list = { framed, other, after(other), after(framed) }
        local out, units = join(list, nil, true)
        for i, unit in ipairs(units) do
          assert.is_true(unit.bytes == out[i].bytes)
        end
      end
    end)

    it("that are super-packets already do not join and are not passed: " .. name, function()
      local super = after(p, { payload = coalesce.payload(200), partial = true, gso = 100 })
      assert.equal("1 1 1", counts { p, super, after(super) })
    end)

    it("have headers that tell of all: " .. name, function()
      local framed = with(p, { ether = ETHER .. (p.v6 and "\134\221" or "\8\0") })
      local list = run(framed, 3)
      list[4] = after(list[3], with(payload(9), { flags = p.udp and ACK or ACK + PSH }))
      local super = join(list, nil, true)[1]
      local data = list[1].payload .. list[2].payload .. list[3].payload .. list[4].payload
      local whole = coalesce.build(with(framed, { payload = data, partial = true,
                                                  flags = list[4].flags, gso = 100 }))
      assert.equal(whole.bytes, super.bytes)
      assert.same(whole.vnet, super.vnet)
      assert.equal(4, super.count)
    end)
  end

  it("of IPv6 join where the flow label is the same", function()
    assert.equal("1 1", counts { tcp6, after(tcp6, { label = 8 }) })
    assert.equal("1 1", counts { udp6, after(udp6, { label = 0 }) })
  end)

  it("behind extension headers do not join", function()
    local extended = with(tcp6, { extension = "\6\0\1\4\0\0\0\0", extension_proto = 60 })
    assert.equal("1 1", counts(run(extended, 2)))
    assert.equal("1 1 1", counts { tcp6, with(extended, { seq = 9 }), after(tcp6) })
  end)

  it("with IPv4 options do not join", function()
    local optional = with(tcp4, { ip_options = "\1\1\1\0" })
    assert.equal("1 1", counts(run(optional, 2)))
    assert.equal("1 1 1", counts { tcp4, optional, after(tcp4) })
  end)

  it("with a wrong checksum of the IPv4 header do not join", function()
    for _, check in ipairs { wrong, none } do
      assert.equal("1 1", counts { tcp4, after(tcp4, { ip_check = check }) })
      assert.equal("1 1", counts { with(tcp4, { ip_check = check }), after(tcp4) })
    end
  end)

  it("that are fragments or have the reserved flag do not join", function()
    for _, frag in ipairs { MF, 32768, 1 } do
      assert.equal("1 1", counts(run(with(tcp4, { frag = frag }), 2)))
    end
  end)

  it("join where all or none must not be fragmented", function()
    assert.equal("2", counts(run(with(tcp4, { frag = 0 }), 2)))
    assert.equal("1 1", counts { tcp4, after(tcp4, { frag = 0 }) })
  end)

  it("join where the IPv4 ID counts, or is fixed and says nothing", function()
    for _, p in ipairs { tcp4, udp4 } do
      local second = after(p, { id = p.id })
      assert.equal("1 1", counts { p, after(p, { id = p.id + 2 }) })
      assert.equal("3", counts { p, second, after(second, { id = p.id }) })
      assert.equal("2 1", counts { p, second, after(second) })
      assert.equal("2 1", counts { p, after(p), after(second, { id = p.id }) })
      local free = with(p, { frag = 0 })
      assert.equal("1 1", counts { free, after(free, { id = p.id }) })
    end
  end)
end)

describe("TCP segments", function()
  local different = {
    ack = 6, window = 8, urgent = 1, reserved = { 1, 8 },
    flags = { ACK + SYN, ACK + RST, ACK + URG, ACK + CWR, ACK + ECE, 0 },
    options = { "\1\1\1\1", "\1\1\8\10\0\0\0\2\0\0\0\1" },
  }
  for key, values in pairs(different) do
    it(("stay apart where %s is not the same"):format(key), function()
      for _, value in ipairs(type(values) == "table" and values or { values }) do
        local changes = { [key] = value }
        assert.equal("1 1", counts { tcp4, after(tcp4, changes) })
        assert.equal("1 1", counts { with(tcp4, changes), after(tcp4) })
      end
    end)
  end

  it("with other options join where these are the same", function()
    for _, n in ipairs { 4, 8, 16, 36 } do
      local some = with(tcp4, { options = ("\1"):rep(n) })
      assert.equal("2", counts(run(some, 2)))
      assert.equal("1 1", counts { some, after(some, { options = ("\1"):rep(n - 1) .. "\0" }) })
      assert.equal("1 1", counts { some, after(some, { options = ("\1"):rep(n - 4) }) })
    end
  end)

  it("with the same timestamps join", function()
    local list = run(with(tcp4, { options = "\1\1\8\10\0\0\0\2\0\0\0\1" }), 3)
    assert.equal("3", counts(list))
    list[3].options = "\1\1\8\10\0\0\0\3\0\0\0\1"
    assert.equal("2 1", counts(list))
  end)

  it("that synchronize, reset, are urgent or reduced the window never join", function()
    for _, bit in ipairs { SYN, RST, URG, CWR } do
      assert.equal("1 1", counts(run(with(tcp4, { flags = ACK + bit }), 2)))
    end
    assert.equal("1 1", counts(run(with(tcp4, { flags = 0 }), 2)))
  end)

  it("join where all echo congestion", function()
    assert.equal("2", counts(run(with(tcp4, { flags = ACK + ECE }), 2)))
    assert.equal("2", counts(run(with(tcp4, { flags = ACK + ECE, reserved = 1 }), 2)))
  end)

  it("with PSH or FIN are the last", function()
    for _, flags in ipairs { ACK + PSH, ACK + FIN, ACK + PSH + FIN } do
      local second = after(tcp4, { flags = flags })
      assert.equal("2 1", counts { tcp4, second, after(second, { flags = ACK }) })
      local super = join { tcp4, second }[1]
      assert.equal(flags, super.bytes:byte(34))
    end
  end)

  it("that are not the next do not join", function()
    for _, step in ipairs { -101, -99, -1, 1, 100 } do
      local list = run(tcp4, 2)
      list[2].seq = (list[2].seq + step) % 2 ^ 32
      assert.equal("1 1", counts(list))
    end
  end)

  it("join in front of the one behind them", function()
    local list = run(tcp4, 5)
    assert.equal("2", counts { list[2], list[1] })
    assert.equal("3", counts { list[3], list[2], list[1] })
    assert.equal("4", counts { list[3], list[2], list[4], list[1] })
    assert.equal("1 3", counts { list[1], list[4], list[3], list[5] })
    local forward, backward = join { list[1], list[2] }, join { list[2], list[1] }
    assert.same(forward[1], backward[1])
  end)

  it("join in front only of the last super-packet", function()
    local list = run(tcp4, 3)
    assert.equal("1 1 1", counts { list[2], after(list[2], payload(0)), list[1] })
    assert.equal("1 1 1", counts { list[2], with(list[2], { seq = 5000 }), list[1] })
  end)

  it("join in front of a shorter last one", function()
    local list = run(tcp4, 2)
    local short = after(list[2], payload(50))
    assert.equal("3", counts { short, list[2], list[1] })
    assert.equal("2 1", counts { short, list[2], after(short) })
    assert.equal("2 1", counts { short, list[2], after(after(list[2])) })
    local longer = with(list[1], { payload = coalesce.payload(101),
                                   seq = (list[1].seq - 1) % 2 ^ 32 })
    assert.equal("2 1", counts { short, list[2], longer })
  end)

  it("do not join in front when they are shorter, pushed or the last", function()
    local list = run(tcp4, 2)
    assert.equal("1 1", counts { list[2], with(list[1], { payload = coalesce.payload(99),
                                                          seq = list[1].seq + 1 }) })
    for _, bit in ipairs { PSH, FIN } do
      assert.equal("1 1", counts { list[2], with(list[1], { flags = ACK + bit }) })
    end
    assert.equal("2", counts { with(list[2], { flags = ACK + PSH }), list[1] })
  end)

  it("join in front where the IPv4 ID is the one before or fixed", function()
    local list = run(tcp4, 3)
    assert.equal("1 1", counts { list[2], with(list[1], { id = list[2].id + 1 }) })
    assert.equal("2", counts { list[2], with(list[1], { id = list[2].id }) })
    local fixed = with(list[2], { id = list[3].id })
    assert.equal("2 1", counts { list[3], fixed, with(list[1], { id = fixed.id - 1 }) })
    assert.equal("3", counts { list[3], fixed, with(list[1], { id = fixed.id }) })
  end)

  it("with a checksum that no sum gives do not join", function()
    local p = assert(sums_to_zero(tcp4, "window", "check"))
    assert.equal("2", counts { p, after(p) })
    assert.equal("1 1", counts { with(p, { check = all_ones }), after(p) })
    p = assert(sums_to_zero(tcp4, "id", "ip_check"))
    assert.equal("2", counts { p, after(p) })
    assert.equal("1 1", counts { with(p, { ip_check = all_ones }), after(p) })
  end)
end)

describe("UDP datagrams", function()
  it("without a checksum do not join", function()
    for _, p in ipairs { udp4, udp6 } do
      assert.equal("1 1", counts(run(with(p, { check = none }), 2)))
      assert.equal("1 1 1", counts { p, after(p, { check = none }), after(after(p)) })
      assert.equal("1 1", counts(run(with(p, { check = none, valid = true }), 2)))
    end
  end)

  it("whose length is not that of the packet do not join", function()
    assert.equal("1 1", counts(run(with(udp4, { length = 107 }), 2)))
    assert.equal("1 1", counts { udp4, after(udp4, { length = 0 }) })
  end)

  it("never join in front", function()
    local list = run(udp4, 2)
    assert.equal("1 1", counts { list[2], list[1] })
  end)
end)

describe("many packets", function()
  it("that are nothing known stay as they are", function()
    local list = { "", "\69", "\0", ("\69"):rep(30), ("\96"):rep(50), ("\255"):rep(100) }
    for _, ethernet in ipairs { false, true } do
      local out = spec.coalesce(list, nil, ethernet)
      assert.equal(#list, #out)
      for i, super in ipairs(out) do
        assert.same({ bytes = list[i], vnet = {}, count = 1 }, super)
      end
    end
    assert.same({}, spec.coalesce {})
  end)

  it("of as many flows take no more time than of one", function()
    local function seconds(flow)
      local units = {}
      for i = 1, 1024 do
        units[i] = coalesce.build(with(tcp4, flow(i)))
      end
      local best = math.huge
      for _ = 1, 20 do
        local started = os.clock()
        spec.coalesce(units)
        best = math.min(best, os.clock() - started)
      end
      return best
    end
    local one = seconds(function(i) return { seq = i * 1000 } end)
    local many = seconds(function(i) return { sport = i, src = "\10\9" .. ("\1"):rep(2) } end)
    assert.is_true(many < 10 * one, ("%g s, %g s"):format(many, one))
  end)

  it("of many flows in turns join", function()
    for _, n in ipairs { 16, 100, 341, 512 } do
      local units = {}
      for i = 1, n do
        local p = with(tcp4, { sport = i, src = "\10\9\0" .. string.char(i % 7) })
        units[i], units[i + n] = coalesce.build(p), coalesce.build(after(p))
      end
      local out, joined = spec.coalesce(units), 0
      for _, super in ipairs(out) do
        joined = joined + super.count - 1
      end
      assert.equal(2 * n, #out + joined)
      assert.is_true(joined > 0.95 * n, joined .. " of " .. n)
    end
  end)

  it("are too many", function()
    local list = {}
    for i = 1, 1025 do
      list[i] = ""
    end
    assert.has_error(function() spec.coalesce(list) end)
    list[1025] = nil
    assert.equal(1024, #spec.coalesce(list))
  end)
end)

describe("the kernel", function()
  local dev, out

  setup(function()
    process.sandbox()
    process.route()
  end)

  -- A device; its address of IPv6 is not the kernel's at once.
  local function open(mode)
    dev = assert(core.open { name = "t0", mode = mode == "tun" and "tun" or "tap", no_pi = true,
                             vnet_hdr = true })
    process.must [[
      ip link set t0 addrgenmode none mtu 1500
      ip addr add 10.9.0.1/24 dev t0
      ip addr add fd00::1/64 dev t0 nodad
      ip link set t0 up
    ]]
    if mode ~= "tun" then
      process.must [[
        ip link set t0 address 02:00:00:00:00:02
        ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev t0
        ip neigh replace fd00::2 lladdr 02:00:00:00:00:01 dev t0
      ]]
    end
    process.must "while ip -6 addr show dev t0 tentative | grep -q inet6; do :; done"
  end

  after_each(function()
    for _, each in pairs { dev or false, out or false } do
      if each then each:close() end
    end
    dev, out = nil, nil
  end)

  local function write(super)
    assert(dev:write(coalesce.header(super.vnet), super.bytes))
  end

  local function write_all(list, ethernet)
    local supers = join(list, nil, ethernet)
    for _, super in ipairs(supers) do
      write(super)
    end
    return #supers
  end

  -- What a device reads that begins as given at an offset.
  local function read(from, at, bytes)
    repeat
      local packet = assert(from:read(5))
      if packet:sub(at + 1, at + #bytes) == bytes then
        return packet
      end
    until false
  end

  -- What is in front of a packet. A tag of VLAN 0 says nothing but a priority.
  local TAGS = { tap = "", ["tap with priority tags"] = "\129\0\96\0" }

  local function frame(p, mode)
    local type = p.v6 and "\134\221" or "\8\0"
    return with(p, { ether = TAGS[mode] and ETHER .. TAGS[mode] .. type or "" })
  end

  local function be32(bytes)
    local a, b, c, d = bytes:byte(1, 4)
    return ((a * 256 + b) * 256 + c) * 256 + d
  end

  -- A connection to a listener: the client's next segment.
  local function connect(p, port)
    local client = with(p, { sport = 4000, dport = port, window = 65535, frag = DF })
    write(coalesce.build(with(client, { flags = SYN, payload = "" })))
    local at = 10 + (p.ether == "" and 0 or 14) + (p.v6 and 40 or 20)
    local reply = read(dev, at, coalesce.be16(port) .. coalesce.be16(4000))
    assert.equal(SYN + ACK, reply:byte(at + 14))
    client.seq = (client.seq + 1) % 2 ^ 32
    client.ack = (be32(reply:sub(at + 5)) + 1) % 2 ^ 32
    write(coalesce.build(with(client, { flags = ACK, payload = "" })))
    return client
  end

  for _, mode in ipairs { "tun", "tap", "tap with priority tags" } do
    for name, p in pairs { IPv4 = tcp4, IPv6 = tcp6 } do
      it(("gives a TCP receiver the same bytes: %s, %s"):format(mode, name), function()
        open(mode)
        local listener = assert(p.v6 and socket.tcp6() or socket.tcp4())
        assert(listener:bind(p.v6 and "fd00::1" or "10.9.0.1", 0))
        assert(listener:listen())
        listener:settimeout(5)
        local _, port = listener:getsockname()
        local client = connect(frame(p, mode), tonumber(port))
        local receiver = assert(listener:accept())
        receiver:settimeout(5)
        for _, size in ipairs { 1, 100, 536, 1448 } do
          client.payload = coalesce.payload(size)
          local list = run(client, 25)
          list[5], list[6] = list[6], list[5]
          list[#list + 1] = after(list[#list], with(payload(size), { flags = ACK + PSH }))
          assert.is_true(write_all(list, mode ~= "tun") <= 4)
          list[5], list[6] = list[6], list[5]
          local sent = {}
          for i, each in ipairs(list) do
            sent[i] = each.payload
          end
          local got = assert(receiver:receive(26 * size))
          assert.is_true(got == table.concat(sent), "other bytes")
          client.seq, client.id = after(list[26]).seq, list[26].id + 1
        end
        receiver:close()
        listener:close()
      end)
    end

    for name, p in pairs { IPv4 = udp4, IPv6 = udp6 } do
      it(("gives a UDP receiver the same datagrams: %s, %s"):format(mode, name), function()
        open(mode)
        local receiver = assert(p.v6 and socket.udp6() or socket.udp4())
        assert(receiver:setsockname(p.v6 and "fd00::1" or "10.9.0.1", 0))
        receiver:settimeout(5)
        local _, port = receiver:getsockname()
        local client = with(frame(p, mode), { sport = 4000, dport = tonumber(port) })
        for _, size in ipairs { 1, 2, 511, 512, 513, 1200, 1451, 1452, 1453, 1471, 1472, 8000 } do
          client.payload = coalesce.payload(size)
          local list = run(client, 8)
          list[9] = after(list[8], payload(math.max(1, size - 5)))
          assert.is_true(write_all(list, mode ~= "tun") <= 2)
          for _, each in ipairs(list) do
            local got = assert(receiver:receive())
            assert.is_true(got == each.payload, "other bytes")
          end
          client.id = list[9].id + 1
        end
        receiver:close()
      end)
    end
  end

  -- A packet behind a router.
  local function forwarded(bytes)
    if bytes:byte() >= 96 then
      return bytes:sub(1, 7) .. string.char(bytes:byte(8) - 1) .. bytes:sub(9)
    end
    local check = bytes:byte(11) * 256 + bytes:byte(12) + 256
    check = check >= 65535 and check - 65535 or check
    return bytes:sub(1, 8) .. string.char(bytes:byte(9) - 1) .. bytes:sub(10, 10)
      .. string.char(math.floor(check / 256), check % 256) .. bytes:sub(13)
  end

  it("splits super-packets of random flows to what they were joined from", function()
    open "tun"
    out = assert(core.open { name = "t1", mode = "tun", no_pi = true })
    process.must [[
      ip link set t1 addrgenmode none mtu 65535 txqueuelen 5000
      ip link set t1 up
      ip route add 10.1.0.0/24 dev t1
      ip route add fd01::/64 dev t1
    ]]
    local seed, singles = os.time(), 0
    for i = 1, 60 do
      coalesce.seed(seed + i)
      local batch = coalesce.batch(false)
      for _, super in ipairs(spec.coalesce(batch)) do
        if super.count > 1 then
          write(super)
          for _, piece in ipairs(spec.split(super.bytes, super.vnet)) do
            local bytes = forwarded(piece)
            local at, n = 12, 8
            if bytes:byte() >= 96 then
              at, n = 8, 32
            end
            local got = read(out, at, bytes:sub(at + 1, at + n))
            assert.is_true(bytes == got, ("other bytes, seed %d"):format(seed + i))
            singles = singles + 1
          end
        end
      end
    end
    assert.is_true(singles > 100)
  end)
end)

-- What the kernel's GRO (with IFF_NAPI) makes of packets is seen where it forwards them: on
-- a device with offload. It holds them for some time, which is not for the root of a user
-- namespace to set.
local function with_gro()
  local dev, out

  -- ethtool -K t0 rx-udp-gro-forwarding on (linux/ethtool.h), and a file of a sysfs that is
  -- mounted nowhere (fsopen(2)).
  local FEATURE = [[
import ctypes, fcntl, os, socket, struct
call = ctypes.CDLL(None).syscall
sysfs = call(430, b"sysfs", 0)
call(431, sysfs, 6, None, None, 0)
timeout = os.open("class/net/t0/gro_flush_timeout", os.O_WRONLY, dir_fd=call(432, sysfs, 0, 0))
os.write(timeout, b"5000000")
GSTRINGS, SFEATURES, GSSET_INFO, FEATURES = 0x1b, 0x3b, 0x37, 4
def ethtool(request):
    buffer = ctypes.create_string_buffer(request, len(request))
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8946, struct.pack("16sQ16x", b"t0", ctypes.addressof(buffer)))
    return buffer.raw
n, = struct.unpack_from("I", ethtool(struct.pack("IIQI", GSSET_INFO, 0, 1 << FEATURES, 0)), 16)
names = ethtool(struct.pack("III", GSTRINGS, FEATURES, n) + bytes(32 * n))[12:]
at = [names[i:i + 32].split(b"\0")[0] for i in range(0, 32 * n, 32)].index(
    b"rx-udp-gro-forwarding")
words = [0] * (n // 32 + 1)
words[at // 32] = 1 << at % 32
words = [w for w in words[:(n + 31) // 32] for _ in range(2)]
ethtool(struct.pack("II%dI" % len(words), SFEATURES, len(words) // 2, *words))
]]

  setup(function()
    process.sandbox()
    dev = assert(core.open { name = "t0", mode = "tun", no_pi = true, vnet_hdr = true,
                             napi = true })
    out = assert(core.open { name = "t1", mode = "tun", no_pi = true, vnet_hdr = true })
    assert(core.setoption(out, "offload", { csum = true, tso4 = true, tso6 = true, uso4 = true,
                                            uso6 = true }))
    process.route()
    process.must [[
      ip link set t0 addrgenmode none mtu 65535
      ip link set t1 addrgenmode none mtu 65535
      ip link set t0 up
      ip link set t1 up
      ip addr add 10.9.0.1/24 dev t0
      ip addr add fd00::1/64 dev t0 nodad
      ip route add 10.1.0.0/24 dev t1
      ip route add fd01::/64 dev t1
    ]]
    process.must("python3 -c '" .. FEATURE .. "'")
  end)

  teardown(function()
    if dev then dev:close() end
    if out then out:close() end
  end)

  local function native16(bytes, at)
    local a, b = bytes:byte(at, at + 1)
    return core.little_endian and a + 256 * b or 256 * a + b
  end

  -- Lengths of IP packets and of the segments in them, 0 when there is one. Their order is
  -- another: what is not held passes what is.
  local function by_kernel(units)
    local left, result = 0, {}
    for _, unit in ipairs(units) do
      left = left + #unit.bytes
      assert(dev:write(coalesce.header(unit.vnet), unit.bytes))
    end
    local one = units[1].bytes
    local at, n = 13, 8
    if one:byte() >= 96 then
      at, n = 9, 32
    end
    while left > 0 do
      local got = assert(out:read(5))
      local bytes, gso = got:sub(11), native16(got, 5)
      if bytes:sub(at, at + n - 1) == one:sub(at, at + n - 1) then
        if got:byte(2) == 0 then
          gso = 0
        end
        local headers = at == 13 and 20 or 40
        headers = headers + (bytes:byte(at == 13 and 10 or 7) == 17 and 8
          or math.floor(bytes:byte(headers + 13) / 16) * 4)
        local extra = gso > 0 and math.ceil((#bytes - headers) / gso) - 1 or 0
        left = left - #bytes - extra * headers
        result[#result + 1] = #bytes .. "/" .. gso
      end
    end
    table.sort(result)
    return table.concat(result, " ")
  end

  local function by_us(units)
    local result = {}
    for i, super in ipairs(spec.coalesce(units)) do
      result[i] = #super.bytes .. "/" .. (super.vnet.gso_size or 0)
    end
    table.sort(result)
    return table.concat(result, " ")
  end

  -- It lets go of what it has held since the clock ticked last, too.
  local TRIES = 20

  local function same(list)
    local units, kernel = {}
    for i, p in ipairs(list) do
      units[i] = coalesce.build(p)
    end
    local us = by_us(units)
    for _ = 1, TRIES do
      kernel = by_kernel(units)
      if kernel == us then
        return
      end
    end
    assert.equal(kernel, us)
  end

  local to4, to6 = { dst = "\10\1\0\1" }, { dst = "\253\1" .. ("\0"):rep(13) .. "\1" }
  local KINDS = {
    ["TCP over IPv4"] = with(tcp4, to4), ["TCP over IPv6"] = with(tcp6, to6),
    ["UDP over IPv4"] = with(udp4, to4), ["UDP over IPv6"] = with(udp6, to6),
  }

  -- What is different in the second of three; the third is behind it.
  local DIFFERENCES = {
    {}, { tos = 1 }, { tos = 3 }, { ttl = 63 }, payload(99), payload(101), payload(0),
    { check = wrong }, { check = none }, { partial = true },
    { sport = 7 }, { label = 8 }, { id = 9 }, { frag = 0 }, { ip_options = "\1\1\1\0" },
    { flags = ACK + PSH }, { flags = ACK + FIN }, { flags = ACK + FIN + PSH },
    { flags = ACK + SYN }, { flags = ACK + RST }, { flags = ACK + URG }, { flags = ACK + CWR },
    { flags = ACK + ECE }, { flags = 0 }, { reserved = 1 }, { reserved = 8 }, { ack = 9 },
    { window = 8 }, { options = "\1\1\8\10\0\0\0\2\0\0\0\1" }, { options = "\1\1\1\1" },
    { seq = 0 }, { length = 107 }, { length = 109 },
  }

  local function name_of(changes)
    local names = {}
    for key, value in pairs(changes) do
      names[#names + 1] = key .. (type(value) == "number" and " " .. value or "")
    end
    table.sort(names)
    return table.concat(names, ", ")
  end

  for kind, p in pairs(KINDS) do
    for _, changes in ipairs(DIFFERENCES) do
      it(("joins the same: %s; %s"):format(kind, name_of(changes)), function()
        local second = after(p, changes)
        same { p, second, after(with(second, { flags = ACK })) }
        local all = with(with(p, { ttl = 50 }), changes)
        if all.flags == ACK and not changes.ip_options then
          same(run(all, 3))
        end
      end)
    end

    it("joins as many: " .. kind, function()
      same(run(p, p.udp and 70 or 60))
    end)
  end

  it("joins datagrams with a fixed IPv4 ID", function()
    same(run(KINDS["UDP over IPv4"], 4, { id = 5 }))
  end)
end

if process.is_root then
  describe("the kernel's GRO", with_gro)
end

describe("batch:coalesce", function()
  local VNET = 24

  local function make(units, slots, size, mode)
    local batch = assert(core.batch(slots, size, 0, mode or "tun"))
    for _, unit in ipairs(units) do
      assert(batch:append(unit.bytes, coalesce.header(unit.vnet)))
    end
    return batch
  end

  -- The packets in a batch as spec.coalesce has them, without their count.
  local function all(batch)
    local list = {}
    for i = 1, batch:count() do
      local meta, at, stop = batch:slot(i)
      list[i] = { bytes = batch:arena():bytes(at, stop - at),
                  vnet = batch:arena():bytes(meta, VNET) }
    end
    return list
  end

  local function same(wanted, got)
    assert.equal(#wanted, #got)
    for i, each in ipairs(wanted) do
      local vnet = coalesce.header(each.vnet)
      assert.is_true(each.bytes == got[i].bytes, "other bytes")
      assert.equal(vnet .. ("\0"):rep(VNET - #vnet), got[i].vnet)
    end
  end

  it("joins as many as can be", function()
    local seed = os.time()
    for i = 1, 20 do
      coalesce.seed(seed + i)
      local ethernet = i % 2 == 0
      local units = coalesce.batch(ethernet)
      local wanted = spec.coalesce(units, nil, ethernet)
      local batch = make(units, #units + 3, core.packet_most, ethernet and "tap" or "tun")
      assert.equal(#wanted, batch:coalesce())
      same(wanted, all(batch))
      assert.equal(#units + 3 - #wanted, batch:unused())
      assert.equal(#wanted, batch:coalesce())
      assert.equal(#units + 3, batch:clear():unused())
    end
  end)

  it("joins more than are looked at together", function()
    local units = {}
    for i, p in ipairs(run(with(tcp4, payload(1)), 1500)) do
      units[i] = coalesce.build(p)
    end
    assert.equal(8 + 4, make(units, 1500, 200):coalesce())
  end)

  it("leaves packets with headers longer than those of a super-packet", function()
    for _, tags in ipairs { 14, 60, 100, 16370, 16384 } do
      for _, p in ipairs { tcp6, tcp4, udp6, with(tcp6, { options = ("\1"):rep(40) }) } do
        local units = {}
        for i, each in ipairs(run(tagged(p, tags), 2)) do
          units[i] = coalesce.build(each)
        end
        local batch = make(units, 2, 70000, "tap")
        local count = #spec.coalesce(units, nil, true)
        assert.equal(count, batch:coalesce())
      end
    end
  end)

  it("heeds the room in a slot", function()
    local units = {}
    for i, p in ipairs(run(tcp4, 3)) do
      units[i] = coalesce.build(p)
    end
    local batch = make(units, 3, 256)
    assert.equal(3, batch:coalesce())
    same(units, all(batch))
    same(spec.coalesce(units), (function()
      batch = make(units, 3, 340)
      assert.equal(1, batch:coalesce())
      return all(batch)
    end)())
  end)

  it("looks at no packet that was dropped", function()
    local units = {}
    for i, p in ipairs(run(tcp4, 4)) do
      units[i] = coalesce.build(p)
    end
    local batch = make(units, 4, 2000):drop(3)
    assert.equal(2, batch:coalesce())
    assert.equal(2, batch:unused())
    assert.equal(0, make({}, 4, 2000):coalesce())
  end)

  it("joins again what was split", function()
    local units = {}
    for i, p in ipairs(run(tcp4, 4)) do
      units[i] = coalesce.build(p)
    end
    local batch = make(units, 8, 2000)
    assert.equal(1, batch:coalesce())
    local joined = all(batch)
    assert.equal(4, batch:segment())
    for i, each in ipairs(all(batch)) do
      assert.is_true(each.bytes == units[i].bytes)
    end
    assert.equal(1, batch:coalesce())
    assert.same(joined, all(batch))
  end)
end)

describe("random flows", function()
  it("are the same when they were joined and split", function()
    local seed, count = os.time(), tonumber(os.getenv "COUNT") or 300
    local singles, joined = coalesce.run(seed, count, error)
    assert.is_true(joined < 0.8 * singles, ("%d of %d, seed %d"):format(joined, singles, seed))
  end)
end)
