-- layers.lua -- what is found in packets of many shapes, changed at random: a line each. C and
-- Lua read them in turns; what one says, the others say, compiled or not.
-- Usage: layers.lua seed count
local object = require "tun.packet.object"
local packet = require "tun.packet"
local shapes = require "spec.bench.shapes"
local slot = require "tun.packet.memory.slot"

local seed = tonumber(arg[1])

-- The same numbers under every Lua.
local function random(n)
  seed = seed * 16807 % 2147483647
  return seed % n
end

local function fault(word, it)
  return it and ("%s %s %d %s"):format(word, it.layer, it.offset, it.message) or ""
end

local function tell(p, depth)
  local start, list = p[slot.START], {}
  for i, each in ipairs(object.sorted(p)) do
    list[i] = ("%s %d"):format(each[1].name, each[2] - start)
  end
  list[#list + 1] = ("ends %d payload %d more %s quoted %s"):format(p[slot.LIMIT] - start,
    p[slot.PAYLOAD] - start, p[slot.MORE] and #p[slot.MORE], tostring(p[slot.QUOTED]))
  list[#list + 1] = fault("error", p.error) .. fault("cut", p.cut)
  local inner = depth < 4 and p.inner
  return table.concat(list, ", ") .. (inner and " (" .. tell(inner, depth + 1) .. ")" or "")
end

local function changed(text)
  for _ = 0, random(4) do
    local at = 1 + random(math.min(#text, 90))
    text = text:sub(1, at - 1) .. string.char(random(256)) .. text:sub(at + 1)
  end
  if random(5) == 0 then
    text = text:sub(1, 1 + random(#text))
  end
  if random(9) == 0 then -- many tags, or labels
    text = text:sub(1, 14) .. text:sub(15, 18):rep(random(80)) .. text:sub(15)
  end
  return text
end

local frames = shapes.frames(seed)
for _ = 1, tonumber(arg[2]) do
  local text = changed(frames[1 + random(2000)])
  print(tell(packet.parse(text, random(7) == 0 and "ip" or "eth"), 1))
end
