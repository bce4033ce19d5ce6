-- The packet that answers a packet.
local packet = require "tun.packet"

local A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"

local function frame(dst)
  return packet.eth { src = A, dst = dst or B }
end

local function ip4(fields)
  fields = fields or {}
  fields.src, fields.dst = fields.src or "10.0.0.1", fields.dst or "10.0.0.2"
  return packet.ip4(fields)
end

local function ip6(fields)
  fields = fields or {}
  fields.src, fields.dst = fields.src or "fd00::1", fields.dst or "fd00::2"
  return packet.ip6(fields)
end

local function udp(bytes)
  return packet.udp { sport = 5000, dport = 53000 } / (bytes or "data")
end

-- Every answer is right in itself.
local function answer(p, how)
  local reply = assert(p:reply(how))
  assert.is_true(reply:verify())
  local again = packet.parse(reply:bytes(), p.eth and "eth" or "ip")
  assert.is_nil(again.error)
  assert.is_true(again:verify())
  return again
end

local function refusal(p, how)
  local reply, why = p:reply(how)
  assert.is_nil(reply)
  return why
end

describe("a reply", function()
  it("answers echo, over Ethernet and a tag too", function()
    local p = answer(frame() / packet.vlan { id = 7 } / ip4()
      / packet.icmp { type = "echo", id = 3, seq = 4 } / "payload")
    assert.same({ A, B, 7 }, { p.eth.dst, p.eth.src, p.vlan.id })
    assert.same({ "10.0.0.2", "10.0.0.1" }, { p.ip4.src, p.ip4.dst })
    assert.same({ "echo_reply", 3, 4, "payload" },
      { p.icmp.type, p.icmp.id, p.icmp.seq, p.payload })
    p = answer(ip6() / packet.icmp6 { type = "echo", id = 3, seq = 4 } / "payload")
    assert.same({ "fd00::2", "fd00::1", "echo_reply", 3, 4, "payload" },
      { p.ip6.src, p.ip6.dst, p.icmp6.type, p.icmp6.id, p.icmp6.seq, p.payload })
  end)

  it("answers echo to a group only for an address", function()
    local p = ip4 { dst = "224.0.0.1" } / packet.icmp { type = "echo" }
    assert.matches("group of hosts", refusal(p))
    assert.equal("10.0.0.9", answer(p, { src = "10.0.0.9" }).ip4.src)
  end)

  it("answers ARP", function()
    local p = answer(frame "ff:ff:ff:ff:ff:ff"
      / packet.arp { op = "request", sha = A, spa = "10.0.0.1", tpa = "10.0.0.2" }, { mac = B })
    assert.same({ A, B, "reply", B, "10.0.0.2", A, "10.0.0.1" },
      { p.eth.dst, p.eth.src, p.arp.op, p.arp.sha, p.arp.spa, p.arp.tha, p.arp.tpa })
    assert.equal("it asks nothing", refusal(frame() / packet.arp { op = "reply" }, { mac = B }))
    assert.error_matches(function() (frame() / packet.arp {}):reply() end, "mac")
  end)

  it("answers neighbour solicitations", function()
    local asked = frame "33:33:ff:00:00:02" / ip6 { dst = "ff02::1:ff00:2", hlim = 255 }
      / packet.icmp6 {} / packet.ns { target = "fe80::2", options = { { "slla", A } } }
    local p = answer(asked, { mac = B })
    assert.same({ A, "fe80::2", "fd00::1", 255 }, { p.eth.dst, p.ip6.src, p.ip6.dst, p.ip6.hlim })
    assert.same({ "fe80::2", true, true, B },
      { p.na.target, p.na.solicited, p.na.override, p.na:options()[1][2] })
  end)

  it("resets TCP (RFC 9293, 3.5.2)", function()
    local p = answer(ip4()
      / packet.tcp { sport = 1, dport = 2, seq = 2 ^ 32 - 2, syn = true } / "abc")
    assert.same({ 2, 1, true, true, 0, 2 },
      { p.tcp.sport, p.tcp.dport, p.tcp.rst, p.tcp.has_ack, p.tcp.seq, p.tcp.ack })
    p = answer(ip6() / packet.tcp { seq = 5, ack = 99, has_ack = true } / "abc")
    assert.same({ true, false, 99 }, { p.tcp.rst, p.tcp.has_ack, p.tcp.seq })
    assert.equal("it is a reset itself", refusal(ip4() / packet.tcp { rst = true }))
  end)

  it("says that nobody listens, and quotes what was asked", function()
    local asked = ip4() / udp()
    local p = answer(packet.parse(asked:bytes() .. "padding", "ip"))
    assert.same({ "unreachable", 3 }, { p.icmp.type, p.icmp.code })
    assert.equal(asked:bytes(), p.payload)
    assert.equal(53000, p.inner.udp.dport)
    p = answer(ip6() / udp())
    assert.same({ "unreachable", 4, 53000 }, { p.icmp6.type, p.icmp6.code, p.inner.udp.dport })
    p = answer(ip4 { proto = 253 } / "what")
    assert.same({ "unreachable", 2 }, { p.icmp.type, p.icmp.code })
    p = answer(ip6() / packet.dstopts { next = 253 } / "what")
    assert.same({ "parameter_problem", 1, 40 }, { p.icmp6.type, p.icmp6.code, p.icmp6.pointer })
  end)

  it("makes the errors of routers", function()
    local rows = {
      net = { 3, 0, 1, 0 }, host = { 3, 1, 1, 3 }, protocol = { 3, 2, 4, 1 }, port = { 3, 3, 1, 4 },
      prohibited = { 3, 13, 1, 1 }, too_big = { 3, 4, 2, 0 }, ttl = { 11, 0, 3, 0 },
      reassembly = { 11, 1, 3, 1 },
    }
    for name, row in pairs(rows) do
      local a = answer(ip4() / udp(), { error = name, mtu = 1400, src = "10.0.0.254" })
      local b = answer(ip6() / udp(), { error = name, mtu = 1400, src = "fd00::fe" })
      assert.same(row, { a.icmp.type_n, a.icmp.code, b.icmp6.type_n, b.icmp6.code })
      assert.same({ "10.0.0.254", "fd00::fe" }, { a.ip4.src, b.ip6.src })
      if name == "too_big" then
        assert.same({ 1400, 1400 }, { a.icmp.mtu, b.icmp6.mtu })
      end
    end
  end)

  it("quotes as much as every host takes", function()
    assert.equal(576, #answer(ip4() / udp(("x"):rep(2000))):bytes())
    assert.equal(1280, #answer(ip6() / udp(("x"):rep(2000))):bytes())
  end)

  it("sends no error about what must not have one", function()
    local quoted = ip4() / udp()
    local cases = {
      { ip4() / packet.icmp { type = "unreachable" } / quoted, "error itself" },
      { ip4() / packet.icmp { type = "redirect" } / quoted, "error itself" },
      { ip6() / packet.icmp6 { type = "too_big" } / (ip6() / udp()), "error itself" },
      { ip6() / packet.icmp6 {} / packet.redirect {}, "error itself" },
      { ip4 { dst = "224.0.0.1" } / udp(), "to a group" },
      { ip4 { dst = "255.255.255.255" } / udp(), "to a group" },
      { ip6 { dst = "ff02::1" } / udp(), "to a group" },
      { frame "ff:ff:ff:ff:ff:ff" / ip4() / udp(), "to a group" },
      { ip4 { offset = 100, proto = 17 } / "data", "first fragment" },
      { ip4 { src = "0.0.0.0" } / udp(), "no single host" },
      { ip4 { src = "127.0.0.1" } / udp(), "no single host" },
      { ip4 { src = "224.0.0.1" } / udp(), "no single host" },
      { ip4 { src = "255.255.255.255" } / udp(), "no single host" },
      { ip6 { src = "::" } / udp(), "no single host" },
      { ip6 { src = "ff02::1" } / udp(), "no single host" },
      { frame() / packet.arp {}, "no IP" },
    }
    cases[#cases] = nil
    for i, case in ipairs(cases) do
      assert.matches(case[2], refusal(case[1], { error = "ttl", src = case[1].ip4 and "10.0.0.9"
        or "fd00::9" }), "case " .. i)
    end
  end)

  it("tells a group of IPv6 that a packet is too big", function()
    local p = answer(ip6 { dst = "ff0e::1" } / udp(),
      { error = "too_big", mtu = 1280, src = "fd00::9" })
    assert.same({ "too_big", 1280, "fd00::9" }, { p.icmp6.type, p.icmp6.mtu, p.ip6.src })
  end)

  it("does not answer what it cannot know whole", function()
    assert.equal("a fragment", refusal(ip4 { mf = true } / packet.icmp { type = "echo" }))
    assert.equal("it asks nothing", refusal(ip4() / packet.icmp { type = "echo_reply" }))
    assert.matches("truncated", refusal(packet.parse("abc", "eth")))
    assert.matches("no layer", refusal(packet.eth { type = 0x9999 } / "x"))
    local cut = packet.parse((ip4() / packet.tcp {}):bytes():sub(1, 30), "ip")
    assert.is_string(refusal(cut))
  end)

  it("leaves the packet as it is", function()
    local p = ip4() / udp()
    local before = p:bytes()
    p:reply()
    assert.equal(before, p:bytes())
  end)

  it("tells which words it knows", function()
    local p = ip4() / udp()
    assert.error_matches(function() p:reply { error = "nonsense" } end, "host, net, port")
    assert.error_matches(function() p:reply { what = 1 } end, "error, mac, mtu, src")
    assert.error_matches(function() p:reply { error = "too_big" } end, "mtu")
  end)
end)

describe("the kernel", function()
  local tun = require "tun"

  -- An address of IPv6 is not the kernel's at once.
  local READY = "while ip -6 addr show dev answers tentative | grep -q inet6; do :; done; "

  -- What a program says whose packets are all answered.
  local function said(mode, command)
    assert(tun.sandbox())
    local dev = assert(tun.open { name = "answers", mode = mode,
                                  address = { "10.0.0.1/24", "fd00::1/64" } })
    -- It is not the program that is looked at when the specs run under ASan.
    local program = io.popen("unset LD_PRELOAD; " .. READY .. command
      .. " 2>&1; ip link del answers")
    for p in dev:packets() do
      local reply = p:reply { mac = B }
      if reply then
        dev:send(reply) -- which fails when the device has just gone
      end
    end
    local text = program:read "*a"
    program:close()
    dev:close()
    return text
  end

  it("takes our echoes, which ARP found the way for", function()
    assert.matches(" 0%% packet loss", said("tap", "ping -c 2 -i 0.2 10.0.0.2"))
  end)

  for _, address in ipairs { "10.0.0.2", "fd00::2" } do
    it("is refused connections by our resets: " .. address, function()
      assert.matches("refused", said("tun", "bash -c 'exec 3<>/dev/tcp/" .. address .. "/80'"))
    end)

    it("is told that nobody listens: " .. address, function()
      assert.matches("refused", said("tun", "bash -c 'exec 3<>/dev/udp/" .. address
        .. "/99; for i in {1..9999}; do echo >&3 || break; done'"))
    end)
  end
end)
