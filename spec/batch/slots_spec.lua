-- Slots whose metadata says anything, as a script may write to its own memory: no packet is
-- read or written outside of that, and no slot is lost.
local coalesce = dofile "spec/batch/coalesce.lua"
local core = require "tun.core"
local process = dofile "spec/process.lua"
local random = dofile "spec/peers/random.lua"
local tun = require "tun"

local int = random.int
local unpack = table.unpack or unpack -- luacheck: ignore
local SLOTS = 8

describe("slots with random metadata", function()
  local devices, socket

  setup(function()
    process.sandbox()
    process.must "ip link set lo up"
    devices = {}
    for i, t in ipairs { {}, { offload = true }, { mode = "tap", offload = true },
                         { pi = true } } do
      t.mode, t.up = t.mode or "tun", true
      devices[i] = assert(tun.open(t))
    end
    socket = assert(tun.udp { connect = "127.0.0.1:9" })
  end)

  teardown(function()
    for _, dev in ipairs(devices) do
      dev:close()
    end
    socket:close()
  end)

  local function number(n)
    local text = ""
    for _ = 1, 4 do
      text, n = text .. string.char(n % 256), math.floor(n / 256)
    end
    return core.little_endian and text or text:reverse()
  end

  -- Let a slot say something else of its packet: where it is, how long, what is to be done.
  local function spoil(batch, i)
    local meta = batch:slot(i)
    if not meta then
      return
    end
    local arena = batch:arena()
    local all = arena:size()
    local near = math.max(0, math.min(all, meta + int(-300, 300)))
    arena:write(meta, ({
      function() return coalesce.header { flags = int(0, 15), gso_type = int(0, 255),
        hdr_len = int(0, 200), gso_size = int(0, 200), csum_start = int(0, 300),
        csum_offset = int(0, 300) } end,
      function() return "\1\0" .. arena:bytes(meta + 2, 22) .. number(near) end,
      function() return arena:bytes(meta, 24) .. number(near) .. number(int(0, 3000)) end,
      function() return arena:bytes(meta, 24) .. number(int(0, all)) .. number(int(0, all)) end,
      function() return arena:bytes(meta, 32) .. string.char(int(0, 255), int(0, 255)) end,
      function() return arena:bytes(meta, 24) .. number(2 ^ 32 - 1) .. number(2 ^ 32 - 1) end,
    })[int(1, 6)]())
  end

  local WORK = {
    function(batch) batch:coalesce() end,
    function(batch) batch:segment(int(1, 2) == 1 and int(1, 1500) or nil) end,
    function(batch) batch:reflect() end,
    function(batch) batch:decrement_ttl() end,
    function(batch) batch:fix() end,
    function(batch) batch:set { src = "10.0.0.1", dst = "fd00::1", sport = 7, tos = 3 } end,
    function(batch) batch:compact() end,
    function(batch) devices[int(1, #devices)]:send(batch) end,
    function(batch) socket:send(batch) end,
    function(batch) batch:count() batch:size() end,
  }

  local function fill(batch)
    for _, unit in ipairs(coalesce.batch(batch:mode() == "tap")) do
      if #unit.bytes > 2000 or not batch:append(unit.bytes, coalesce.header(unit.vnet)) then
        return
      end
    end
  end

  -- A super-packet of one segment of so many bytes of IP, behind so many VLAN tags.
  local function super(n, tags)
    return coalesce.build {
      ether = "\2\0\0\0\0\2\2\0\0\0\0\1" .. ("\129\0\0\5"):rep(tags) .. "\8\0", src = "\10\9\0\2",
      dst = "\10\9\0\1", tos = 0, ttl = 64, id = 1, frag = 16384, sport = 1, dport = 2, seq = 0,
      ack = 5, flags = 16, window = 9, partial = true, gso = n - 40, payload = ("x"):rep(n - 40),
    }
  end

  it("are told as refused where a segment is longer than a packet can be", function()
    local plain = assert(tun.open { mode = "tap", up = true })
    for _, row in ipairs {
      { plain, 65535, 3, false }, { plain, 65535, 2, true }, { plain, 65531, 3, true },
      { plain, 1000, 16370, false }, { socket, 65535, 0, false }, { socket, 1000, 16370, false },
      { socket, 1000, 0, true },
    } do
      local out, n, tags, taken = unpack(row)
      local unit = super(n, tags)
      local batch = assert(core.batch(2, 300000, 0, "tap"))
      for _ = 1, 2 do
        assert(batch:append(unit.bytes, coalesce.header(unit.vnet)))
      end
      local count, _, code = out:send(batch)
      local what = ("%d bytes behind %d tags"):format(n, tags)
      assert.equal(taken and 2 or 0, count, what)
      assert.equal(not taken and tun.errno.EMSGSIZE or nil, code, what)
      assert.equal(0, batch:count())
    end
    plain:close()
  end)

  -- The first packet of a flow lies where another one's grows to, whose payload is a packet
  -- with longer headers.
  it("are looked at again when a packet that grew is in them", function()
    local p = {
      ether = "\2\0\0\0\0\2\2\0\0\0\0\1\8\0", src = "\10\9\0\2", dst = "\10\9\0\1", tos = 0,
      ttl = 64, id = 1, frag = 16384, sport = 1, dport = 2, seq = 0, ack = 5, flags = 16,
      window = 9, payload = coalesce.payload(900),
    }
    local function after(q, changes)
      return coalesce.with(coalesce.with(q, { seq = #q.payload, id = 2 }), changes)
    end
    local other = coalesce.with(p, { sport = 9 })
    local bytes = coalesce.build(other).bytes
    local tags = ("\129\0\0\5"):rep(24)
    local long = coalesce.build(coalesce.with(p, {
      ether = p.ether:sub(1, 12) .. tags .. "\8\0", payload = ("x"):rep(900 - #tags),
    })).bytes
    assert.equal(#bytes, #long)
    p.payload = p.payload .. coalesce.payload(#long - 900)
    local batch = assert(core.batch(4, 4000, 0, "tap"))
    for _, each in ipairs { p, after(p, { payload = long }), other, after(other) } do
      assert(batch:append(coalesce.build(each).bytes))
    end
    local _, _, stop = batch:slot(1)
    batch:arena():write(stop, bytes)
    batch:arena():write(batch:slot(3) + 24, number(stop) .. number(#bytes))
    assert.equal(3, batch:coalesce())
  end)

  it("stay in their memory", function()
    local seed = os.time()
    for turn = 1, 500 do
      random.seed(seed + turn)
      local mode = int(0, 1) == 0 and "tun" or "tap"
      local batch = assert(core.batch(SLOTS, 2000, int(0, 1) * 300, mode))
      local other = batch:sibling()
      fill(batch)
      for _ = 1, int(1, 6) do
        if int(1, 2) == 1 then
          batch, other = other, batch
        end
        for i = 1, SLOTS do
          if int(1, 2) == 1 then
            spoil(batch, i)
          end
        end
        WORK[int(1, #WORK)](batch)
      end
      batch:clear()
      assert.equal(SLOTS, other:clear():unused(), ("seed %d"):format(seed + turn))
    end
  end)
end)
