-- build.lua: build random packets from a seed for scapy and tshark to read.
-- Run: lua spec/peers/build.lua SEED COUNT FILE.pcap writes them;
--   with a last argument, what peer.py read in that file, it builds them again and compares
local compare = dofile "spec/peers/compare.lua"
local random = dofile "spec/peers/random.lua"

local seed, count, path, described = tonumber(arg[1]), tonumber(arg[2]), arg[3], arg[4]

local function u32(n)
  return string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536) % 256,
    math.floor(n / 16777216))
end

-- The packets, and what they were built of.
local function all()
  random.seed(seed)
  local n = 0
  return function()
    n = n + 1
    if n <= count then
      local layers = random.layers(n)
      return n, random.build(layers), layers
    end
  end
end

local function write()
  local file = assert(io.open(path, "wb"))
  file:write("\212\195\178\161\2\0\4\0", ("\0"):rep(8), u32(65535), u32(1))
  for n, p in all() do
    local bytes = p:bytes()
    file:write(u32(n), u32(0), u32(#bytes), u32(#bytes), bytes)
  end
  assert(file:close())
end

local function check()
  local wrong, lines = 0, compare.lines(described)
  for n, p, layers in all() do
    local differences = {}
    local function say(words)
      differences[#differences + 1] = words
    end
    local expected = assert(lines(), "fewer packets than were built")
    compare.given(layers, p, say)
    compare.packet(expected, p, say)
    compare.packet(expected, compare.parse(p:bytes()), say)
    compare.verified(p, say)
    compare.rebuilt(p, say)
    if differences[1] then
      wrong = wrong + 1
      print(("packet %d: %s\n  %s"):format(n, expected.bytes, table.concat(differences, "\n  ")))
    end
  end
  print(("%d packets of seed %d built by %s, %d of them not read the same by scapy"):format(count,
    seed, jit and jit.version or _VERSION, wrong))
  return wrong == 0
end

if described then
  os.exit(check() and 0 or 1)
end
write()
