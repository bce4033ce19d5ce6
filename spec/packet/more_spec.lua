-- Protocols beyond those that have a spec of their own: bytes that scapy made, both ways.
local golden = dofile "spec/packet/golden.lua"
local packet = require "tun.packet"

local A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"

local function net4(id, fields)
  fields = fields or {}
  fields.src, fields.dst, fields.id = "10.0.0.1", "10.0.0.2", id
  return packet.ip4(fields)
end

local function eth(type)
  return packet.eth { src = A, dst = B, type = type }
end

local function datagram()
  return packet.udp { sport = 50000, dport = 9 } / "x"
end

golden.each(describe, it, {
  {
    "an IGMPv2 report",
    bytes = "4500001c000100000102a5dd0a0000010a000002161407e7e0010203",
    read = { igmp = { type = "report2", group = "224.1.2.3" } },
    build = function()
      return net4(1, { ttl = 1 })
        / packet.igmp { type = "report2", max_response = 20, group = "224.1.2.3" }
    end,
  },
  {
    "an IGMPv3 report",
    bytes = "45c00028000100000102a5110a0000010a0000022200f5f20000000102000001e001020301020304",
    read = { igmp3_report = { records = {
      { type = "is_ex", group = "224.1.2.3", sources = { "1.2.3.4" } } } } },
    build = function()
      return net4(1, { dscp = 48, ttl = 1 }) / packet.igmp { type = "report3", nrecords = 1 }
        / packet.igmp3_report { records = {
          { type = "is_ex", group = "224.1.2.3", sources = { "1.2.3.4" } } } }
    end,
  },
  {
    "MPLS",
    bytes = "020000000002020000000001884700064009000c81084500001d00010000401166cd0a0000010a000002"
      .. "c35000090009b07f78",
    kind = "eth",
    read = { mpls = { label = 100, s = false, ttl = 9 }, udp = { dport = 9 } },
    build = function()
      return eth("mpls") / packet.mpls { label = 100, ttl = 9 }
        / packet.mpls { label = 200, s = true, ttl = 8 } / net4(1) / datagram()
    end,
  },
  {
    "GENEVE with an option",
    bytes = "4500005700010000401166930a0000010a000002c35017c10043e54b0200655800000500010201016162"
      .. "636402000000000202000000000108004500001d00010000401166cd0a0000010a000002c35000090009"
      .. "b07f78",
    read = { geneve = { vni = 5, options = { { 1, "abcd", class = 0x102 } } } },
    inner = { udp = { dport = 9 } },
    build = function()
      return net4(1) / packet.udp { sport = 50000 } / packet.geneve { vni = 5,
        options = { { 1, "abcd", class = 0x102 } } } / eth() / net4(1) / datagram()
    end,
  },
  {
    "PPPoE",
    bytes = "020000000002020000000001886411000007001f00214500001d00010000401166cd0a0000010a000002c3"
      .. "5000090009b07f78",
    kind = "eth",
    read = { pppoe = { session = 7 }, ppp = { proto = "ip4" }, udp = { dport = 9 } },
    build = function()
      return eth() / packet.pppoe { session = 7 } / packet.ppp {} / net4(1) / datagram()
    end,
  },
  {
    "PPPoE discovery",
    bytes = "ffffffffffff020000000001886311090000000b0101000001030003616263",
    kind = "eth",
    read = { pppoed = { code = "padi", tags = { { "service", "" }, { "host_uniq", "abc" } } } },
    build = function()
      return packet.eth { src = A } / packet.pppoed { code = "padi",
        tags = { { "service", "" }, { "host_uniq", "abc" } } }
    end,
  },
  {
    "SCTP",
    bytes = "4500004c000100004084662b0a0000010a0000020001000200000007f66d1f9200030015000000010002"
      .. "00030000000468656c6c6f0000000300001400000005000000060001000000010002",
    read = { sctp = { tag = 7, chunks = {
      { "data", { tsn = 1, stream = 2, seq = 3, ppid = 4, data = "hello" }, flags = 3 },
      { "sack", { tsn = 5, window = 6, gaps = { { first = 1, last = 2 } }, dups = {} } } } } },
    build = function()
      return net4(1) / packet.sctp { sport = 1, dport = 2, tag = 7, chunks = {
        { "data", { tsn = 1, stream = 2, seq = 3, ppid = 4, data = "hello" }, flags = 3 },
        { "sack", { tsn = 5, window = 6, gaps = { { first = 1, last = 2 } } } } } }
    end,
  },
  {
    "DHCPv6",
    bytes = "60000000003e1140fd000000000000000000000000000001ff0200000000000000000000000100020222"
      .. "0223003e00af010000050008000200070003002800000001000000020000000300050018fd0000000000"
      .. "000000000000000000090000000400000005",
    read = { dhcp6 = { type = "solicit", xid = 5, options = { { "elapsed", 7 },
      { "ia_na", { iaid = 1, t1 = 2, t2 = 3, options = { { "ia_address",
        { address = "fd00::9", preferred = 4, valid = 5, options = {} } } } } } } } },
    build = function()
      return packet.ip6 { src = "fd00::1", dst = "ff02::1:2" }
        / packet.udp { sport = 546, dport = 547 }
        / packet.dhcp6 { xid = 5, options = { { "elapsed", 7 },
          { "ia_na", { iaid = 1, t1 = 2, t2 = 3, options = { { "ia_address",
            { address = "fd00::9", preferred = 4, valid = 5 } } } } } } }
    end,
  },
  {
    "NTP",
    bytes = "4500004c000100004011669e0a0000010a000002007b007b003886b424020aec00018000000000000a09"
      .. "0807000000010000000000000002000000000000000300000000e8c93a0180000000",
    read = { ntp = { mode = "server", stratum = 2, poll = 10, precision = -20, delay = 1.5,
      sent = "0xe8c93a0180000000", refid = 0x0a090807 } },
    build = function()
      return net4(1) / packet.udp { sport = 123, dport = 123 }
        / packet.ntp { mode = "server", stratum = 2, poll = 10, precision = -20, delay = 1.5,
          refid = 0x0a090807, reference = "0x100000000",
        origin = "0x200000000", received = "0x300000000", sent = "0xe8c93a0180000000" }
    end,
  },
  {
    "LLDP",
    bytes = "0180c200000e02000000000188cc02070402000000000104050565746830060200780a04686f73740000"
      .. "000000000000000000000000000000000000",
    kind = "eth",
    read = { lldp = { info = { { "chassis", { subtype = 4, id = "\2\0\0\0\0\1" } },
      { "port", { subtype = 5, id = "eth0" } }, { "ttl", 120 }, { "name", "host" }, { "end" },
      { "rest", ("\0"):rep(18) } } } },
    build = function()
      return packet.eth { src = A, dst = "01:80:c2:00:00:0e" } / packet.lldp { info = {
        { "chassis", { subtype = 4, id = "\2\0\0\0\0\1" } },
        { "port", { subtype = 5, id = "eth0" } },
        { "ttl", 120 }, { "name", "host" }, { "end" }, { "rest", ("\0"):rep(18) } } }
    end,
  },
  {
    "a spanning tree",
    bytes = "0180c2000000020000000001002642420300000000001000020000000009000000052000020000000008"
      .. "80010100140002000f00",
    kind = "eth",
    read = { stp = { type = "config" }, bpdu = { root_priority = 4096,
      root = "02:00:00:00:00:09", cost = 5, age = 1, max_age = 20, hello = 2, delay = 15 } },
    build = function()
      return packet.eth { src = A, dst = "01:80:c2:00:00:00", type = 38 }
        / packet.llc { ssap = 0x42 }
        / packet.stp {} / packet.bpdu { root_priority = 4096, root = "02:00:00:00:00:09", cost = 5,
          bridge_priority = 8192, bridge = "02:00:00:00:00:08", port = 0x8001, age = 1 }
    end,
  },
  {
    "GTP-U",
    bytes = "4500004500010000401166a50a0000010a000002086808680031bba832ff002100000005000900004500"
      .. "001d00010000401166cd0a0000010a000002c35000090009b07f78",
    read = { gtp = { type = "data", teid = 5, seq = 9 } },
    inner = { udp = { dport = 9 } },
    build = function()
      return net4(1) / packet.udp { sport = 2152, dport = 2152 }
        / packet.gtp { teid = 5, s = true, seq = 9 }
        / net4(1) / datagram()
    end,
  },
  {
    "Linux cooked",
    bytes = "000402000006020000000001000008004500001d00010000401166cd0a0000010a000002c35000090009"
      .. "b07f78",
    kind = "sll",
    read = { sll = { type = "outgoing", proto = "ip4" }, udp = { dport = 9 } },
    build = function()
      return packet.sll { type = "outgoing", hardware = 512,
        address = "\2\0\0\0\0\1\0\0" } / net4(1) / datagram()
    end,
  },
  {
    "IKE",
    bytes = "4500003800010000401166b20a0000010a00000201f401f40024b4221122334455667788000000000000"
      .. "000000202208000000000000001c",
    read = { ike = { initiator = "0x1122334455667788", exchange = "sa_init", i = true } },
    build = function()
      return net4(1) / packet.udp { sport = 500, dport = 500 }
        / packet.ike { initiator = "0x1122334455667788",
        i = true }
    end,
  },
  {
    "HTTP",
    bytes = "4500004400010000400666b10a0000010a000002c35000500000000000000000501820009dbd00004745"
      .. "54202f7820485454502f312e310d0a486f73743a20610d0a0d0a",
    read = { http = { start = "GET /x HTTP/1.1" } },
    build = function()
      return net4(1) / packet.tcp { sport = 50000, flags = "PA", window = 8192 }
        / packet.http { start = "GET /x HTTP/1.1" } / "Host: a\r\n\r\n"
    end,
  },
  {
    "EDNS",
    bytes = "4500004800010000401166a20a0000010a000002c35000350034cc4b0001010000010000000000010161"
      .. "0162000001000100002904d000008000000c000a00083132333435363738",
    read = { dns = { additionals = { { name = ".", type = "OPT", class = 1232, ttl = 0x8000,
      data = { { "cookie", "12345678" } } } } } },
    build = function()
      return net4(1) / packet.udp { sport = 50000 } / packet.dns { id = 1, rd = true,
        questions = { { name = "a.b" } }, additionals = { { name = ".", type = "OPT", class = 1232,
          ttl = 0x8000, data = { { "cookie", "12345678" } } } } }
    end,
  },
  {
    "DNS over TCP",
    bytes = "4500003f00010000400666b60a0000010a000002c3500035000000000000000050182000b25300000015"
      .. "000101000001000000000000016101620000010001",
    read = { dns_tcp = { length = 21 }, dns = { id = 1, qdcount = 1 } },
    build = function()
      return net4(1) / packet.tcp { sport = 50000, flags = "PA", window = 8192 } / packet.dns_tcp {}
        / packet.dns { id = 1, rd = true, questions = { { name = "a.b" } } }
    end,
  },
})
