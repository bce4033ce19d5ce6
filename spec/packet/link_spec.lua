-- What the kernel puts in front of packets: tun_pi and virtio_net.
local golden = require "spec.packet.golden"
local packet = require "tun.packet"
local ip4, udp = packet.ip4, packet.udp

local IP = "4500001d00020000401174c90101010102020202 00010002000981d378"

-- 16 bits in this machine's order of bytes.
local native = (function()
  local jitted, ffi = pcall(require, "ffi")
  local low
  if jitted then
    low = ffi.abi "le"
  elseif string.pack then -- luacheck: ignore
    low = string.pack("=I2", 1):byte() == 1 -- luacheck: ignore
  else
    low = string.dump(function() end):byte(7) == 1
  end
  return function(number)
    local hex = ("%04x"):format(number)
    return low and hex:sub(3) .. hex:sub(1, 2) or hex
  end
end)()

local function inner()
  return ip4 { src = "1.1.1.1", dst = "2.2.2.2", id = 2 } / udp { sport = 1, dport = 2 } / "x"
end

golden.each(describe, it, {
  {
    "tun_pi",
    kind = "tun_pi",
    bytes = "0000 0800" .. IP,
    line = "IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 1",
    read = { tun_pi = { flags = 0, proto = 0x0800 }, ip4 = { id = 2 }, udp = { dport = 2 } },
    build = function()
      return packet.tun_pi {} / inner()
    end,
  },
  {
    "virtio_net",
    kind = "virtio_net",
    bytes = "0000" .. native(28) .. native(1400) .. native(0) .. native(0) .. IP,
    line = "IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 1",
    read = { virtio_net = { needs_csum = false, gso_type = 0, hdr_len = 28, gso_size = 1400 },
             ip4 = { id = 2 } },
    build = function()
      return packet.virtio_net { hdr_len = 28, gso_size = 1400 } / inner()
    end,
  },
  {
    "tun_pi, virtio_net and Ethernet",
    kind = "tun_pi/virtio_net/eth",
    bytes = "0000 0800 0200" .. ("0000"):rep(4) .. "020000000002 020000000001 0800" .. IP,
    read = { tun_pi = { proto = 0x0800 }, virtio_net = { data_valid = true },
             eth = { type = 0x0800 }, ip4 = { id = 2 } },
    build = function()
      return packet.tun_pi { proto = "ip4" } / packet.virtio_net { data_valid = true }
        / packet.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" } / inner()
    end,
  },
})

describe("tun_pi", function()
  it("alone, or cut off, is no packet", function()
    assert.truthy(golden.parse("00000800", "tun_pi").error)
    assert.truthy(golden.parse("0000", "tun_pi").error)
    assert.truthy(golden.parse("0000080000", "tun_pi/virtio_net").error)
  end)

  it("tells that the packet was cut to the reader's buffer", function()
    assert.equal("strip", golden.parse(native(1) .. "0800" .. IP, "tun_pi").tun_pi.flags)
  end)
end)
