-- Devices in the event loops of others. Debian has copas for Lua 5.1 and 5.2 only.
local tun = require "tun"
local socket, cqueues, uv = require "socket", require "cqueues", require "luv"
local copas = (_VERSION == "Lua 5.1" or _VERSION == "Lua 5.2") and require "copas"

-- An ICMP echo request from 10.9.0.2 to 10.9.0.1, and the length of the kernel's reply.
local ping = "\69\0\0\28\0\0\0\0\64\1\102\205\10\9\0\2\10\9\0\1\8\0\247\255\0\0\0\0"

describe("a device in", function()
  local device

  before_each(function()
    assert(tun.sandbox())
    device = assert(tun.open {
      name = "t0", address = "10.9.0.1/24", inet6_addr_gen_mode = "none",
    })
    device:settimeout(0)
  end)
  after_each(function() device:close() end)

  local function delete()
    assert(tun.link.del "t0")
  end

  local function is_reply(bytes)
    assert.equal(#ping, #bytes)
    assert.equal("\10\9\0\1\10\9\0\2\0", bytes:sub(13, 21))
  end

  describe("LuaSocket's select", function()
    -- A child does it, since nothing else runs here while select waits.
    local function meanwhile(command)
      local child = assert(io.popen("exec " .. command))
      local ready = socket.select({ device }, nil, 5)
      child:close()
      return ready[1]
    end

    it("is not ready without a packet", function()
      local ready, _, why = socket.select({ device }, nil, 0)
      assert.same({ nil, "timeout" }, { ready[1], why })
    end)

    it("wakes for a packet", function()
      assert.equal(device, meanwhile "ping -c 1 -W 0.2 10.9.0.2")
      assert.equal("\10\9\0\1\10\9\0\2\8", device:receive():sub(13, 21))
    end)

    it("is ready at once when it is closed", function()
      device:close()
      assert.equal(device, socket.select({ device }, nil, 5)[1])
      assert.same({ nil, "closed", tun.errno.EBADF }, { device:receive() })
    end)

    it("wakes for its deletion", function()
      assert.equal(device, meanwhile "ip link del t0")
      assert.same({ nil, "deleted", tun.errno.EBADFD }, { device:receive() })
    end)
  end)

  describe("cqueues", function()
    -- What a waiting reader gets when something happens while it waits.
    local function waiting(happens)
      local loop, result = cqueues.new(), nil
      loop:wrap(function()
        loop:wrap(happens)
        assert(cqueues.poll(device, 5) ~= 5, "it did not wake")
        result = { device:read(0) }
      end)
      assert(loop:loop(5))
      return result
    end

    it("wakes for a packet", function()
      is_reply(waiting(function() assert(device:write(ping)) end)[1])
    end)

    it("wakes for its deletion", function()
      assert.same({ nil, "deleted", tun.errno.EBADFD }, waiting(delete))
    end)

    it("wakes when it is closed", function()
      assert.same({ nil, "closed", tun.errno.EBADF }, waiting(function() device:close() end))
    end)

    it("does not wait when it is closed already", function()
      local loop, result = cqueues.new(), nil
      device:close()
      loop:wrap(function() result = cqueues.poll(device, 5) end)
      assert(loop:loop(5))
      assert.equal(device, result)
    end)
  end)

  if copas then
    describe("copas", function()
      -- Else it closes what a thread waited for last, and at random it waits to send.
      setup(function() copas.autoclose = false end)

      local function waiting(happens)
        local result
        copas.addthread(function() result = { copas.wrap(device):receive(2048) } end)
        assert.is_nil(result)
        happens()
        local limit = os.time() + 5
        repeat
          copas.step(1)
        until result or os.time() > limit
        return result
      end

      it("wakes for a packet", function()
        is_reply(waiting(function() assert(device:write(ping)) end)[1])
      end)

      it("wakes for its deletion", function()
        assert.same({ nil, "deleted", tun.errno.EBADFD }, waiting(delete))
      end)

      it("wakes when it is closed", function()
        assert.same({ nil, "closed", tun.errno.EBADF }, waiting(function() device:close() end))
      end)

      it("sends", function()
        copas.addthread(function() assert(copas.wrap(device):send(ping)) end)
        copas.step(0)
        is_reply(assert(device:read(5)))
      end)
    end)
  end

  describe("luv", function()
    local function waiting(happens)
      local poll, timer, result = uv.new_poll(device:fd()), uv.new_timer(), nil
      poll:start("r", function()
        result = { device:read(0) }
        poll:close()
        timer:close()
      end)
      timer:start(0, 5000, function()
        if happens then
          happens()
          happens = nil
        else
          poll:close()
          timer:close()
        end
      end)
      uv.run()
      return result
    end

    it("wakes for a packet", function()
      is_reply(waiting(function() assert(device:write(ping)) end)[1])
    end)

    it("wakes for its deletion", function()
      assert.same({ nil, "deleted", tun.errno.EBADFD }, waiting(delete))
    end)
  end)

  it("dev:each goes on after a signal that is handled", function()
    local signal = uv.new_signal()
    signal:start("sigusr1", function() end)
    local child = assert(io.popen [[
      for i in $(seq 200); do kill -USR1 $PPID; done
      exec ping -c 1 -W 0.2 10.9.0.2]])
    for packet in device:each() do
      assert.equal("\10\9\0\1\10\9\0\2\8", packet:sub(13, 21))
      device:close()
    end
    child:close()
    signal:close()
    uv.run()
  end)

  it("tun.poll wakes for its deletion", function()
    local child = assert(io.popen "exec ip link del t0")
    local ready, events = assert(tun.poll({ device }, 5))
    child:close()
    assert.equal(device, ready[1])
    assert.is_truthy(events[1]:find "e")
  end)
end)
