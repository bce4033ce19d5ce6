-- What everything with a descriptor has, whatever it is.
local core = require "tun.core"
local process = dofile "spec/process.lua"

local KINDS = {
  { "a device", "device", function()
    return core.open { mode = "tun", no_pi = true }
  end, function(it) it:name() end },
  { "a UDP socket", "UDP socket", function()
    return core.udp("127.0.0.1:0", "bind")
  end, function(it) it:address() end },
  { "a netlink socket", "netlink socket", core.netlink, function(it) it:next() end },
  { "a network namespace", "network namespace", core.netns, function(it) it:id() end },
}

for _, kind in ipairs(KINDS) do
  local name, noun, open, use = kind[1], kind[2], kind[3], kind[4]

  describe(name, function()
    setup(process.sandbox)

    it("lends its descriptor under the names that event loops look for", function()
      local it = assert(open())
      assert.is_true(it:fd() >= 0)
      assert.same({ it:fd(), it:fd(), "r" }, { it:getfd(), it:pollfd(), it:events() })
      assert.is_nil(it:timeout())
      assert.is_false(it:dirty())
      assert.is_true(it:settimeout(0.5))
      assert.is_true(it:settimeout(-1))
      assert.is_true(it:settimeout())
      assert.has_error(function() it:settimeout "soon" end,
        'timeout: "soon" is not a number of seconds')
      it:close()
    end)

    it("is closed once, and then wakes who waits for it", function()
      local it = assert(open())
      local fd = it:fd()
      assert.same({ true, true }, { it:close(), it:close() })
      assert.same({ -1, -1, 0 }, { it:fd(), it:pollfd(), it:getfd() })
      assert.equal(0, it:timeout())
      assert.is_true(it:dirty())
      assert.has_error(function() use(it) end, noun .. " is closed")
      local other = assert(open())
      assert.equal(fd, other:fd())
      it:close()
      assert.equal(fd, other:fd())
      assert.is_false(other:dirty())
      other:close()
    end)

    it("keeps no descriptor when it is collected", function()
      local before = process.descriptors()
      for _ = 1, 20 do
        assert(open())
      end
      assert.equal(before, process.descriptors())
    end)

    it("is closed by __close", function()
      local it = assert(open())
      debug.getmetatable(it).__close(it)
      assert.equal(-1, it:fd())
    end)

    it("refuses what is not one", function()
      local it = assert(open())
      for _, method in ipairs { "fd", "getfd", "close", "dirty", "events", "timeout" } do
        assert.error_matches(function() it[method]("x") end, "a method was called on a string")
      end
      it:close()
    end)
  end)
end
