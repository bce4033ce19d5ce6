-- Bytes that mean harm: `make hostile` runs many more of them.
local hostile = dofile "spec/packet/hostile.lua"
local packet = require "tun.packet"

-- One packet is done with in less, read and printed and rebuilt and answered, by the
-- slowest of the Luas under the slowest of the tools; most take a thousandth of it.
local SECONDS = 10

-- What began with bytes is as long as a packet can be.
local function long(front, unit)
  return (front .. unit:rep(math.floor((65535 - #front) / #unit) + 1)):sub(1, 65535)
end

local function be16(n)
  return string.char(math.floor(n / 256), n % 256)
end

local function ip6(next, behind)
  return "\96\0\0\0" .. be16(#behind) .. string.char(next, 64) .. ("\253"):rep(15) .. "\1"
    .. ("\253"):rep(15) .. "\2" .. behind
end

local function ip4(proto, behind)
  return "\69\0" .. be16(20 + #behind) .. "\0\0\0\0\64" .. string.char(proto)
    .. "\0\0\10\0\0\1\10\0\0\2" .. behind
end

local function udp(port, behind)
  return "\200\0" .. be16(port) .. be16(8 + #behind) .. "\0\0" .. behind
end

local LONG = {
  ["extension headers without end"] = ip6(60, (long("", "\60\0\1\4\0\0\0\0"):sub(1, 65488))),
  ["tunnels in tunnels"] = long("", "\69\0\255\255\0\0\0\0\64\4\0\0\10\0\0\1\10\0\0\2"),
  ["GRE in GRE"] = long("", "\69\0\255\255\0\0\0\0\64\47\0\0\10\0\0\1\10\0\0\2\0\0\8\0"),
  ["errors that quote errors"] = long("",
    "\69\0\255\255\0\0\0\0\64\1\0\0\10\0\0\1\10\0\0\2\3\3\0\0\0\0\0\0"),
  ["records of names that are chains of pointers"] = ip4(17, udp(53, (function()
    local names = { "\0" }
    for i = 2, 500 do -- each points at the one in front of it
      names[i] = "\1a" .. be16(0xc000 + 12 + (i > 2 and (i - 3) * 4 + 1 or 0))
    end
    local front = "\0\1\128\0\0\0\255\255\0\0\0\0" .. table.concat(names)
    return (front .. ("\196\0\0\1\0\1\0\0\0\0\0\0"):rep(5000)):sub(1, 65500)
  end)())),
  ["a name that points at itself"] = ip4(17, udp(53, "\0\1\0\0\255\255\0\0\0\0\0\0"
    .. ("\192\12\0\1\0\1"):rep(10000))),
  ["options of one byte"] = ip4(17, udp(67, ("\1\1\6\0"):rep(59) .. "\99\130\83\99"
    .. ("\0"):rep(65000))),
  ["options of two bytes"] = ip4(17, udp(67, ("\1\1\6\0"):rep(59) .. "\99\130\83\99"
    .. ("\12\0"):rep(32500))),
  ["neighbour discovery options"] = ip6(58, "\133\0\0\0\0\0\0\0" .. ("\1\1\2\0\0\0\0\1"):rep(8000)),
  ["listener records"] = ip6(58, "\143\0\0\0\0\0\255\255"
    .. ("\1\0\0\0" .. ("\255"):rep(16)):rep(3200)),
}

describe("hostile bytes", function()
  it("raise nothing and touch nothing outside of the packet", function()
    hostile.run(os.time(), 2000, error)
  end)

  for name, text in pairs(LONG) do
    it("take bounded time: " .. name, function()
      local started = os.clock()
      hostile.all(text, "ip")
      assert.is_true(os.clock() - started < SECONDS)
    end)
  end

  it("take bounded time: every byte the same", function()
    for _, byte in ipairs { "\0", "\1", "\4", "\69", "\96", "\192", "\255" } do
      local started = os.clock()
      for _, kind in ipairs { "eth", "ip", "dns", "tcp", "dhcp" } do
        hostile.all(byte:rep(2000), kind)
      end
      assert.is_true(os.clock() - started < SECONDS)
    end
  end)

  it("may be nothing at all", function()
    for _, kind in ipairs { "eth", "ip", "tcp", "dns", "tun_pi" } do
      local p = packet.parse("", kind)
      assert.is_table(p.error)
      hostile.all("", kind)
    end
  end)
end)
