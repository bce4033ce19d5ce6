-- Finalizers that run after those of what they use: everything is there for as long as
-- anything refers to it. In a child, which may crash.
local process = dofile "spec/process.lua"

-- What make() makes is used in a finalizer that runs after the object's own, and is kept.
local CHILD = [[
  local packet, tun = require "tun.packet", require "tun"
  assert(tun.sandbox())
  local function batch()
    local b = tun.batch { slots = 4 }
    for i = 1, 4 do
      assert(b:add(packet.ip4 { src = "127.0.0.1", dst = "127.0.0.1" } / packet.udp {}
        / tostring(i)))
    end
    return b
  end
  local function last(make, use)
    local ran, kept
    local function scope()
      local object
      local function finalizer()
        use(object)
        ran, kept = true, object
      end
      local holder = newproxy and newproxy(true) or setmetatable({}, { __gc = finalizer })
      getmetatable(holder).__gc = finalizer
      object = make()
      return holder
    end
    scope()
    for _ = 1, 10 do
      collectgarbage()
    end
    assert(ran, "no finalizer ran")
    for _ = 1, 10 do -- memory that is free by now is used for others
      assert(tun.batch { slots = 4 })
      use(kept)
      collectgarbage()
    end
  end
  %s
  print "done" ]]

local USES = {
  ["looks at a view"] = [[last(function() return batch():packet(2) end, function(p)
    assert(p.udp and p.payload == "2" and p:verify() == true)
    p.ip4.ttl = 3
    p:fix()
    assert(p.ip4.ttl == 3 and #p:copy():bytes() == 29)
    p.ip4.ttl = 64
    p:fix()
    assert(type(tostring(p)) == "string")
  end)]],
  ["looks at the packets of a loop"] = [[last(function()
    local b = batch()
    local step, state = b:packets()
    return { step(state), b }
  end, function(t)
    assert(t[1].udp and t[2]:count() == 0)
  end)]],
  ["fills a batch"] = [[last(batch, function(b)
    assert(b:clear():add "x" and b:count() == 1 and b:packet(1):bytes() == "x")
    assert(b:sibling():add "y")
  end)]],
  ["sends on a socket"] = [[last(function()
    local s = assert(tun.udp { bind = "127.0.0.1:0" })
    s:connect(s:address())
    return s
  end, function(s)
    local b = batch()
    assert(select(2, s:send("x")) == "closed" and select(2, s:write("x")) == "closed")
    assert(select(2, s:send(b)) == "closed" and select(2, s:receive(b:clear(), 0)) == "closed")
    assert(select(2, s:read(0)) == "closed")
  end)]],
  ["sends by a device"] = [[last(function() return assert(tun.open()) end, function(dev)
    local b = batch()
    assert(select(2, dev:send("x")) == "closed" and select(2, dev:send(b:packet(1))) == "closed")
    assert(select(2, dev:send(b)) == "closed" and select(2, dev:receive(b:clear(), 0)) == "closed")
  end)]],
}

describe("a finalizer that runs after the object's own", function()
  for what, use in pairs(USES) do
    it(what, function()
      local output, status = process.lua(CHILD:format((use:gsub("%%", "%%%%"))))
      assert.same({ "done", 0 }, { output, status })
    end)
  end
end)

describe("what LuaJIT does without a call into C", function()
  it("is refused for anything but a device", function()
    local output = process.lua [[
      local packet, tun = require "tun.packet", require "tun"
      assert(tun.sandbox())
      local dev, b = assert(tun.open()), tun.batch()
      b:add "x"
      local sock = assert(tun.udp { bind = "127.0.0.1:0" })
      local count = 0
      for _, p in ipairs { b:packet(1), packet.ip4 {}, b:packet(1):copy() } do
        for _, x in ipairs { false, 0, "", {}, print, b, sock, io.stderr, p, tun.netns(),
                             coroutine.create(function() end) } do
          local ok, why = pcall(dev.send, x or nil, p)
          assert(not ok and why:find "a method was called on a", why)
          ok, why = pcall(dev.packets, x or nil)
          assert(not ok and why:find "a method was called on a", why)
          count = count + 1
        end
      end
      print(count) ]]
    assert.equal("33", output)
  end)
end)
