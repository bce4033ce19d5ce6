-- What C reads of packets where there is no FFI; see csrc/walk.c.
local core = require "tun.core"
local packet = require "tun.packet"
local slot = require "tun.packet.memory.slot"
local view = require "tun.packet.object"
local walk = require "tun.packet.declare.walk"

-- Read a header in C, or fail.
local function read(name, header)
  local text = header:bytes()
  local arena = core.arena(#text)
  arena:write(0, text)
  local self = view.new(arena, arena, 0, #text)
  local go = walk.quick(packet[name], function() error "left to Lua" end)
  go(self, arena, 0, #text, 0)
  assert.equal(packet[name].mark, self[slot.LAYERS])
  return self[slot.PAYLOAD]
end

-- Quoting depends on more than one number.
packet.header("spec_quote", {
  { "type", 8 },
  { "code", 8 },
  level = "transport",
  inner = "ip4",
  quotes = "type == 3 and code == 4",
})

describe("a level", function()
  it("has room for so many protocols", function()
    assert.error_matches(function()
      for i = 1, 4 do
        packet.header("spec_service" .. i, { { "number", 8 }, level = "service" })
        packet.header("spec_service" .. i, { { "again", 8 }, level = "service" })
      end
    end, 'header "spec_service3": no room for more protocols of its level')
  end)
end)

describe("C", function()
  it("reads the headers of usual packets", function()
    assert.equal(8, read("udp", packet.udp {} / "x"))
    assert.equal(24, read("tcp", packet.tcp { options = { { "mss", 1460 } } } / "x"))
    assert.equal(8, read("icmp", packet.icmp { type = "echo" } / "x"))
  end)

  it("leaves to Lua what is not usual", function()
    local wrong = {
      udp = packet.udp { length = 9 },
      tcp = packet.tcp { doff = 4 },
      icmp = packet.icmp { type = "unreachable" } / packet.ip4 {},
      icmp6 = packet.icmp6 { type = "echo" },
      eth = packet.eth { type = 0x1234 },
      ip4 = packet.ip4 { version = 5 },
      frag = packet.frag {},
      spec_quote = packet.spec_quote { type = 1 },
    }
    for name, header in pairs(wrong) do
      assert.error_matches(function() read(name, header) end, "left to Lua")
    end
  end)
end)
