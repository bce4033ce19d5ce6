-- Random packets of all protocols, changed at random: what fix() computes is right, whether
-- it takes the short way or the long one.
local packet = require "tun.packet"
local random = dofile "spec/peers/random.lua"

local int = random.int

local function address4()
  return ("10.%d.%d.%d"):format(int(0, 255), int(0, 255), int(0, 255))
end

local function address6()
  return ("fd00::%x:%x:%x"):format(int(1, 65535), int(1, 65535), int(1, 65535))
end

local function number(most)
  return function()
    return int(1, 8) == 1 and int(0, 1) * most or int(0, most)
  end
end

local function port()
  return int(49152, 65535)
end

-- Fields that say nothing of what follows.
local CHANGES = {
  eth = { src = function() return "02:00:00:00:00:01" end },
  vlan = { id = number(4095), pcp = number(7) },
  ip4 = { src = address4, dst = address4, ttl = number(255), id = number(65535),
          dscp = number(63), df = function() return int(0, 1) == 1 end },
  ip6 = { src = address6, dst = address6, hlim = number(255), flow = number(1048575) },
  udp = { sport = port, dport = port },
  tcp = { sport = port, dport = port, seq = number(4294967295), ack = number(4294967295),
          window = number(65535), psh = function() return int(0, 1) == 1 end },
  icmp = { code = number(255) },
  icmp6 = { code = number(255) },
  arp = { tpa = address4 },
}

local function change_one(p)
  local layers = p:layers()
  local view = layers[int(1, #layers)]
  local fields, names = CHANGES[view:name()], {}
  for name in pairs(fields or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  local name = names[1] and names[int(1, #names)]
  -- A port that a protocol is known by stays.
  if name and not (name:find "port$" and view[name] < 49152) then
    view[name] = fields[name]()
    assert(view[name] ~= nil)
  end
end

local function change(p, times)
  for _ = 1, times do
    change_one(p.inner and int(1, 3) == 1 and p.inner or p)
  end
end

-- Nothing is wrong with it, and all that is computed anew is the same.
local function right(p)
  assert.is_true(p:verify())
  local again = packet.parse(p:bytes(), "eth")
  assert.is_nil(again.error)
  assert.is_true(again:verify())
  again:fix()
  assert.equal(p:bytes(), again:bytes())
end

describe("random packets", function()
  local seed = os.time()

  local function each(count, todo)
    random.seed(seed)
    for n = 1, count do
      local p = packet.parse(random.build(random.layers(n)):bytes(), "eth")
      local ok, why = pcall(todo, p)
      if not ok then
        error(("seed %d, packet %d: %s"):format(seed, n, tostring(why)))
      end
    end
  end

  it("are right after a few changes and fix()", function()
    each(400, function(p)
      change(p, int(1, 4))
      right(p:fix())
    end)
  end)

  it("are right after change upon change", function()
    each(100, function(p)
      for _ = 1, 6 do
        change(p, 1)
        p:fix()
      end
      right(p)
    end)
  end)

  it("are right in a tunnel and out of it again", function()
    each(100, function(p)
      local before = p:bytes()
      p:push(packet.eth {} / packet.ip4 { src = "192.0.2.1", dst = "192.0.2.2" }
        / packet.udp { sport = 50000, dport = 4789 } / packet.vxlan { vni = 7 })
      p:fix()
      right(p)
      assert.equal(before, p:pull "inner":bytes())
    end)
  end)

  it("are what their copies and their sources are", function()
    each(100, function(p)
      local chunk = (loadstring or load)("local packet = ...; return " .. p:lua()) -- luacheck: ignore
      assert.equal(p:bytes(), p:copy():bytes())
      assert.equal(p:bytes(), chunk(packet):bytes())
    end)
  end)

  it("come back from being cut", function()
    each(200, function(p)
      if p.ip and not p.frag and not (p.ip4 and p.ip4.offset > 0) and not p.error then
        if p.ip4 then
          p.ip4.df = false
        end
        if p.udp or p.tcp then
          p:fix()
          local whole, r = p:bytes(), packet.reassembler()
          local list = assert(p:fragment(p.ip4 and 68 + int(0, 40) or 1280))
          local again
          for i = #list, 1, -1 do
            again = r:add(list[i])
          end
          assert.equal(whole, again:bytes())
        end
      end
    end)
  end)
end)
