local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local eth, vlan, svlan, ip4, udp = packet.eth, packet.vlan, packet.svlan, packet.ip4, packet.udp

local MACS = { dst = "02:00:00:00:00:02", src = "02:00:00:00:00:01" }

golden.each(describe, it, {
  {
    "Ethernet with two tags",
    kind = "eth",
    bytes = "020000000002020000000001 88a8 6064 8100 0005 0800" ..
      "4500001d00010000401166cd0a0000010a000002 0001000200 0973d6 78",
    line = "svlan 100, p 3, vlan 5, IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 1",
    read = {
      eth = { dst = MACS.dst, src = MACS.src, type = 0x88a8, src_n = 0x020000000001 },
      svlan = { pcp = 3, dei = false, id = 100, type = 0x8100 },
      vlan = { pcp = 0, id = 5, type = 0x0800 },
      ip4 = { id = 1 },
      udp = { sport = 1, dport = 2 },
    },
    build = function()
      return eth(MACS) / svlan { pcp = 3, id = 100 } / vlan { id = 5 }
        / ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 1 } / udp { sport = 1, dport = 2 } / "x"
    end,
  },
})

describe("Ethernet", function()
  local frame = "020000000002 020000000001 0800 4500001c00010000401166ce0a0000010a000002" ..
    "0001000200080000"

  it("keeps its padding out of the payload", function()
    local found = golden.parse(frame .. ("ee"):rep(18), "eth")
    assert.is_nil(found.error)
    assert.equal("", found.payload)
    assert.equal(60, #found:bytes())
    assert.is_true(found:verify())
    assert.truthy(found:hexdump():find "trailer +002a  ee ee")
  end)

  it("has padding that its source builds", function()
    local found = golden.parse(frame .. ("ee"):rep(18), "eth")
    assert.equal(found:bytes(), golden.run(found:lua()):bytes())
  end)

  it("is found to be of a type that is no layer here", function()
    local found = golden.parse("020000000002020000000001 9000 0207", "eth")
    assert.is_nil(found.ip)
    assert.equal("\2\7", found.payload)
    assert.equal("02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype loopback 0x9000, length 16",
      tostring(found))
  end)

  it("has a length where its type is no type", function()
    local found = golden.parse("0180c2000000020000000001 0003 e0e003", "eth")
    assert.equal("02:00:00:00:00:01 > 01:80:c2:00:00:00, 802.3, llc dsap 224, ssap 224, control 3 length 17",
      tostring(found))
    assert.is_nil(found.error)
  end)

  it("says that it is too short", function()
    local found = golden.parse("0200000000020200000000", "eth")
    assert.is_nil(found.eth)
    assert.same({ layer = "eth", offset = 0, message = "truncated: 14 bytes needed, 11 there" },
      found.error)
  end)

  it("refuses what is no address, with the caller's line", function()
    local ok, message = pcall(function()
      return eth { src = "02:00:00:00:00" }
    end)
    assert.is_false(ok)
    assert.truthy(message:find('eth.src: 02:00:00:00:00 is not a link-layer address', 1, true))
    assert.truthy(message:find "ethernet_spec.lua:%d+:")
  end)

  it("has a third tag behind the other two", function()
    local found = golden.parse("020000000002020000000001 8100 0001 8100 0002 88cc", "eth")
    assert.equal(1, found.vlan.id)
    local ids = {}
    for _, view in ipairs(found:layers()) do
      ids[#ids + 1] = getmetatable(view).protocol == vlan and view.id or nil
    end
    assert.same({ 1, 2 }, ids)
  end)
end)
