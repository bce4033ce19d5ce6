-- A netlink socket of which a system call fails, or whose kernel answers as none does.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local spec = require "tun.spec"
local with = dofile "spec/failing.lua"

describe("a netlink socket of which a system call fails", function()
  local socket

  setup(process.sandbox)
  before_each(function() socket = assert(core.netlink()) end)
  after_each(function() socket:close() end)

  for _, row in ipairs { { "socket", 1, "EMFILE", "Too many open files" },
                         { "bind", 1, "ENOMEM", "Cannot allocate memory" },
                         { "getsockname", 1, "ENOBUFS", "No buffer space available" },
                         { "setsockopt", 1, "ENOPROTOOPT", "Protocol not available" },
                         { "setsockopt", 3, "ENOPROTOOPT", "Protocol not available" } } do
    it(("is not opened without %s %d"):format(row[1], row[2]), function()
      local before = process.descriptors()
      assert.same({ nil, "netlink: " .. row[4], row[3] },
        { with(row[1], row[2], row[3], core.netlink) })
      assert.equal(before, process.descriptors())
    end)
  end

  local asking = {
    { "a request", function() return socket:request("link", "set", { index = 1 }) end },
    { "a question", function() return socket:request("link", "get", { index = 1 }) end },
    { "a list", function() return socket:list("link", {}) end },
    { "a dump", function() return socket:start("link", {}) end },
  }
  for _, row in ipairs(asking) do
    it("tells that " .. row[1] .. " was not sent, and goes on", function()
      assert.same({ nil, "netlink: No buffer space available", "ENOBUFS" },
        { with("sendto", 1, "ENOBUFS", row[2]) })
      assert.is_truthy(row[2]())
      assert.equal("lo", socket:name(1))
    end)
  end

  it("knows no name of index 0", function()
    assert.same({ nil, "interface 0: No such device", core.errno.ENODEV }, { socket:name(0) })
  end)
end)

describe("a netlink socket with somebody in the place of the kernel", function()
  local ERROR, DONE, NEWLINK, NEWADDR = 2, 3, 16, 20
  local CAPPED, INTERRUPTED = 0x100, 0x10
  local socket, kernel, asked

  -- A number of some bytes; all that runs this is little-endian.
  local function number(value, size)
    local bytes = {}
    for i = 1, size do
      bytes[i] = string.char(value % 256)
      value = math.floor(value / 256)
    end
    return table.concat(bytes)
  end

  -- A message that answers the request which is `ahead` of the last one.
  local function answer(type, flags, body, ahead, port)
    return number(16 + #body, 4) .. number(type, 2) .. number(flags, 2)
      .. number(asked.sequence + (ahead or 1), 4) .. number(asked.port + (port or 0), 4) .. body
  end

  -- An answer with an errno, in the place of the request's header that one.
  local function ack(code, ahead, port)
    return answer(ERROR, CAPPED, number(-code % 2 ^ 32, 4) .. ("\0"):rep(16), ahead, port)
  end

  local function link(index)
    return ("\0"):rep(4) .. number(index, 4) .. ("\0"):rep(8)
  end

  local done = number(0, 4)

  -- The calls, and what they come to when a signal interrupts them.
  local call = {}
  function call.set() return socket:request("link", "set", { index = 1, mtu = 1400 }) end
  function call.get() return socket:request("link", "get", { index = 1 }) end
  function call.list() return socket:list("link", {}) end

  setup(process.sandbox)
  before_each(function()
    socket = assert(core.netlink())
    kernel = spec.stand_in(socket:fd())
    -- The first request waits for ever, until a signal comes, and tells its numbers.
    assert.same({ nil, "interrupted", "EINTR" }, { with("poll", 1, "EINTR", call.set) })
    local request = spec.hear(kernel)
    assert.equal(core.encode("link", "set", { index = 1, mtu = 1400 }):sub(17), request:sub(17))
    asked = {}
    for key, at in pairs { sequence = 9, port = 13 } do
      local a, b, c, d = request:byte(at, at + 3)
      asked[key] = a + 256 * (b + 256 * (c + 256 * d))
    end
  end)
  after_each(function()
    socket:close()
    spec.leave(kernel)
  end)

  -- What is called, each datagram that answers it, and what comes of it.
  local BAD = { nil, "netlink: Bad message", "EBADMSG" }
  local rows = {
    { "an ack", "set", function() return { ack(0) } end, { true } },
    { "a refusal", "set", function() return { ack(1) } end,
      { nil, "Operation not permitted", "EPERM" } },
    { "answers to others before", "set",
      function() return { ack(1, 0) .. ack(1, 1, 1), ack(1, 7), ack(0) } end, { true } },
    { "less than a header", "set", function() return { "\1\2\3\4" } end, BAD },
    { "an empty datagram before", "set", function() return { "", ack(0) } end, { true } },
    { "a message that is longer than its datagram", "set",
      function() return { number(99, 4) .. ack(0):sub(5) } end, BAD },
    { "a message that is cut behind another", "set",
      function() return { ack(0, 0) .. ack(0):sub(1, -2) } end, BAD },
    { "an ack that is cut", "set", function() return { answer(ERROR, CAPPED, done) } end,
      { nil, "Bad message", "EBADMSG" } },
    { "a link", "get", function() return { answer(NEWLINK, 0, link(7)) } end,
      { { index = 7, link_type = 0, flags = {} } } },
    { "a link that is cut", "get", function() return { answer(NEWLINK, 0, "\0\0\0\0") } end,
      { nil, "link: Bad message", "EBADMSG" } },
    { "a link with an attribute of a wrong size", "get",
      function() return { answer(NEWLINK, 0, link(7) .. "\6\0\4\0\1\2\0\0") } end,
      { nil, "link: Bad message", "EBADMSG" } },
    { "an ack in the place of a link", "get", function() return { ack(0) } end, { true } },
    { "no links", "list", function() return { answer(DONE, 0, done) } end, { {}, false } },
    { "an end that is an error", "list", function() return { ack(0) } end, { {}, false } },
    { "an end that is a refusal", "list", function() return { ack(1) } end,
      { nil, "Operation not permitted", "EPERM" } },
    { "links that are cut", "list",
      function() return { answer(NEWLINK, 0, link(7)) .. answer(NEWLINK, 0, "\0\0") } end,
      { nil, "link: Bad message", "EBADMSG" } },
    { "a list that is cut", "list",
      function() return { answer(NEWLINK, 0, link(7)) .. "\0\0" } end, BAD },
  }
  for _, row in ipairs(rows) do
    it("gets " .. row[1], function()
      for _, datagram in ipairs(row[3]()) do
        spec.say(kernel, datagram)
      end
      local value, why, code = call[row[2]]()
      assert.same(row[4], { value, why, core.errno[code] })
      -- And is as before, once a dump has come to its end.
      spec.say(kernel, answer(DONE, 0, done))
      asked.sequence = asked.sequence + 1
      spec.say(kernel, ack(0))
      assert.is_true(call.set())
    end)
  end

  it("asks again ten times for a list that changed, and tells so", function()
    for ahead = 1, 10 do
      spec.say(kernel, answer(NEWLINK, INTERRUPTED, link(ahead), ahead)
        .. answer(DONE, 0, done, ahead))
    end
    local list, interrupted = call.list()
    assert.equal(1, #list)
    assert.equal(10, list[1].index)
    assert.is_true(interrupted)
  end)

  -- Without an answer that is there, the failure of a socket is told; what is left of a dump
  -- is read first.
  for _, name in ipairs { "set", "get", "list" } do
    it("tells of a lost answer to " .. name, function()
      assert.same({ nil, "netlink: No buffer space available", "ENOBUFS" },
        { with("recvfrom", 1, "ENOBUFS", call[name]) })
    end)

    it("is interrupted in " .. name, function()
      assert.same({ nil, "interrupted", "EINTR" }, { with("poll", 1, "EINTR", call[name]) })
    end)

    it("is interrupted in the rest of a dump before " .. name, function()
      assert.is_true(socket:start("link", {}))
      assert.same({ nil, "interrupted", "EINTR" },
        { with("poll", 1, "EINTR", function() return socket:next() end) })
      assert.same({ nil, "interrupted", "EINTR" }, { with("poll", 1, "EINTR", call[name]) })
    end)
  end

  it("drops an object of another kind in the rest of a dump", function()
    assert.is_true(socket:start("link", {}))
    spec.say(kernel, answer(NEWADDR, 0, done) .. answer(NEWLINK, 0, link(3)))
    spec.say(kernel, ack(1))
    spec.say(kernel, ack(0, 2))
    assert.is_true(call.set())
  end)
end)
