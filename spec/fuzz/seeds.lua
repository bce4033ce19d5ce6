-- seeds.lua: what fuzzers begin with: the golden bytes that the specs hold, and a random
-- packet of every kind, in the shape that each target wants. Writes a file for each into
-- FOLDER/<target>/.
-- Run: lua spec/fuzz/seeds.lua FOLDER
local core = require "tun.core"
local packet = require "tun.packet"
local golden = dofile "spec/netlink/golden.lua"
local random = dofile "spec/peers/random.lua"

local folder = arg[1]

local function lines(command)
  local pipe = assert(io.popen(command))
  local all = {}
  for line in pipe:lines() do
    all[#all + 1] = line
  end
  pipe:close()
  return all
end

local counts = {}

local function seed(target, bytes)
  if not counts[target] then
    assert(os.execute(("mkdir -p '%s/%s'"):format(folder, target)))
  end
  counts[target] = (counts[target] or 0) + 1
  local file = assert(io.open(("%s/%s/%04d"):format(folder, target, counts[target]), "wb"))
  file:write(bytes)
  file:close()
end

-- -- Packets ----------------------------------------------------------------

-- The strings of hex digits in the specs, long enough to be a packet.
local function packets()
  local all = {}
  for _, name in ipairs(lines "ls spec/*/*_spec.lua") do
    local file = assert(io.open(name))
    for text in file:read("*a"):gmatch "[\"%[]([%x%s]+)[\"%]]" do
      local hex = text:gsub("%s", "")
      if #hex >= 40 and #hex % 2 == 0 then
        all[#all + 1] = hex:gsub("%x%x", function(byte)
          return string.char(tonumber(byte, 16))
        end)
      end
    end
    file:close()
  end
  return all
end

local function frames(count)
  local all = {}
  random.seed(1)
  for i = 1, count do
    all[i] = random.build(random.layers(i)):bytes()
  end
  return all
end

local function number16(n)
  return string.char(n % 256, math.floor(n / 256))
end

-- A virtio-net header in the byte order of the usual machine.
local function vnet(gso_type)
  return string.char(0, gso_type) .. number16(0) .. number16(8) .. ("\0"):rep(18)
end

-- A packet, which begins with an Ethernet header or not, for the targets over bytes.
local function seed_packet(ethernet, bytes, tags)
  local flag, shape = string.char(ethernet), string.char(tags or 0, 0)
  seed("headers", flag .. shape .. bytes)
  for _, gso_type in ipairs { 1, 4, 5, 0x21 } do
    seed("split", flag .. "\0\0\0\0" .. vnet(gso_type) .. shape .. bytes)
  end
  seed("join", flag .. "\1" .. number16(#bytes) .. shape .. bytes .. ("\4\0\0"):rep(3))
  seed("rewrite", flag .. "\10\11\0\80\31\144\4\63" .. vnet(0) .. shape .. bytes)
end

-- What a faked system call gives: no error, and a packet of so many bytes, as it is.
local function given(bytes)
  return "\0" .. number16(#bytes) .. "\0\0" .. bytes
end

-- Requests, which are what the kernel tells but for the type, and answers to them: with a
-- text, an offset, what is missing, a policy.
local NOUNS = core.nouns()
local number32, attribute, message

function number32(n)
  return number16(n % 65536) .. number16(math.floor(n / 65536))
end

function attribute(kind, bytes)
  return number16(4 + #bytes) .. number16(kind) .. bytes .. ("\0"):rep(-#bytes % 4)
end

function message(kind, flags, bytes)
  return number32(16 + #bytes) .. number16(kind) .. number16(flags) .. ("\0"):rep(8) .. bytes
end

local function answers()
  local bound = attribute(4, number32(7) .. number32(0))
  local policy = attribute(4, attribute(1, number32(3)) .. bound .. bound)
  local told = attribute(1, "no\0") .. attribute(2, number32(36)) .. policy
  local header = number32(2 ^ 32 - 22) .. message(16, 0, "")
  return {
    message(2, 0x300, header .. told),
    message(2, 0x300, header .. attribute(5, number32(1)) .. attribute(6, number32(32))),
    message(3, 0x200, number32(0) .. told),
    message(2, 0x100, number32(0) .. message(16, 0, "")),
  }
end

local function seed_messages()
  for _, row in ipairs(golden) do
    local request = core.encode(row.object, row.verb, row.table)
    for i, noun in ipairs(NOUNS) do
      local number = string.char(i - 1)
      if noun == row.object then
        seed("decode", number .. request)
        for _, answer in ipairs(answers()) do
          seed("ack", number .. number16(#request) .. request .. answer)
        end
      end
    end
  end
end

seed_messages()

-- Packets through a batch: every configuration of a device, all operations one after the
-- other, each before what it may need.
local function seed_batch(list)
  local program = { "\3\1" }
  for i = 1, 53 do
    program[i + 1] = string.char(i % 27, i * 5 % 256)
  end
  for config = 0, 63 do
    local told = {}
    for i = 1, 6 do
      told[i] = given(vnet(config % 2) .. list[(config + i) % #list + 1])
    end
    seed("batch", string.char(config, config, 133, 5, #program) .. table.concat(program)
      .. table.concat(told))
  end
end

seed_batch(frames(64))

-- Two messages of one system call: each of three datagrams, as its control message says.
local function messages(bytes, family)
  local each = number16(#bytes) .. "\0\0" .. bytes .. "\1" .. number16(family) .. ("\1"):rep(26)
    .. "\16\20\0\0\0\0\0\0\0" .. number32(17) .. number32(104)
    .. number32(math.ceil(#bytes / 3)) .. ("\0"):rep(4) .. "\24"
  return "\0\1" .. each .. each
end

for config = 0, 7 do
  for room = 0, 7 do
    seed("udp", string.char(config, room, 9) .. "\0\4\3\2\3\5\7\1\6"
      .. messages(("data"):rep(30), config % 8 < 4 and 2 or 10):rep(4))
  end
end

local hostile = dofile "spec/packet/hostile.lua"

local function seed_kind(kind, bytes)
  for i, name in ipairs(hostile.KINDS) do
    if name == kind then
      seed("packet", string.char(i - 1, #bytes % 256) .. bytes)
    end
  end
end

-- Fragments, in order and not, and packets to be cut.
local function seed_fragments(p)
  local steps = {}
  for i, each in ipairs(assert(p:fragment(1280))) do
    steps[i] = string.char(i % 4, 2) .. number16(#each:bytes()) .. each:bytes()
  end
  seed("fragments", table.concat(steps))
  table.insert(steps, table.remove(steps, 1))
  seed("fragments", table.concat(steps))
  seed("fragments", "\160\20" .. number16(#p:bytes()) .. p:bytes())
end

for _, ip in ipairs { packet.ip4 { src = "10.0.0.1", dst = "10.0.0.2", id = 7 },
                      packet.ip6 { src = "fd00::1", dst = "fd00::2" } } do
  seed_fragments(packet.parse((ip / packet.udp { sport = 1, dport = 2 }
    / ("x"):rep(3000)):bytes(), "ip"))
end

for _, bytes in ipairs(packets()) do
  seed_packet(0, bytes)
  seed_kind("ip", bytes)
end
for _, bytes in ipairs(frames(100)) do
  seed_kind("eth", bytes)
  seed_packet(1, bytes)
  seed_packet(1, bytes, 20)
  seed_packet(0, bytes:sub(15))
end
