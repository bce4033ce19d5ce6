-- misuse.lua: every public function with every wrong kind of argument, on closed, deleted and
-- collected objects, and on another type's. What is wrong is raised at the caller's line, or
-- told as nil, message, errno: no error comes from inside of the library. What they return is
-- looked at: whole numbers are integers.
-- Run: lua spec/misuse.lua FILE, which tells the call that is under way
local packet = require "tun.packet"
local tun = require "tun"
assert(tun.sandbox())
local data = dofile "spec/misuse_table.lua"

local pack = table.pack or function(...)
  return { n = select("#", ...), ... }
end
local unpack = unpack or table.unpack -- luacheck: ignore

-- -- Objects and values -----------------------------------------------------------

local made = {}

local function object(name)
  local row = assert(data.objects[name], name)
  if made[name] == nil or row[2] and not row[2](made[name]) then
    made[name] = row[1]()
  end
  return made[name]
end

-- What "@name" in a value stands for.
local function resolved(value)
  if type(value) == "string" and value:sub(1, 1) == "@" then
    return object(value:sub(2))
  elseif type(value) == "table" and not getmetatable(value) then
    local copy = {}
    for key, each in pairs(value) do
      copy[key] = resolved(each)
    end
    return copy
  end
  return value
end

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

-- All values that any argument may be; objects as "@name".
local wrong = { n = data.values.n }
for i = 1, data.values.n do
  wrong[i] = data.values[i]
end
for _, name in ipairs(sorted(data.objects)) do
  wrong.n = wrong.n + 1
  wrong[wrong.n] = "@" .. name
end

-- -- One call ---------------------------------------------------------------------

local HERE = debug.getinfo(1, "S").short_src:match "^(.*)misuse"
local file = assert(io.open(assert(arg[1]), "w"))
local count, faults, told = 0, 0, {}

local function word(value)
  if type(value) == "string" then
    return #value > 40 and ("%d bytes"):format(#value) or ("%q"):format(value)
  elseif type(value) == "table" and not getmetatable(value) then
    local list = {}
    for _, key in ipairs(sorted(value)) do
      list[#list + 1] = tostring(key) .. " = " .. word(value[key])
    end
    return "{ " .. table.concat(list, ", ") .. " }"
  end
  return tostring(value)
end

local function words(name, args)
  local list = {}
  for i = 1, args.n do
    list[i] = word(args[i])
  end
  return ("%s(%s)"):format(name, table.concat(list, ", "))
end

-- Whole numbers of results: they are integers where Lua has such. Objects, which have a
-- metatable, tell theirs by their methods and fields.
local looked = 0

local function float_in(value, depth)
  if type(value) == "number" then
    looked = looked + 1
    return math.type and math.type(value) == "float" and value % 1 == 0 and tostring(value) or nil
  elseif type(value) ~= "table" or getmetatable(value) or depth > 6 then
    return nil
  end
  for key, inner in pairs(value) do
    local found = float_in(inner, depth + 1)
    if found then
      return ("%s = %s"):format(tostring(key), found)
    end
  end
end

-- What has a result or a reason.
local TELLS = {}
for verb in ([[send write receive read receivefrom connect attach detach add set del up down
  link index name flags addresses routes open udp batch netns poll]]):gmatch "%S+" do
  TELLS[verb] = true
end

-- What is wrong with how a call ended.
local function fault(name, result)
  local message = result[2]
  if result[1] then
    if message == nil and type(result[3]) ~= "string"
      and (result[3] ~= nil or TELLS[name:match "[%.:](%w+)$"]) then
      return "nil without a message"
    end
  elseif type(message) ~= "string" then
    return "an error that is no message: " .. tostring(message)
  elseif message:sub(1, #HERE + 6) ~= HERE .. "misuse" then
    return "not at the caller's line: " .. message
  elseif message:find "attempt to " or message:find "bad argument" then
    return "an error of Lua's: " .. message
  end
end

local feeder

-- Let there be something to read, whatever the calls before did.
local function feed()
  object "socket":write "x"
  local dev = object "device"
  if not (feeder and feeder:write("x", "10.77.0.2:9") and tun.poll({ dev }, 0)) then
    dev:close()
    feeder = assert(tun.udp { bind = "0.0.0.0:0" })
    dev = object "device"
    assert(feeder:write("x", "10.77.0.2:9"))
    assert(tun.poll({ dev }, 0))
  end
end

-- What a call opened, unless it is what it was given.
local function close(opened, given)
  local index = type(opened) == "userdata" and getmetatable(opened).__index
  for i = 1, given.n do
    index = opened ~= given[i] and index
  end
  if index and index.close then
    opened:close()
  end
end

local function try(name, f, args, row)
  local given = { n = args.n }
  for i = 1, args.n do
    given[i] = resolved(args[i])
  end
  if row.never and row.never(given) then
    return
  end
  feed()
  file:seek "set"
  file:write(words(name, args):sub(1, 300), "\n")
  file:flush()
  count = count + 1
  local result = pack(pcall(f, unpack(given, 1, given.n)))
  local why = fault(name, result)
  for i = 2, not why and result[1] and result.n or 0 do
    local float = float_in(result[i], 0)
    why = why or float and ("result %d is no integer: %s"):format(i - 1, float)
  end
  local key = why and name .. why:gsub("%d+", "")
  if why and not told[key] then
    told[key], faults = true, faults + 1
    print(words(name, args):sub(1, 300) .. "\n  " .. why:sub(1, 300))
  end
  close(result[2], given)
end

-- -- One function -----------------------------------------------------------------

local function with(args, i, value)
  local copy = { n = math.max(args.n, i) }
  for at = 1, copy.n do
    copy[at] = args[at]
  end
  copy[i] = value
  return copy
end

-- Fewer, for options and for two arguments that are wrong at once.
local PAIRED = { false, true, 0, -1, 1.5, 0 / 0, math.huge, 2 ^ 53, "", "x\0", {}, { 1 }, { {} },
                 function() end, "@batch", "@closed device", "@packet", "@thread" }

-- A table of options with each key wrong, and with keys that there are not.
local function try_keys(name, f, args, row, i)
  for _, key in ipairs(sorted(args[i])) do
    for _, value in ipairs(PAIRED) do
      local t = {}
      for each, right in pairs(args[i]) do
        t[each] = right
      end
      t[key] = value
      try(name, f, with(args, i, t), row)
    end
  end
  for _, key in ipairs { "nosuch", "", "\0", 0, 1, -1, 1.5, math.huge, true, print } do
    try(name, f, with(args, i, { [key] = 1 }), row)
  end
end

-- Right arguments, less of them, and each wrong; from argument `first` on.
local function try_all(name, f, args, row, first)
  for n = first - 1, args.n do
    try(name, f, { n = n, unpack(args, 1, n) }, row)
  end
  for i = first, math.max(args.n, first + 1) do
    for at = 1, wrong.n do
      try(name, f, with(args, i, wrong[at]), row)
    end
    if type(args[i]) == "table" then
      try_keys(name, f, args, row, i)
    end
  end
  for one = 1, args.n > first and #PAIRED or 0 do
    for two = 1, #PAIRED do
      try(name, f, with(with(args, first, PAIRED[one]), first + 1, PAIRED[two]), row)
    end
  end
end

local function arguments(row, self)
  local args = { n = 0, self }
  local first = self and 1 or 0
  args.n = first
  for i = 1, #row do
    args[first + i], args.n = row[i], first + i
  end
  return args
end

-- A function, or a method that is called on objects of all kinds.
local function try_function(name, f, states)
  local row = data.rows[name] or {}
  if not states then
    return try_all(name, f, arguments(row), row, 1)
  end
  for _, state in ipairs(states) do
    try_all(name, f, arguments(row, "@" .. state), row, 2)
  end
  for at = 1, wrong.n do
    try(name, f, with(arguments(row, "@" .. states[1]), 1, wrong[at]), row)
    try(name, f, { n = 1, wrong[at] }, row)
  end
end

-- -- All of them ------------------------------------------------------------------

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(value) == "table" and meta and meta.__call
end

local function try_module(name, module)
  for _, key in ipairs(sorted(module)) do
    local value = module[key]
    if is_callable(value) then
      try_function(name .. "." .. key, value)
    elseif type(value) == "table" and key ~= "errno" then
      try_module(name .. "." .. key, value)
    end
  end
end

local protocols = getmetatable(packet).__index
local TYPES = {
  { "device", getmetatable(object "device").__index,
    "device", "closed device", "deleted device", "collected device" },
  { "batch", getmetatable(object "batch").__index, "batch", "collected batch" },
  { "socket", getmetatable(object "socket").__index,
    "socket", "closed socket", "collected socket" },
  { "netns", getmetatable(object "netns").__index, "netns", "closed netns", "collected netns" },
  { "reassembler", getmetatable(object "reassembler").__index, "reassembler" },
  { "packet", require "tun.packet.packet".methods,
    "packet", "packet of a batch", "packet of a collected batch", "stack" },
  { "layer", require "tun.packet.declare.layer".methods, "layer" },
  { "message", packet.dns.row.methods, "message" },
}

local function try_types()
  for _, row in ipairs(TYPES) do
    local name, methods = row[1], row[2]
    for _, method in ipairs(sorted(methods)) do
      local is_view = name == "layer" or name == "message"
      local f = is_view and object(name)[method] or methods[method]
      try_function(name .. ":" .. method, f, { unpack(row, 3) })
    end
  end
end

-- The functions that a loop calls, with any state.
local function try_loops()
  for name, step in pairs {
    ["device:each"] = object "device":each(), ["device:packets"] = object "device":packets(),
    ["batch:packets"] = object "batch":packets(), ["socket:each"] = object "socket":each(),
    ["tun.link.each"] = tun.link.each {}, ["tun.route.each"] = tun.route.each {},
  } do
    for at = 1, wrong.n do
      try("loop of " .. name, step, { n = 2, wrong[at] }, {})
    end
  end
end

-- Those that no packet has needed yet are loaded when they are named.
local function load_protocols()
  for _, names in pairs(require "tun.packet.protocol.index".protocols) do
    for name in pairs(names) do
      assert(packet[name], name)
    end
  end
end

local function try_protocols()
  load_protocols()
  for _, name in ipairs(sorted(protocols)) do
    try_function("packet." .. name, protocols[name])
    local fields = {}
    for _, field in ipairs(protocols[name].fields) do
      fields[field.name] = 1
    end
    try_keys("packet." .. name, protocols[name], { n = 1, fields }, {}, 1)
  end
end

-- Every field of every layer, as it is built and as it is read.
local function try_fields()
  for _, name in ipairs(sorted(protocols)) do
    local ran, built = pcall(function() return protocols[name] {} / "12345678" end)
    local layers = ran and { built[name], packet.parse(built:bytes(), name)[name] } or {}
    for _, layer in ipairs(layers) do
      for _, field in ipairs(protocols[name].fields) do
        for _, key in ipairs { field.name, field.name .. "_n" } do
          local found, value = pcall(function() return layer[key] end)
          local float = found and float_in(value, 0)
          if float then
            faults = faults + 1
            print(("%s.%s is no integer: %s"):format(name, key, float))
          end
        end
      end
    end
  end
end

local function try_operators()
  for _, name in ipairs(sorted(data.operators)) do
    local row = data.operators[name]
    try_all(name, row.call, arguments(row), row, #row > 1 and 2 or 1)
  end
end

local ONLY = arg[2] or ""

if ONLY ~= "" then
  local inner = try
  function try(name, ...) -- luacheck: ignore
    if name:find(ONLY, 1, true) then
      return inner(name, ...)
    end
  end
end

try_types()
try_loops()
try_operators()
try_protocols()
try_fields()
try_module("packet", packet)
try_module("tun", tun)
print(("%d calls, %d of them wrong; %d numbers in their results"):format(count, faults, looked))
os.exit(faults == 0 and 0 or 1, true)
