-- Much in one process: states of Lua, devices, sockets.
local process = dofile "spec/process.lua"
local tun = require "tun"

describe("one process", function()
  setup(function() assert(tun.sandbox()) end)

  it("has two states, of which each ends for itself, and loads the module again", function()
    local script = ([[
      package.path, package.cpath = %q, %q
      local tun = require "tun"
      for _, object in ipairs(kept or {}) do
        local _ = object.close and object:close()
      end
      local dev = assert(tun.open { address = "10.0.0.1/24" })
      local socket = assert(tun.udp { bind = "10.0.0.1:0" })
      assert(socket:write("x", socket:address()))
      assert(socket:read(1) == "x")
      local batch = assert(tun.batch { slots = 4 })
      assert(batch:add(require "tun.packet".ip4 {} / require "tun.packet".udp {}))
      kept = { dev, socket }
      views = { batch, batch:packet(1) }
      for object in batch:packets() do assert(object.udp) end
      assert(#tun.addr.list { dev = dev } > 0)
      collectgarbage()]]):format(package.path, package.cpath)
    local build = os.getenv "BUILD"
    local text, status = process.run(("%s/host %s/tun/core.so '%s'"):format(build, build,
      (script:gsub("'", [['\'']]))))
    assert.equal(0, status, text)
    assert.equal("10 10 10 ", text)
  end)

  it("has a thousand devices and three thousand sockets", function()
    local text, status = process.lua([[
      local tun = require "tun"
      assert(tun.sandbox())
      local devices, sockets = {}, {}
      for i = 1, 1000 do
        devices[i] = assert(tun.open { name = "t" .. i, persist = true })
      end
      for i = 1, 3000 do
        sockets[i] = assert(tun.udp { bind = "127.0.0.1:0" })
      end
      assert(tun.link.set { name = "lo", up = true })
      assert(sockets[1]:write("x", sockets[2000]:address()))
      local ready = assert(tun.poll(sockets, 5))
      assert(#ready == 1 and ready[1] == sockets[2000] and ready[1]:read(0) == "x")
      assert(#tun.link.list { kind = "tun" } == 1000)
      for i = 1, 1000 do devices[i]:close() end
      for i = 1, 3000 do sockets[i]:close() end
      print "all"]], "prlimit --nofile=8192")
    assert.equal("all", text)
    assert.equal(0, status)
  end)
end)
