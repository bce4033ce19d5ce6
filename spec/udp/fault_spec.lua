-- UDP sockets of which one system call fails: what is told, what is sent and kept.
local arrival = dofile "spec/udp/arrival.lua"
local core = require "tun.core"
local process = dofile "spec/process.lua"
local tun = require "tun"
local with = dofile "spec/failing.lua"

describe("a UDP socket of which a system call fails", function()
  local here, six = "127.0.0.1", "[::1]"
  local server, client

  setup(function() assert(tun.sandbox()) end)
  after_each(function()
    for _, socket in ipairs { server, client } do
      socket:close()
    end
  end)

  local function pair(address, gso)
    server = assert(tun.udp { bind = address .. ":0", rcvbuf = 4000000 })
    client = assert(tun.udp { bind = address .. ":0", connect = server:address(), gso = gso })
  end

  -- 80 datagrams of 100 bytes.
  local function many()
    local batch, list = assert(tun.batch { slots = 80 }), {}
    for i = 1, 80 do
      list[i] = ("%d;"):format(i):rep(100):sub(1, 100)
      assert(batch:add(list[i]))
    end
    return batch, list
  end

  -- -- Options ----------------------------------------------------------------

  for _, name in ipairs { "ttl", "broadcast", "rcvbuf", "df", "dev", "gso", "gro" } do
    it("does not tell " .. name, function()
      pair(here)
      assert.same({ nil, "udp: " .. name .. ": Permission denied", "EACCES" },
        { with("getsockopt", 1, "EACCES", function() return client:get(name) end) })
    end)
  end

  -- Where it is, what is set, and which call fails.
  local kept = {
    { here, "ttl", 3, "setsockopt", 1 }, { six, "ttl", 3, "setsockopt", 1 },
    { six, "ttl", 3, "setsockopt", 2 }, { six, "ttl", 3, "getsockopt", 1 },
    { six, "df", true, "setsockopt", 2 }, { here, "broadcast", true, "setsockopt", 1 },
    { here, "gso", false, "setsockopt", 1 }, { here, "gro", false, "setsockopt", 1 },
    { here, "dev", "lo", "setsockopt", 1 },
  }
  for _, row in ipairs(kept) do
    local address, name, value, call, nth = (unpack or table.unpack)(row) -- luacheck: compat
    it(("keeps its %s at %s when %s %d fails"):format(name, address, call, nth), function()
      pair(address)
      local before = client:get(name)
      assert.same({ nil, ("udp: %s: Cannot allocate memory"):format(name), "ENOMEM" },
        { with(call, nth, "ENOMEM", function() return client:setoption(name, value) end) })
      assert.equal(before, client:get(name))
    end)
  end

  it("has a buffer as large as the system allows to all", function()
    pair(here)
    assert.is_true(with("setsockopt", 1, "EPERM", function()
      return client:set { sndbuf = 20000 }
    end))
    assert.equal(40000, client:get "sndbuf")
  end)

  -- -- Opening ----------------------------------------------------------------

  for _, row in ipairs { { "socket", "EMFILE", "Too many open files" },
                         { "bind", "ENOMEM", "Cannot allocate memory" } } do
    it("is not there without " .. row[1], function()
      pair(here)
      local before = process.descriptors()
      assert.same({ nil, "udp 127.0.0.1:0: " .. row[3], row[2] },
        { with(row[1], 1, row[2], function() return tun.udp { bind = here .. ":0" } end) })
      assert.equal(before, process.descriptors())
    end)
  end

  it("says nothing of an address that the kernel does not tell", function()
    pair(here)
    assert.is_nil((with("getpeername", 1, "ENOBUFS", function() return client:peer() end)))
  end)

  -- -- Receiving --------------------------------------------------------------

  local receiving = {
    { "read", function() return server:read(1) end },
    { "receive", function() return server:receive() end },
    { "receive of a batch", function()
      local batch = assert(tun.batch())
      local n, why, code = server:receive(batch, 1)
      return n and batch:packet(1):bytes(), why, code
    end },
  }
  for _, row in ipairs(receiving) do
    it("waits once more in " .. row[1] .. " when what was there is gone", function()
      pair(here)
      assert(client:write "late")
      assert.equal("late", (with("recvmmsg", 1, "EAGAIN", row[2])))
    end)

    it("is told of in " .. row[1] .. ", and goes on", function()
      pair(here)
      assert(client:write "there")
      assert.same({ nil, "udp " .. server:address() .. ": Cannot allocate memory", "ENOMEM" },
        { with("recvmmsg", 1, "ENOMEM", row[2]) })
      assert.equal("there", (row[2]()))
    end)

    it("is interrupted in " .. row[1], function()
      pair(here)
      assert.same({ nil, "interrupted", "EINTR" }, { with("ppoll", 1, "EINTR", row[2]) })
    end)
  end

  it("gives what came first, and then tells of the failure", function()
    pair(here, false)
    local batch = assert(tun.batch())
    for i = 1, 3 do
      assert(client:write("datagram " .. i))
    end
    arrival.settle()
    assert.equal(2, (with("recvmmsg", 2, "ECONNREFUSED", function()
      return server:receive(batch, 1)
    end)))
    assert.is_true(server:dirty())
    assert.equal(0, server:timeout())
    local bytes, why, code = server:read(0)
    assert.same({ nil, "udp " .. server:address() .. ": Connection refused",
      core.errno.ECONNREFUSED }, { bytes, why, code })
    assert.is_false(server:dirty())
    assert.equal("datagram 3", (server:read(0)))
  end)

  -- -- Sending ----------------------------------------------------------------

  it("sends no string", function()
    pair(here)
    assert.same({ nil, "udp " .. client:address() .. ": Operation not permitted", "EPERM" },
      { with("sendto", 1, "EPERM", function() return client:send "x" end) })
  end)

  -- What sending 80 datagrams, of which 64 go in the first message, fails with; what is
  -- told, how many went, and whether gso is on afterwards. Of none all stay.
  local sending = {
    { "EIO", nil, 80, false }, -- a device on the way that cannot split
    { "EINVAL", nil, 80, true }, -- longer than the path takes
    { "EMSGSIZE", nil, 80, true },
    { "EAGAIN", "timeout", nil, true },
    { "ENOBUFS", "No buffer space available", nil, true },
    { "ENOMEM", "Cannot allocate memory", nil, true },
    { "EPERM", "Operation not permitted", 80, true }, -- of an earlier one, perhaps
    { "ECONNREFUSED", "Connection refused", 80, true },
  }
  for _, row in ipairs(sending) do
    local code, why, n, gso = (unpack or table.unpack)(row, 1, 4) -- luacheck: compat
    it("meets " .. code .. " with a batch", function()
      pair(here)
      local batch, sent = many()
      if why and why ~= "timeout" then
        why = ("udp %s: %s"):format(client:address(), why)
      end
      assert.same({ n, why, why and code },
        { with("sendmmsg", 1, code, function() return client:send(batch) end) })
      assert.equal(80 - (n or 0), #batch)
      assert.equal(gso, client:get "gso")
      assert.equal(80 - (n or 0), client:send(batch))
      assert.same(sent, arrival.read(server, #sent))
    end)
  end
end)
