-- frames.lua -- the Ethernet frames that the programs of packets work on, in files: each
-- frame behind its length in two bytes. From the mixes of this folder, or from captures.
local frames = { LONGEST = 2000 }

local mixes = {
  mix = function() return require "spec.bench.mix".frames() end,
  shapes = function(seed) return require "spec.bench.shapes".frames(seed) end,
}

-- A number of the classic pcap format, of n bytes.
local function number(text, at, n, little)
  local value = 0
  for i = 0, n - 1 do
    value = value + text:byte(at + i) * 256 ^ (little and i or n - 1 - i)
  end
  return value
end

-- By the first four bytes: whether the numbers begin with the lowest byte. The last two have
-- nanoseconds.
local MAGIC = { ["\161\178\195\212"] = false, ["\212\195\178\161"] = true,
                ["\161\178\060\077"] = false, ["\077\060\178\161"] = true }
local ETHERNET = 1

--- Append up to `most` frames of a file of the classic pcap format to a list.
function frames.read_pcap(path, list, most)
  local file = assert(io.open(path, "rb"))
  local head = file:read(24) or ""
  local little, n = MAGIC[head:sub(1, 4)], 0
  if little ~= nil and number(head, 21, 4, little) % 65536 == ETHERNET then
    local each = file:read(16)
    while each and #each == 16 and n < most do
      local bytes = file:read(number(each, 9, 4, little))
      if bytes and #bytes > 0 and #bytes <= frames.LONGEST then
        list[#list + 1], n = bytes, n + 1
      end
      each = file:read(16)
    end
  end
  file:close()
end

-- As many frames of each capture of a folder.
local function captures(folder, most)
  local names = {}
  local find = assert(io.popen(("find '%s' -type f | sort"):format((folder:gsub("'", "'\\''")))))
  for name in find:lines() do
    names[#names + 1] = name
  end
  find:close()
  local list = {}
  for i, name in ipairs(names) do
    frames.read_pcap(name, list, math.ceil((most - #list) / (#names - i + 1)))
  end
  return list
end

--- Write frames to build/bench/<name>, and as a capture to build/bench/<name>.pcap.
-- @param name  of a mix; "captures" is of the folder that CAPTURES names
-- @param seed  of the order of the shapes
function frames.write(name, seed)
  local list = name == "captures" and captures(os.getenv "CAPTURES", 20000) or mixes[name](seed)
  local path = "build/bench/" .. name
  local file, pcap = assert(io.open(path, "wb")), assert(io.open(path .. ".pcap", "wb"))
  pcap:write("\212\195\178\161\2\0\4\0", ("\0"):rep(8), "\0\0\4\0\1\0\0\0")
  for _, bytes in ipairs(list) do
    local low, high = #bytes % 256, math.floor(#bytes / 256)
    file:write(string.char(high, low), bytes)
    pcap:write(("\0"):rep(8), (string.char(low, high) .. "\0\0"):rep(2), bytes)
  end
  file:close()
  pcap:close()
  return #list
end

--- Read up to `most` frames of such a file, from the beginning again where it has less.
function frames.read(path, most)
  local file, list, all = assert(io.open(path, "rb")), {}, 0
  local head = file:read(2)
  while head and all < most do
    all = all + 1
    list[all] = file:read(head:byte(1) * 256 + head:byte(2))
    head = file:read(2)
  end
  file:close()
  for i = all + 1, all > 0 and most or 0 do
    list[i] = list[i - all]
  end
  return list
end

return frames
