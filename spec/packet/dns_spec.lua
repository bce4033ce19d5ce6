local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local dns = packet.dns

-- Names as the wire has them.
local EXAMPLE = "076578616d706c65 03636f6d 00"

golden.each(describe, it, {
  {
    "a question for an address",
    bytes = "4500003d00010000401166ad0a0000010a000002 03e800350029821f" ..
      "000101000001000000000000 03777777" .. EXAMPLE .. "001c 0001",
    line = "IP 10.0.0.1.1000 > 10.0.0.2.53: 1+ AAAA? www.example.com. (33)",
    read = {
      dns = { id = 1, qr = false, opcode = 0, aa = false, tc = false, rd = true, ra = false,
              rcode = 0, qdcount = 1, ancount = 0,
              questions = { { name = "www.example.com", type = "AAAA", class = "IN" } } },
    },
    build = function()
      return packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 1 }
        / packet.udp { sport = 1000, dport = 53 }
        / dns { id = 1, rd = true, questions = { { name = "www.example.com", type = "AAAA" } } }
    end,
  },
  {
    "an answer with a text", -- of a capture that tcpdump's users know
    kind = "dns",
    bytes = "103281800001000100000000 06676f6f676c65 03636f6d 00 0010 0001" ..
      "c00c 0010 0001 0000010e 0010 0f 763d73706631 20 707472203f616c6c",
    read = {
      dns = { id = 0x1032, qr = true, rd = true, ra = true,
              questions = { { name = "google.com", type = "TXT", class = "IN" } },
              answers = { { name = "google.com", type = "TXT", class = "IN", ttl = 270,
                            data = { "v=spf1 ptr ?all" } } } },
    },
    build = function()
      return dns { id = 0x1032, qr = true, rd = true, ra = true,
        questions = { { name = "google.com", type = "TXT" } },
        answers = { { name = "google.com", type = "TXT", ttl = 270, data = "v=spf1 ptr ?all" } } }
    end,
  },
  {
    "an answer with records of all sections",
    kind = "dns",
    bytes = "000785800001000100010003" .. EXAMPLE .. "000f 0001" ..
      "c00c 000f 0001 0000003c 0007 000a 026d78 c00c" ..
      "c00c 0006 0001 00000005 0020 026e73 c00c 04726f6f74 c00c" ..
      "00000001 00000002 00000003 00000004 00000005" ..
      "045f736970 045f756470 c00c 0021 0001 00000009 0017 0001 0002 13c4 03736970" .. EXAMPLE ..
      "c02b 0001 0001 00000001 0004 0a000009 c03c 001c 0001 00000001 0010" ..
      "fd000000000000000000000000000001",
    read = {
      dns = {
        aa = true, ancount = 1, nscount = 1, arcount = 3,
        answers = { { name = "example.com", type = "MX", class = "IN", ttl = 60,
                      data = { preference = 10, exchange = "mx.example.com" } } },
        authorities = { { name = "example.com", type = "SOA", class = "IN", ttl = 5,
                          data = { mname = "ns.example.com", rname = "root.example.com", serial = 1,
                                   refresh = 2, retry = 3, expire = 4, minimum = 5 } } },
        additionals = {
          { name = "_sip._udp.example.com", type = "SRV", class = "IN", ttl = 9,
            data = { priority = 1, weight = 2, port = 5060, target = "sip.example.com" } },
          { name = "mx.example.com", type = "A", class = "IN", ttl = 1, data = "10.0.0.9" },
          { name = "ns.example.com", type = "AAAA", class = "IN", ttl = 1, data = "fd00::1" },
        },
      },
    },
    build = function()
      return dns { id = 7, qr = true, aa = true, rd = true, ra = true,
        questions = { { name = "example.com", type = "MX" } },
        answers = { { name = "example.com", type = "MX", ttl = 60,
                      data = { preference = 10, exchange = "mx.example.com" } } },
        authorities = { { name = "example.com", type = "SOA", ttl = 5,
                          data = { mname = "ns.example.com", rname = "root.example.com", serial = 1,
                                   refresh = 2, retry = 3, expire = 4, minimum = 5 } } },
        additionals = {
          { name = "_sip._udp.example.com", type = "SRV", ttl = 9,
            data = { priority = 1, weight = 2, port = 5060, target = "sip.example.com" } },
          { name = "mx.example.com", type = "A", ttl = 1, data = "10.0.0.9" },
          { name = "ns.example.com", type = "AAAA", ttl = 1, data = "fd00::1" },
        } }
    end,
  },
})

describe("DNS names", function()
  -- The example of RFC 1035, 4.1.4, at offset 12 in place of 20: F.ISI.ARPA,
  -- FOO.F.ISI.ARPA, ARPA and the root.
  local HEADER = "0000 0000 0004 0000 0000 0000"
  local names = "0146 03495349 0441525041 00 0001 0001 03464f4f c00c 0001 0001 c012 0001 0001" ..
    "00 0001 0001"

  it("are compressed as in RFC 1035", function()
    local message = golden.parse(HEADER .. names, "dns")
    local list = message.dns:questions()
    assert.same({ "F.ISI.ARPA", "FOO.F.ISI.ARPA", "ARPA", "." },
      { list[1].name, list[2].name, list[3].name, list[4].name })
  end)

  it("are built with compression", function()
    local built = dns { questions = { { name = "F.ISI.ARPA" }, { name = "FOO.F.ISI.ARPA" },
                                      { name = "ARPA" }, { name = "." } } }
    assert.equal(golden.bytes(HEADER .. names), built:bytes())
  end)

  local function broken(hex)
    local message = golden.parse("000000000001000000000000" .. hex, "dns").dns:message()
    return message.broken == 12 and #message.questions == 0
  end

  it("that point to themselves end", function()
    assert.is_true(broken "c00c 0001 0001")
  end)

  it("that point to each other end", function()
    assert.is_true(broken "c00e c00c 0001 0001")
    assert.is_true(broken "0161 c00c 0001 0001")
  end)

  it("that point forwards or out of the message end", function()
    assert.is_true(broken "c010 0001 0001 0161 00")
    assert.is_true(broken "ffff 0001 0001")
    assert.is_true(broken "c0")
  end)

  it("longer than 255 bytes are none", function()
    assert.is_true(broken(("3f" .. ("61"):rep(63)):rep(4) .. "00 0001 0001"))
    assert.is_false(broken(("3f" .. ("61"):rep(63)):rep(3) .. "00 0001 0001"))
  end)

  it("with labels of unknown kinds are none", function()
    assert.is_true(broken "4161 00 0001 0001")
  end)

  it("escape what is no letter, both ways", function()
    local bytes = "000000000001000000000000 05 2e5c00ff61 00 0001 0001"
    local found = golden.parse(bytes, "dns")
    local name = found.dns:questions()[1].name
    assert.equal("\\.\\092\\000\\255a", name)
    assert.equal(found:bytes(), dns { questions = { { name = name } } }:bytes())
  end)

  it("that have no place on the wire are refused", function()
    for _, name in ipairs { "a..b", ("a"):rep(64), (("a"):rep(60) .. "."):rep(5), 5, "" } do
      assert.has_error(function()
        return dns { questions = { { name = name } } }
      end)
    end
  end)
end)

describe("a DNS message", function()
  it("has the records that can be read, and where the first is that cannot", function()
    local found = golden.parse("0000 8000 0000 0002 0000 0000" ..
      "0161 00 0001 0001 00000000 0004 01020304 0162 00 0001 0001 00000000 0009 0102", "dns")
    local message = found.dns:message()
    assert.equal(1, #message.answers)
    assert.equal("1.2.3.4", message.answers[1].data)
    assert.equal(29, message.broken)
  end)

  it("claims no more records than it has bytes", function()
    local found = golden.parse("0000 8000 ffff ffff ffff ffff", "dns")
    assert.same({}, found.dns:questions())
    assert.is_true(#tostring(found) > 0)
  end)

  it("has data of another form than its type as raw bytes", function()
    local found = golden.parse("0000 8000 0000 0001 0000 0000" ..
      "00 0001 0001 00000000 0003 010203", "dns")
    assert.same({ { name = ".", type = "A", class = "IN", ttl = 0, raw = "\1\2\3" } },
      found.dns:answers())
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("has types and classes that are unknown as numbers", function()
    local found = golden.parse("0000 8000 0000 0001 0000 0000 00 ff01 0007 00000000 0001 aa", "dns")
    assert.same({ { name = ".", type = 0xff01, class = 7, ttl = 0, raw = "\170" } },
      found.dns:answers())
  end)

  it("that many names point through is read in time", function()
    local chain = {}
    for i = 0, 8000 do
      chain[#chain + 1] = ("c%03x"):format(math.max(12, 12 + 2 * i - 2))
    end
    local hex = "0000 8000 0000 ffff 0000 0000" .. table.concat(chain)
      .. ("ffaa 0001 0001 00000000 0000"):rep(1000)
    local clock = os.clock()
    golden.parse(hex, "dns").dns:message()
    assert.is_true(os.clock() - clock < 0.5)
  end)

  it("refuses a record that has no name or data of its type", function()
    assert.has_error(function()
      return dns { answers = { { type = "A", data = "1.2.3.4" } } }
    end)
    assert.has_error(function()
      return dns { answers = { { name = "a", type = "A", data = "1.2.3" } } }
    end)
    assert.has_error(function()
      return dns { answers = { { name = "a", type = "BOGUS", raw = "" } } }
    end)
  end)

  it("is found by its port, from either side", function()
    local ip = packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2" }
    assert.equal(5, (ip / packet.udp { sport = 53, dport = 9 } / dns { id = 5 }).dns.id)
    assert.is_nil((ip / packet.udp { sport = 54, dport = 9 } / ("\0"):rep(12)).dns)
  end)
end)

describe("multicast DNS", function()
  it("has its bits beside the class, and takes them back", function()
    local built = packet.ip4 {} / packet.udp { dport = 5353 } / packet.dns {
      questions = { { name = "a.local", class = "IN", unicast = true } },
      answers = { { name = "a.local", class = "IN", flush = true, data = "10.0.0.1" } } }
    local found = packet.parse(built:bytes(), "ip").dns
    local question, answer = found:questions()[1], found:answers()[1]
    assert.same({ "IN", true, nil }, { question.class, question.unicast, question.flush })
    assert.same({ "IN", true, nil }, { answer.class, answer.flush, answer.unicast })
    local again = packet.ip4 {} / packet.udp { dport = 5353 } / packet.dns {
      questions = found:questions(), answers = found:answers() }
    assert.equal(built:bytes(), again:bytes())
    assert.truthy(built:bytes():find("\128\1", 1, true))
  end)
end)
