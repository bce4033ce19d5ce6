-- once.lua -- seconds of the processor that this process takes for what it does once.
-- Usage: once.lua require module | compile folder | cold frames count
--   require  load a module
--   compile  the same of all files of a folder, without running them
--   cold     read fields of packets with nothing compiled before: of each packet
local turns = require "spec.bench.turns"

local work = {}

function work.require(module)
  return function()
    require(module)
    return 1
  end
end

function work.compile(folder)
  local names = {}
  local find = assert(io.popen("find " .. folder .. " -name '*.lua'"))
  for name in find:lines() do
    names[#names + 1] = name
  end
  find:close()
  return function()
    for _, name in ipairs(names) do
      assert(loadfile(name))
    end
    return 1
  end
end

function work.cold(path, count)
  local frames = require "spec.bench.frames"
  local packet = require "tun.packet"
  local list = frames.read(path, tonumber(count))
  if os.getenv "LIMITS" == "raised" then
    packet.jit()
  end
  return function()
    local sum = 0
    for i = 1, #list do
      local p = packet.parse(list[i], "eth")
      local ip, port = p.ip4 or p.ip6, p.tcp or p.udp
      sum = sum + (ip and ip.length or 0) + (port and port.sport + port.dport or 0)
    end
    return #list, sum
  end
end

local run = work[arg[1]](arg[2], arg[3])
local start = turns.processor()
local n = run()
print((turns.processor() - start) / n)
