-- hostile.lua: hostile frames and virtio-net headers through everything that C does with
-- batches: edit, join, split, send to TUN and TAP with and without offload, UDP both ways.
-- Nothing may raise or crash, and no slot may be lost. A batch ends where a page begins that
-- cannot be touched.
-- Run: lua spec/batch/hostile.lua SEED COUNT as `make hostile` does
local random = dofile "spec/peers/random.lua"
local tun = require "tun"

local int = random.int

local function choice(list)
  return list[int(1, #list)]
end

local function be16(n)
  n = n % 65536
  return string.char(math.floor(n / 256), n % 256)
end

-- -- Frames -----------------------------------------------------------------------

-- Tags as there are in no network: up to more than any buffer for headers has.
local function tags(n)
  local list = {}
  for i = 1, n do
    list[i] = be16(int(0, 65535)) .. choice { "\129\0", "\136\168" }
  end
  list[#list] = list[#list] and list[#list]:sub(1, 2)
  return n > 0 and "\129\0" .. table.concat(list) or ""
end

local function ip4(proto, behind)
  local words = choice { 5, 5, 6, 15, int(0, 15) }
  local length = choice { words * 4 + #behind, words * 4 + #behind, int(0, 65535) }
  return string.char(64 + words) .. "\0" .. be16(length) .. be16(int(0, 3))
    .. choice { "\64\0", "\0\0" } .. "\64" .. string.char(proto)
    .. "\0\0\10\9\0\2\10\9\0\1" .. ("\1"):rep(words * 4 - 20) .. behind
end

local function ip6(proto, behind)
  for _ = 1, choice { 0, 0, 0, 1, int(0, 40) } do -- extension headers
    behind, proto = string.char(proto, 0) .. "\1\4\0\0\0\0" .. behind, choice { 0, 43, 60 }
  end
  local length = choice { #behind, #behind, int(0, 65535) }
  return "\96\0\0\0" .. be16(length) .. string.char(proto) .. "\64"
    .. "\253" .. ("\0"):rep(14) .. "\2" .. "\253" .. ("\0"):rep(14) .. "\1" .. behind
end

local function tcp(seq, payload)
  local words = choice { 5, 8, 15, int(0, 15) }
  return "\0\7\0\9" .. be16(math.floor(seq / 65536)) .. be16(seq) .. "\0\0\0\1"
    .. string.char(words * 16, choice { 16, 24, int(0, 255) }) .. "\16\0\0\0\0\0"
    .. ("\1"):rep(words * 4 - 20) .. payload
end

local function udp(_, payload)
  return "\0\7\0\9" .. be16(choice { 8 + #payload, int(0, 65535) }) .. "\0\0" .. payload
end

-- A flow: one behind the other by what they say, so that they may be joined. The same choices
-- for all, most of the time.
local function flow(ethernet, add)
  local seed, n = int(1, 2 ^ 30), choice { 1, 2, 2, 3, 40 }
  local size, at = choice { 0, 1, 8, 100, 1400, int(0, 9000), 65000 }, 0
  local last = choice { size, 0, 1, size + 1 }
  local inner = choice { ip4, ip6 }
  local transport, number = tcp, 6
  if int(1, 3) == 1 then
    transport, number = udp, 17
  end
  for i = 1, n do
    local payload = ("x"):rep(i == n and last or size)
    random.seed(int(1, 30) == 1 and seed + i or seed)
    local text = inner(number, transport(at, payload))
    if ethernet then
      text = ("\2\0\0\0\0\1\2\0\0\0\0\2") .. tags(choice { 0, 0, 1, 2, 3, int(0, 30), 130 })
        .. (inner == ip4 and "\8\0" or "\134\221") .. text
    end
    at = at + #payload
    add(text)
  end
  random.seed(seed + n)
end

local function cut(text)
  return int(1, 20) == 1 and text:sub(1, int(0, #text)) or text
end

-- Numbers of a virtio-net header in the machine's order, which is either.
local function vnet()
  local list = { string.char(choice { 0, 1, 2, 3, int(0, 255) },
    choice { 0, 1, 4, 3, 5, 0x81, 0x21, 0x41, 0x61, int(0, 255) }) }
  for i = 2, 11 do
    list[i] = choice { "\0\0", "\255\255", "\1\0", "\0\1", be16(int(0, 65535)),
                       string.char(int(0, 80), 0), "\100\0" }
  end
  return table.concat(list):sub(1, choice { 22, 10, 12 })
end

-- -- What they go through -----------------------------------------------------------

local ends = {}

local function open()
  assert(tun.sandbox())
  for i, mode in ipairs { "tun", "tap" } do
    for j, offload in ipairs { true, false } do
      ends[#ends + 1] = assert(tun.open { mode = mode, offload = offload, mtu = 9000,
        inet6_addr_gen_mode = "none", address = ("10.%d.0.1/24"):format(2 * i + j) })
    end
  end
  ends[#ends + 1] = assert(tun.open { mode = "tap", vnet_hdr = true, pi = true, up = true })
  local a, b = assert(tun.udp { bind = "127.0.0.1:0" }), assert(tun.udp { bind = "127.0.0.1:0" })
  assert(a:connect(b:address()) and b:connect(a:address()))
  ends[#ends + 1], ends[#ends + 2] = a, b
end

-- What a call said is of no matter, as long as it is said.
local function told(ok, why)
  assert(ok ~= nil or type(why) == "string", "nil without a message")
end

local OPERATIONS = {
  function(b) told(b:coalesce()) end,
  function(b) told(b:segment(choice { 68, 1280, 1500, 65535 })) end,
  function(b) told(b:segment()) end,
  function(b) b:fix() end,
  function(b) b:decrement_ttl() end,
  function(b) b:reflect() end,
  function(b) b:set { ttl = int(0, 255), src = "10.9.0.7" } end,
  function(b, other)
    for p in b:packets() do
      local _ = p.tcp and p.tcp.seq or p.virtio_net and p.virtio_net.gso_type
      local what = int(1, 8)
      if what == 1 then
        p:drop()
      elseif what <= 3 then
        told(p:move(choice { b, other }))
      elseif what == 4 and #p:bytes() > 0 then
        p:fix()
      elseif what == 5 then
        told(choice(ends):send(p))
      end
    end
  end,
  function(b)
    for i = 1, #b do
      b:swap(i, int(1, #b))
    end
  end,
  function(b) told(choice(ends):send(b)) end,
  function(b) told(choice(ends):send(b)) end,
  function(b) told(ends[#ends]:send(b)) end,
  function(b) told(choice(ends):receive(b, 0)) end,
  function(b) told(ends[#ends - 1]:receive(b, 0)) end,
}

local function round()
  local ethernet = int(1, 2) == 1
  local slots = choice { 1, 2, 64, 200 }
  local b = assert(tun.batch { slots = slots, size = choice { 1500, 65600, 80000 },
                               headroom = choice { 0, 20, 300 },
                               mode = ethernet and "tap" or "tun" })
  local other = choice { b:sibling(), assert(tun.batch { slots = 8 }) }
  local size = tonumber(tostring(b):match "of (%d+) bytes")
  for _ = 1, int(1, 4) do
    flow(ethernet, function(text)
      b:append(cut(text):sub(1, size), choice { vnet(), false, false } or nil)
    end)
  end
  for _ = 1, int(1, 8) do
    local ok, why = pcall(choice(OPERATIONS), b, other)
    if not ok and not (tostring(why):find "headroom of" or tostring(why):find "has room for") then
      error(why, 0)
    end
    assert(#b + #other + b:unused() <= slots + 8, "more slots than there are")
  end
  b:clear()
  other:clear()
  assert(b:unused() == slots, "a slot is lost")
end

local seed, count = tonumber(arg[1]), tonumber(arg[2])
open()
for i = 1, count do
  random.seed(seed + i)
  local ok, why = xpcall(round, debug.traceback)
  if not ok then
    print(("round %d of seed %d\n%s"):format(i, seed, tostring(why)))
    os.exit(1)
  end
end
print(("%s: %d rounds of seed %d"):format(jit and jit.version or _VERSION, count, seed))
