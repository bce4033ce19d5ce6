-- Checks that every folder of csrc/ uses only what stands below it, in its includes and, by
-- the symbols of its objects, where it links to. Run: lua spec/rooms.lua FOLDER-OF-OBJECTS
local uses = {
  wire = {}, -- bytes alone: neither Lua nor devices
  ground = {}, -- the files in csrc/ itself: core, handle, poll, ...
  netlink = { ground = true },
  batch = { ground = true, wire = true },
  device = { ground = true, wire = true, batch = true },
  udp = { ground = true, wire = true, batch = true },
}

-- What only the rooms told here may mention, as Lua patterns.
local own = {
  { "#include <libmnl/", "netlink" },
  { "#include <lua%.h>", "ground", "netlink", "batch", "device", "udp" },
  { "#include <lauxlib%.h>", "ground", "netlink", "batch", "device", "udp" },
  { "TUN[GS]ET%u", "device" },
}

local objects = ...
local wrong = {}

-- "wire/gso.c" -> "wire"; "core.c" -> "ground"; "module.c" -> nil, for it uses all.
local function room(file)
  if file:find "^module%." then
    return
  end
  return file:match "^(.-)/" or "ground"
end

local function check(file, target, why)
  local from, to = room(file), room(target)
  if from and not uses[from] then
    wrong["csrc/" .. from .. ": spec/rooms.lua does not tell what it may use"] = true
  elseif from and from ~= to and not uses[from][to] then
    wrong[("csrc/%s: %s, which is in %s"):format(file, why, to or "module.c")] = true
  end
end

local function lines(command)
  return assert(io.popen(command)):lines()
end

local function check_own(file, line)
  local from = room(file)
  for _, row in ipairs(own) do
    local found = line:match(row[1])
    local allowed = not from
    for i = 2, #row do
      allowed = allowed or row[i] == from
    end
    if found and not allowed then
      wrong[("csrc/%s: %s is not for %s"):format(file, found, from)] = true
    end
  end
end

for path in lines "ls csrc/*.[ch] csrc/*/*.[ch]" do
  local file = path:match "csrc/(.*)"
  for line in io.lines(path) do
    local included = line:match '^#include "(.*)"'
    if included then
      local up = included:match "^%.%./(.*)"
      check(file, up or (file:match "^.*/" or "") .. included, "includes " .. included)
    end
    check_own(file, line)
  end
end

-- Whether an object is of a file that there is.
local function is_source(file)
  local source = io.open("csrc/" .. file)
  return source and source:close()
end

local defined, wanted = {}, {}
for line in lines("nm -gA " .. objects .. "/*.o " .. objects .. "/*/*.o") do
  local file, kind, symbol = line:match "([^:]+)%.o:%s*%x*%s+(%a) (.*)"
  file = file:sub(#objects + 2) .. ".c"
  local is = is_source(file) -- and not left by an earlier build, or of the specs
  if is and kind == "U" then
    wanted[#wanted + 1] = { file, symbol }
  elseif is then
    defined[symbol] = file
  end
end
for _, row in ipairs(wanted) do
  if defined[row[2]] then
    check(row[1], defined[row[2]], "needs " .. row[2])
  end
end

assert(next(defined), "no objects in " .. objects)
for message in pairs(wrong) do
  print(message)
end
os.exit(not next(wrong))
