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
  local protocol = setmetatable({ slow = function() error "left to Lua" end },
    { __index = packet[name] })
  walk.add(protocol)
  local go = walk.quick(protocol)
  go(self, arena, 0, #text, 0)
  assert.equal(protocol.mark, self[slot.LAYERS])
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
  it("has room for so many protocols; further ones are found all the same", function()
    for i = 1, 7 do
      packet.header("spec_service" .. i, { { "number", 8 }, level = "service" })
      packet.header("spec_service" .. i, { { "again", 8 }, level = "service",
                                           follows = { ethertype = 0x7000 + i } })
    end
    for i = 1, 7 do
      local p = packet.parse((packet.eth {} / packet["spec_service" .. i] { again = i }):bytes(),
        "eth")
      assert.equal(i, p["spec_service" .. i].again)
      assert.equal("", p.payload)
    end
    assert.equal(5, packet.parse((packet.eth {} / packet.svlan { id = 5 } / "x"):bytes(), "eth")
      .svlan.id)
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
