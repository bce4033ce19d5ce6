local core = require "tun.core"
local process = dofile "spec/process.lua"
local with = dofile "spec/failing.lua"
local errno = core.errno

-- The beginning of a child script: a TUN in a namespace of its own.
local setup_device = [[
  local core = require "tun.core"
  assert(core.unshare(false) or core.unshare(true))
  local dev = assert(core.open { mode = "tun", name = "t0", no_pi = true })
  os.execute "ip link set t0 addrgenmode none; ip link set t0 up"
  os.execute "ip addr add 10.9.0.1/24 dev t0"
]]

describe("poll", function()
  local dev, fd

  setup(process.sandbox)
  before_each(function()
    dev = assert(core.open { mode = "tun", name = "t0", no_pi = true })
    process.must "ip link set t0 addrgenmode none; ip link set t0 up"
    fd = dev:fd()
  end)
  after_each(function() dev:close() end)

  local function queue_packet()
    process.must "ip addr add 10.9.0.1/24 dev t0"
    process.must "ping -c 1 -W 0.01 10.9.0.2 >/dev/null || true"
  end

  it("is told why the kernel does not wait", function()
    assert.same({ nil, "poll: Cannot allocate memory", "ENOMEM" },
      { with("ppoll", 1, "ENOMEM", function() return core.poll({ fd }, nil, 1) end) })
    assert.same({ nil, "interrupted", "EINTR" },
      { with("ppoll", 1, "EINTR", function() return core.poll({ fd }, nil, 1) end) })
    assert.error_matches(function() core.poll({ 2 ^ 31 }, nil, 0) end, "is not a descriptor$")
  end)

  -- What there is, what is asked for, and what is said of it.
  local rows = {
    { "an idle device", { "r" } },
    { "an idle device", { "w" }, "w" },
    { "an idle device", { "rw" }, "w" },
    { "an idle device", nil },
    { "a device with a packet", { "r" }, "r", queue_packet },
    { "a device with a packet", { "w" }, "w", queue_packet },
    { "a device with a packet", { "wr" }, "rw", queue_packet },
    { "a device with a packet", {}, "r", queue_packet },
    { "a device with a packet", nil, "r", queue_packet },
    { "a downed device", { "rw" }, nil, function() process.must "ip link set t0 down" end },
    { "a deleted device", { "rw" }, "e", function() process.must "ip link del t0" end },
    { "a closed device", { "rw" }, "e", function() dev:close() end },
  }
  for _, row in ipairs(rows) do
    local what, events, answer, prepare = row[1], row[2], row[3], row[4]
    local asked = events and (events[1] or "{}") or "nil"
    it(("%s, asked for %s, says %s"):format(what, asked, answer or "timeout"), function()
      if prepare then prepare() end
      local ready, why, code = core.poll({ dev:fd() }, events, 0)
      if answer then
        assert.same({ answer }, ready)
      else
        assert.is_nil(ready)
        assert.equal("timeout", why)
        assert.equal(errno.EAGAIN, code)
      end
    end)
  end

  it("answers for each of many, in their order", function()
    local tap = assert(core.open { mode = "tap", name = "t1" })
    process.must "ip link set t1 up"
    assert.same({ false, "w", "e", "w" },
      core.poll({ fd, tap:fd(), -1, fd }, { "r", "w", "r", "rw" }))
    tap:close()
  end)

  it("takes more descriptors than select() could", function()
    local limit = tonumber((process.must "ulimit -n"))
    local fds, events = {}, {}
    for i = 1, math.min(limit or 5000, 5000) do
      fds[i], events[i] = fd, i % 2 == 0 and "w" or "r"
    end
    local ready = assert(core.poll(fds, events, 0))
    assert.equal(#fds, #ready)
    assert.is_false(ready[#fds - 1 + #fds % 2])
    assert.equal("w", ready[2])
  end)

  it("of nothing waits for its timeout", function()
    local cpu = os.clock()
    assert.is_nil(core.poll({}, nil, 0.05))
    assert.is_true(os.clock() - cpu < 0.04)
  end)

  it("wakes for a packet that comes", function()
    process.must "ip addr add 10.9.0.1/24 dev t0"
    process.must [[(until grep -q poll /proc/$PPID/wchan; do :; done
      ping -c 1 -W 0.01 10.9.0.2) >/dev/null 2>&1 &]]
    assert.same({ "r" }, core.poll { fd })
  end)

  it("wakes when a device is deleted", function()
    process.must [[(until grep -q poll /proc/$PPID/wchan; do :; done
      ip link del t0) >/dev/null 2>&1 &]]
    assert.same({ "e" }, core.poll { fd })
  end)

  local mistakes = {
    { "no list", function() core.poll(fd) end, " is not an array of descriptors" },
    { "a name", function() core.poll { "t0" } end, 'poll: "t0" is not a descriptor' },
    { "a fraction", function() core.poll { 1.5 } end, "poll: 1.5 is not a descriptor" },
    { "-2", function() core.poll { -2 } end, "poll: -2 is not a descriptor" },
    { "events of a string", function() core.poll({ fd }, "r") end, 'events: "r" is not' },
    { "event x", function() core.poll({ fd }, { "x" }) end, 'events 1: not "r", "w" or "rw"' },
    { "event 1", function() core.poll({ fd, fd }, { "r", 1 }) end, "events 2: not" },
    { "no event", function() core.poll({ fd }, { "" }) end, "events 1: not" },
    { "a timeout of text", function() core.poll({ fd }, nil, "1") end, 'timeout: "1" is' },
  }
  for _, row in ipairs(mistakes) do
    it("refuses " .. row[1], function()
      local ok, why = pcall(row[2])
      assert.is_false(ok)
      assert.is_truthy(why:find("^[^:]*poll_spec.lua:%d+: "), why)
      assert.is_truthy(why:find(row[3], 1, true), why)
    end)
  end
end)

describe("Ctrl-C ends a script", function()
  -- ICMP echo request from 10.9.0.2 to 10.9.0.1.
  local traffic = [[
    local ping = "\69\0\0\28\0\0\0\0\64\1\102\205\10\9\0\2\10\9\0\1\8\0\247\255\0\0\0\0"
    local answers = 0
    local function forward()
      while true do
        dev:write(ping)
        if dev:read(0) then
          answers = answers + 1
          if answers == 20000 then ready() end
        end
      end
    end
  ]]
  -- Each goes on for ever, whatever the waiting function returns.
  local scripts = {
    { "that waits in read", "ready() while true do dev:read() end" },
    { "that waits in read with a timeout", "ready() while true do dev:read(100) end" },
    { "that waits in receive", "ready() while true do dev:receive() end" },
    { "that waits in poll", "ready() while true do core.poll { dev:fd() } end" },
    { "that waits in a coroutine",
      "coroutine.wrap(function() ready() while true do dev:read() end end)()" },
    { "that polls in a coroutine",
      "coroutine.wrap(function() ready() while true do core.poll { dev:fd() } end end)()" },
    { "busy with traffic", traffic .. "forward()" },
    { "busy with traffic in a coroutine", traffic .. "coroutine.wrap(forward)()" },
  }
  -- The script says that it is ready by removing a file; one that is to wait is
  -- then given the time to do so. One that does not end is killed: status 137.
  local function interrupt(code, waiting)
    local flag = os.tmpname()
    local script = process.script(setup_device
      .. ("local function ready() os.remove(%q) end\n"):format(flag) .. code)
    return process.run(([[timeout -s KILL 10 sh <<'END'
      %s &
      while test -e %s && kill -0 $!; do :; done
      until ! %s || grep -q poll /proc/$!/wchan; do :; done
      kill -INT $!
      wait $!
END]]):format(script, flag, waiting and "true" or "false"))
  end

  for _, row in ipairs(scripts) do
    local what, code = row[1], row[2]
    it(what, function()
      local output, status = interrupt(code, not code:find "forward")
      assert.is_truthy(output:find("interrupted!", 1, true), output)
      assert.equal(1, status)
    end)
  end
end)
