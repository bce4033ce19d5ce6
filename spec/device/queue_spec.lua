-- Queues with packets of the kernel in them.
local tun = require "tun"
local bpf = dofile "spec/bpf.lua"
local packet = require "tun.packet"
local process = dofile "spec/process.lua"
local socket = require "socket"

local function open(options)
  local t = { name = "q0", multi_queue = true, address = "10.9.0.1/24",
              inet6_addr_gen_mode = "none" }
  for key, value in pairs(options or {}) do
    t[key] = value
  end
  return assert(tun.open(t))
end

-- A device and more queues of it, each with its number.
local function open_queues(count, options)
  local queues = { open(options) }
  for i = 2, count do
    queues[i] = assert(queues[1]:queue())
  end
  return queues
end

local function close(queues)
  for _, queue in ipairs(queues) do
    queue:close()
  end
end

-- UDP sockets of the kernel, as many flows to a neighbour, from ports of their own.
local function open_flows(count, port)
  local flows = {}
  for i = 1, count do
    flows[i] = socket.udp()
    assert(flows[i]:setpeername("10.9.0.2", port or 9))
  end
  return flows
end

-- A datagram of each flow; its payload tells which.
local function send(flows)
  for i, flow in ipairs(flows) do
    assert(flow:send(tostring(i)))
  end
end

-- Take what is in the queues: by flow, the list of numbers of queues it came from.
local function drain(queues, found)
  found = found or {}
  for number, queue in ipairs(queues) do
    for bytes in function() return (queue:read(0)) end do
      local flow = tonumber(packet.parse(bytes, "ip").payload)
      found[flow] = found[flow] or {}
      table.insert(found[flow], number)
    end
  end
  return found
end

local function read_packets()
  return tun.link.get("q0").stats.tx_packets
end

-- Until it holds; not for ever.
local function eventually(holds)
  local limit = os.time() + 10
  repeat
    if holds() then
      return true
    end
  until os.time() > limit
  error "it takes too long"
end

describe("queues", function()
  local queues, flows

  before_each(function()
    assert(tun.sandbox())
    queues, flows = {}, {}
  end)
  after_each(function()
    close(queues)
    close(flows)
  end)

  it("carry all packets, those of a flow in one of them", function()
    queues, flows = open_queues(4), open_flows(32)
    local used, count = {}, 0
    for _ = 1, 20 do
      send(flows)
      local found = drain(queues)
      for i = 1, 32 do
        assert.equal(1, #(found[i] or {}))
        used[i] = used[i] or found[i][1]
        assert.equal(used[i], found[i][1])
      end
    end
    for number = 1, 4 do
      for _, each in pairs(used) do
        if each == number then
          count = count + 1
          break
        end
      end
    end
    assert.is_true(count > 1)
    assert.equal(32 * 20, read_packets())
  end)

  it("get a flow when they answer it", function()
    queues, flows = open_queues(3), open_flows(12)
    for round = 0, 2 do
      send(flows)
      for _, queue in ipairs(queues) do
        for bytes in function() return (queue:read(0)) end do
          local p = packet.parse(bytes, "ip")
          local answering = queues[(p.payload + round) % 3 + 1]
          p.ip4.src, p.ip4.dst = p.ip4.dst, p.ip4.src
          p.udp.sport, p.udp.dport = p.udp.dport, p.udp.sport
          assert(answering:send(p))
        end
      end
      send(flows)
      local found = drain(queues)
      for i, flow in ipairs(flows) do
        assert.same({ (i + round) % 3 + 1 }, found[i])
        assert.equal(tostring(i), flow:receive())
      end
    end
  end)

  it("are waited for together", function()
    queues, flows = open_queues(3), open_flows(6)
    local child = process.script [[
      local socket = require "socket"
      local flow = socket.udp()
      flow:setpeername("10.9.0.2", 9)
      flow:send "1"
    ]]
    local pipe = io.popen(child)
    local ready = assert(tun.poll(queues, 5))
    pipe:close()
    assert.equal(1, #ready)
    assert.equal("1", packet.parse(ready[1]:read(0), "ip").payload)
  end)

  it("of several processes carry all packets, those of a flow in one of them", function()
    open { persist = true }:close()
    local pipes = {}
    for i = 1, 3 do
      pipes[i] = io.popen(process.script [[
        local tun = require "tun"
        local packet = require "tun.packet"
        local queue = assert(tun.open { name = "q0", multi_queue = true })
        print "open"
        io.stdout:flush()
        for bytes in queue:each() do
          print(packet.parse(bytes, "ip").payload)
        end
        print "end"
      ]])
      assert.equal("open", pipes[i]:read())
    end
    assert.equal(3, tun.link.get("q0").tun.num_queues)
    flows = open_flows(24)
    for round = 1, 20 do
      send(flows)
      eventually(function() return read_packets() == 24 * round end)
    end
    assert(tun.link.del "q0")
    local used, count = {}, {}
    for number, pipe in ipairs(pipes) do
      for line in function() return pipe:read() end do
        local flow = tonumber(line) or line
        count[flow] = (count[flow] or 0) + 1
        assert.is_true(flow == "end" or (used[flow] or number) == number)
        used[flow] = number
      end
      pipe:close()
    end
    assert.equal(3, count["end"])
    for i = 1, 24 do
      assert.equal(20, count[i])
    end
  end)

  describe("that come and go", function()
    it("leave all packets to the others", function()
      queues, flows = open_queues(4), open_flows(16)
      local attached, n = { true, true, true, true }, 4
      local generator = 1
      for round = 1, 300 do
        generator = generator * 16807 % 2147483647
        local i = generator % 4 + 1
        if not attached[i] then
          assert(queues[i]:attach())
          attached[i], n = true, n + 1
        elseif n > 1 then
          assert(queues[i]:detach())
          attached[i], n = false, n - 1
        end
        send(flows)
        local found = drain(queues)
        for flow = 1, 16 do
          assert.equal(1, #(found[flow] or {}), "round " .. round)
          assert.is_true(attached[found[flow][1]])
        end
        if round % 50 == 0 then -- another one takes its place
          queues[i]:close()
          queues[i] = assert(queues[i % 4 + 1]:queue())
          n = n + (attached[i] and 0 or 1)
          attached[i] = true
        end
      end
      local link = queues[1]:link().tun
      assert.same({ n, 4 - n }, { link.num_queues, link.num_disabled_queues })
    end)

    -- A process that sends to a neighbour on eight flows, and again what is not answered.
    local exchange = [[
      local socket = require "socket"
      local flows = {}
      for i = 1, 8 do
        flows[i] = socket.udp()
        flows[i]:setpeername("10.9.0.2", 9)
        flows[i]:settimeout(0.02)
      end
      for _, text in ipairs { %s } do
        local waiting = flows
        repeat
          for _, flow in ipairs(waiting) do
            flow:send(text)
          end
          local unanswered = {}
          for _, flow in ipairs(waiting) do
            local answer
            repeat
              answer = flow:receive()
            until answer == text or not answer
            unanswered[#unanswered + 1] = not answer and flow or nil
          end
          waiting = unanswered
        until not waiting[1]
      end
      print "all were answered"
    ]]

    local function answer(queue, bytes)
      local p = packet.parse(bytes, "ip")
      p.ip4.src, p.ip4.dst = p.ip4.dst, p.ip4.src
      p.udp.sport, p.udp.dport = p.udp.dport, p.udp.sport
      assert(queue:send(p))
      return p.payload, p.udp.dport
    end

    it("lose what was in them, and no more, while another process sends", function()
      queues = open_queues(3)
      local pipe = io.popen(process.script(exchange:format(("'again', "):rep(60) .. "'end'")))
      local count, out, changes, ended, ends = 0, nil, 0, 0, {}
      repeat
        for _, queue in ipairs(assert(tun.poll(queues, 10))) do
          local text, flow = answer(queue, assert(queue:read(0)))
          if text == "end" and not ends[flow] then
            ended, ends[flow] = ended + 1, true
          end
          count = count + 1
        end
        if count > changes * 20 and ended == 0 then
          changes = changes + 1
          if out then
            assert(out:attach())
          end
          out = not out and queues[changes % 3 + 1] or nil
          if out then
            assert(out:detach())
          end
        end
      until ended == 8
      assert.is_true(changes >= 20)
      assert.equal("all were answered", pipe:read())
      pipe:close()
    end)

    it("keep no packets, and wake when the device is deleted", function()
      queues, flows = open_queues(2), open_flows(16)
      send(flows)
      assert(queues[2]:detach())
      assert.is_nil((queues[2]:read(0)))
      assert.is_nil((tun.poll({ queues[2] }, 0)))
      local pipe = io.popen "ip link del q0"
      assert.equal("deleted", select(2, queues[2]:read(5)))
      pipe:close()
    end)

    it("take the carrier with the last of them", function()
      queues, flows = open_queues(2), open_flows(4)
      assert(queues[1]:detach())
      assert(queues[2]:detach())
      send(flows)
      assert.same({}, drain(queues))
      assert(queues[2]:attach())
      send(flows)
      local found = drain(queues)
      for i = 1, 4 do
        assert.same({ 2 }, found[i])
      end
    end)
  end)

  -- Only LuaJIT, as root, has programs to give; see bpf.lua.
  local constants = { bpf.constant(0), bpf.constant(1), bpf.constant(2), bpf.constant(7) }
  local by_port = bpf.byte(23) -- the lower byte of the destination port behind IPv4
  if by_port then
    describe("steered by an eBPF program", function()
      it("get what its result says, modulo their count", function()
        queues, flows = open_queues(3), open_flows(8)
        for i, expected in ipairs { 1, 2, 3, 2 } do
          assert(queues[1]:set { steering_bpf = constants[i] })
          send(flows)
          local found = drain(queues)
          for flow = 1, 8 do
            assert.same({ expected }, found[flow])
          end
        end
      end)

      it("get what goes to their port", function()
        queues = open_queues(3)
        assert(queues[2]:set { steering_bpf = by_port })
        for port = 255, 261 do
          flows = open_flows(3, port)
          send(flows)
          local found = drain(queues)
          for i = 1, 3 do
            assert.same({ port % 256 % 3 + 1 }, found[i])
          end
          close(flows)
        end
      end)

      it("are chosen among those that are attached", function()
        queues, flows = open_queues(3), open_flows(4)
        assert(queues[1]:set { steering_bpf = constants[3] })
        assert(queues[2]:detach())
        send(flows)
        assert.same({ 1 }, drain(queues)[1]) -- 2 % 2
        assert(queues[1]:set { steering_bpf = false })
        send(flows)
        local found = drain(queues)
        for i = 1, 4 do
          assert.equal(1, #found[i])
          assert.are_not.equal(2, found[i][1])
        end
      end)
    end)
  end
end)

-- Connections from here to another network namespace, through two devices with two queues
-- each: what comes out of a queue goes on into the one of the same number.
describe("queues of two devices", function()
  local COUNT = 4
  local left, right, flows, server

  -- The other end: prints what it received, if it is what was sent.
  local serve = ([[
    local socket = require "socket"
    local listener = assert(socket.bind("10.9.0.1", 80))
    print "listening"
    io.stdout:flush()
    local clients, total = {}, 0
    for i = 1, %d do
      clients[i] = assert(listener:accept())
    end
    for _, client in ipairs(clients) do
      local bytes = assert(client:receive "*a")
      total = total + (bytes == bytes:sub(1, 1):rep(#bytes) and #bytes or 0)
      client:close()
    end
    print(total)
  ]]):format(COUNT)

  local function connect()
    local list = {}
    for i = 1, COUNT do
      list[i] = socket.tcp()
      list[i]:settimeout(0)
      list[i]:connect("10.9.0.1", 80)
    end
    return list
  end

  local function start(left_offload, right_offload)
    assert(tun.sandbox())
    left = open_queues(2, { name = "left", offload = left_offload })
    server = io.popen(process.script(serve))
    assert.equal("listening", server:read())
    assert(tun.sandbox())
    right = open_queues(2, { name = "right", offload = right_offload, address = "10.9.0.2/24" })
    flows = connect()
  end

  after_each(function()
    server:close()
    close(left)
    close(right)
    close(flows)
  end)

  -- Whatever has come goes on. Returns how many packets were longer than the MTU.
  local function forward(batch)
    local whole = 0
    local ready = assert(tun.poll({ left[1], left[2], right[1], right[2] }, 10))
    for _, from in ipairs(ready) do
      local to = from == left[1] and right[1] or from == left[2] and right[2]
        or from == right[1] and left[1] or left[2]
      from:receive(batch, 0)
      for p in batch:packets() do
        whole = whole + (#p.payload > 1500 and 1 or 0)
      end
      local _, why = to:send(batch)
      assert.is_nil(why)
    end
    return whole
  end

  -- Send what a connection takes; after the last byte wait for its end.
  -- @return whether it has ended
  local function feed(flow, data, sent)
    local at = sent[flow] or 0
    if at == #data then
      return select(2, flow:receive()) == "closed"
    end
    local n, _, partly = flow:send(data, at + 1)
    sent[flow] = n or partly
    if sent[flow] == #data then
      flow:shutdown "send"
    end
    return false
  end

  -- Send so many bytes on every connection. Returns how many were received, and how many
  -- packets were longer than the MTU.
  local function transfer(bytes, each_step)
    local batch, data, sent, whole, steps = assert(tun.batch()), {}, {}, 0, 0
    local open_ones = {}
    for i, flow in ipairs(flows) do
      data[flow], open_ones[i] = tostring(i):rep(bytes), flow
    end
    while open_ones[1] do
      whole, steps = whole + forward(batch), steps + 1
      each_step(steps)
      for i = #open_ones, 1, -1 do
        if feed(open_ones[i], data[open_ones[i]], sent) then
          table.remove(open_ones, i)
        end
      end
    end
    return tonumber(server:read()), whole
  end

  local function nothing() end

  for _, row in ipairs {
    { "offload on both sides", true, true, true },
    { "offload where it goes to", true, nil, false },
    { "offload where it comes from", nil, true, true },
    { "no offload", nil, nil, false },
  } do
    it("carry connections, with " .. row[1], function()
      start(row[2], row[3])
      local total, whole = transfer(1000000, nothing)
      assert.equal(COUNT * 1000000, total)
      assert.equal(row[4], whole > 50)
    end)
  end

  it("lose no connection when they come and go", function()
    start(true, true)
    local out
    local total = transfer(10000000, function(step)
      if step % 40 == 0 then
        if out then
          assert(out:attach())
        end
        out = (step % 80 == 0 and left or right)[step / 40 % 3 % 2 + 1]
        assert(out:detach())
      end
    end)
    assert.is_truthy(out)
    assert.equal(COUNT * 10000000, total)
  end)
end)
