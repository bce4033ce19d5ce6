-- Headers that are found by a port are layers like all others.
local packet = require "tun.packet"
local ip4, udp, tcp = packet.ip4, packet.udp, packet.tcp

local function names(p)
  local list = {}
  for i, layer in ipairs(p:layers()) do
    list[i] = layer:name()
  end
  return table.concat(list, " ")
end

packet.header("spec_shell", {
  { "magic", 8, default = 0xa5 },
  { "next", 8, computed = "next" },
  { "size", 16, computed = "size" },
  { "all", 16, computed = "extent" },
  { "sum", 16, computed = "checksum" },
  valid = { "magic == 165", "not a shell" },
  size = "size * 4",
  extent = "all",
  checksum = { over = "extent" },
  next = { "spec_shell", "next" },
  area = { names = { "text" }, write = function(fields) return fields.text or "" end },
  follows = { udp = { 7001, 7002 }, tcp = 7001 },
})

packet.header("spec_kernel", {
  { "value", 16 },
  follows = { spec_shell = 9 },
})

describe("a header found by a port", function()
  local function built()
    return ip4 { src = "10.0.0.1", dst = "10.0.0.2" } / udp {}
      / packet.spec_shell { text = "1234" } / packet.spec_kernel { value = 7 } / "rest"
  end

  it("is built: port, size, extent, checksum, what follows", function()
    local p = built()
    local shell = p.spec_shell
    assert.equal(7001, p.udp.dport)
    assert.same({ 9, 3, 18 }, { shell.next, shell.size, shell.all })
    assert.equal(0xffff, shell.sum + 0xa509 + 3 + 18 + 0x3132 + 0x3334 + 7 + 0x7265 + 0x7374
      - 0xffff)
    assert.is_true(p:verify())
  end)

  it("is read, with what follows, and its payload is what is behind", function()
    local p = packet.parse(built():bytes(), "ip")
    assert.equal("ip4 udp spec_shell spec_kernel", names(p))
    assert.equal(7, p.spec_kernel.value)
    assert.equal("rest", p.payload)
    p.payload = "other"
    assert.equal(7, p:fix().spec_kernel.value)
    assert.equal(19, p.spec_shell.all)
    assert.is_true(packet.parse(p:bytes(), "ip"):verify())
  end)

  it("is verified and fixed", function()
    local text = built():bytes()
    local p = packet.parse(text:sub(1, -2) .. "!", "ip")
    local list = select(-1, p:verify())
    local wrong = {}
    for _, each in ipairs(list) do
      wrong[each.layer .. "." .. each.field] = true
    end
    assert.same({ ["spec_shell.sum"] = true }, wrong) -- and that right, UDP's is
  end)

  it("can be pulled to", function()
    local p = packet.parse(built():bytes(), "ip")
    p:pull "spec_shell"
    assert.equal("spec_shell spec_kernel", names(p))
    assert.equal(18, #p:bytes())
  end)

  it("is found by the other port, when the first one is not known", function()
    local p = packet.parse((ip4 {} / udp { sport = 7002, dport = 40000 }
      / packet.spec_shell {}):bytes(), "ip")
    assert.equal("ip4 udp spec_shell", names(p))
    p = packet.parse((ip4 {} / tcp { dport = 7001 } / packet.spec_shell {}):bytes(), "ip")
    assert.equal("ip4 tcp spec_shell", names(p))
  end)

  it("is payload, and no error, where the bytes are nothing of the kind", function()
    for _, text in ipairs { "", "x", ("x"):rep(60) } do
      local p = packet.parse((ip4 {} / udp { dport = 7001 } / text):bytes(), "ip")
      assert.equal("ip4 udp", names(p))
      assert.is_nil(p.error)
      assert.equal(text, p.payload)
    end
  end)

  it("has an error when its bytes are of the kind but wrong", function()
    local p = packet.parse((ip4 {} / udp {} / packet.spec_shell { size = 99 }):bytes(), "ip")
    assert.equal("spec_shell", p.error.layer)
  end)

  it("is a message's header for itself: p.payload of DNS is not the header", function()
    local p = packet.parse((ip4 {} / udp {} / packet.dns { questions = { { name = "a.b" } } })
      :bytes(), "ip")
    assert.equal("", p.payload)
    assert.equal("a.b", p.dns:questions()[1].name)
    p:pull "dns"
    assert.equal("a.b", p.dns:questions()[1].name)
  end)
end)

describe("a message of a stream", function()
  local hello = packet.tls {} / packet.tls_handshake {}
    / packet.client_hello { random = ("r"):rep(32), ciphers = { 0x1301 },
                            extensions = { { "server_name", { { name = "example.org" } } } } }
  local whole = packet.parse(hello:bytes(), "tls"):bytes()

  local function segment(text)
    return packet.parse((ip4 {} / tcp { dport = 443 } / text):bytes(), "ip")
  end

  it("may be in part in a packet, or not alone", function()
    for n = 0, #whole do
      local p = segment(whole:sub(1, n))
      assert.is_nil(p.error)
      assert.is_true(p:verify())
      local bytes = p:bytes()
      p.tcp.seq = 7
      assert.is_true(p:fix():verify())
      assert.equal(bytes:sub(41), p:bytes():sub(41))
      assert.equal(n >= 9, p.tls_handshake ~= nil)
    end
    local p = segment(whole .. whole)
    assert.equal(40 + 2 * #whole, p.ip4.length)
    assert.is_true(p:verify())
    assert.equal("example.org", p.client_hello.extensions[1][2][1].name)
  end)

  it("in a datagram may have more behind it", function()
    local stun = packet.stun { id = ("i"):rep(12) }
    local p = packet.parse((ip4 {} / udp { dport = 3478 } / (stun:bytes() .. "more")):bytes(), "ip")
    assert.is_nil(p.error)
    assert.is_true(p:verify())
    assert.equal(0, p.stun.length)
  end)
end)
