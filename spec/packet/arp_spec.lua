local golden = require "spec.packet.golden"
local packet = require "tun.packet"

local HEADER = "ffffffffffff 020000000001 0806"

golden.each(describe, it, {
  {
    "ARP request",
    kind = "eth",
    bytes = HEADER .. "0001080006040001 020000000001 0a000001 000000000000 0a000002",
    line = "ARP, Request who-has 10.0.0.2 tell 10.0.0.1",
    read = {
      eth = { type = 0x0806 },
      arp = { htype = 1, ptype = 0x0800, hlen = 6, plen = 4, op = 1, sha = "02:00:00:00:00:01",
              spa = "10.0.0.1", tha = "00:00:00:00:00:00", tpa = "10.0.0.2", tpa_n = 0x0a000002 },
    },
    build = function()
      return packet.eth { src = "02:00:00:00:00:01" }
        / packet.arp { sha = "02:00:00:00:00:01", spa = "10.0.0.1", tpa = "10.0.0.2" }
    end,
  },
  {
    "ARP reply",
    kind = "eth",
    bytes = HEADER .. "0001080006040002 020000000002 0a000002 020000000001 0a000001",
    line = "ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:02",
    read = { arp = { op = 2 } },
    build = function()
      return packet.eth { src = "02:00:00:00:00:01" } / packet.arp { op = "reply",
        sha = "02:00:00:00:00:02", spa = "10.0.0.2", tha = "02:00:00:00:00:01", tpa = "10.0.0.1" }
    end,
  },
})

describe("ARP", function()
  it("keeps Ethernet's padding out of the payload", function()
    local found = golden.parse(HEADER ..
      "0001080006040001 020000000001 0a000001 000000000000 0a000002" .. ("00"):rep(18), "eth")
    assert.equal("", found.payload)
    assert.is_nil(found.error)
  end)

  it("is not read with addresses of other sizes", function()
    local found = golden.parse(HEADER .. "0001080008040001" .. ("00"):rep(24), "eth")
    assert.is_nil(found.arp)
    assert.equal("arp", found.error.layer)
    assert.equal("addresses are not those of Ethernet and IPv4", found.error.message)
  end)
end)
