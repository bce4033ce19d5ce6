-- hostile.lua: random and mutated packets through everything that tun.packet does with
-- bytes. Nothing may raise, no byte outside of the packet may be touched: it ends where a
-- page begins that cannot be, and what is in front of it is looked at afterwards.
-- Run: lua spec/packet/hostile.lua SEED COUNT as `make hostile` does
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local index = require "tun.packet.protocol.index"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet"
local reading = require "tun.packet.object"
local random = dofile "spec/peers/random.lua"

local hostile = {}

local int, data = random.int, random.data

-- -- Bytes ----------------------------------------------------------------

-- What every mutation begins with: packets of all protocols, which nest.
local CORPUS = 400
local corpus

local function fill_corpus()
  corpus = {}
  for i = 1, CORPUS do
    corpus[i] = random.build(random.layers(i)):bytes()
  end
end

local function splice(text, from, to, other)
  return text:sub(1, from - 1) .. other .. text:sub(to + 1)
end

local MUTATIONS = {
  function(text, at) -- one bit
    local byte, bit = text:byte(at), 2 ^ int(0, 7)
    local set = math.floor(byte / bit) % 2 == 1
    return splice(text, at, at, string.char(set and byte - bit or byte + bit))
  end,
  function(text, at)
    return splice(text, at, at, ("\0\255\1\127\128\40\69\96"):sub(int(1, 8)):sub(1, 1))
  end,
  function(text, at)
    return splice(text, at, at + 1, ({ "\0\0", "\255\255", "\0\1", "\0\7" })[int(1, 4)])
  end,
  function(text, at) -- cut
    return text:sub(1, at - 1)
  end,
  function(text)
    return text .. data(80)
  end,
  function(text, at) -- more of the same
    return splice(text, at, at - 1, text:sub(at, at + int(0, 60)))
  end,
  function(text, at)
    return splice(text, at, at + int(0, 20), "")
  end,
  function(text, at) -- the end of another one
    local other = corpus[int(1, CORPUS)]
    return text:sub(1, at) .. other:sub(int(1, #other))
  end,
}

local function mutated()
  local text = corpus[int(1, CORPUS)]
  for _ = 1, int(1, 4) do
    if #text == 0 then
      return text
    end
    -- Headers are in front.
    local at = int(1, int(1, 3) > 1 and math.min(#text, 80) or #text)
    text = MUTATIONS[int(1, #MUTATIONS)](text, at)
  end
  return text
end

for _, protocols in pairs(index.protocols) do
  for name in pairs(protocols) do
    assert(packet[name], name) -- loads it
  end
end

local KINDS = {}
for _, names in ipairs { header.kinds, header.protocols } do
  for name in pairs(names) do
    KINDS[#KINDS + 1] = name
  end
end
table.sort(KINDS)

--- What a packet may begin with, and from what the choices that all() makes follow.
hostile.KINDS, hostile.seed = KINDS, random.seed

-- Bytes and what they are said to be.
local function next_packet()
  local choice = int(1, 10)
  if choice == 1 then
    return data(120), KINDS[int(1, #KINDS)]
  elseif choice == 2 then
    return mutated(), KINDS[int(1, #KINDS)]
  elseif choice <= 4 then
    return mutated():sub(15), "ip"
  end
  return mutated(), "eth"
end

-- -- Where they lie -------------------------------------------------------

local SIZE, GUARD = 131072, 64
local MARK = ("\165"):rep(GUARD)
local arena = core.arena(SIZE, true)
local pointer = bytes.pointer(arena)

--- A packet that ends where the arena does.
function hostile.placed(text, kind)
  local first = SIZE - #text
  arena:write(first - GUARD, MARK)
  arena:write(first, text)
  return reading.read(reading.new(arena, pointer, first, SIZE), first, SIZE, layer.kinds[kind])
end

local function untouched(text)
  return arena:bytes(SIZE - #text - GUARD, GUARD + #text) == MARK .. text
end

-- -- Everything -----------------------------------------------------------

-- Methods of views that only read and need nothing.
local READERS = { "options", "addresses", "sources", "records", "icv", "message", "questions",
                  "answers", "authorities", "additionals", "body", "name", "line" }

local function has_method(view, name)
  local row = getmetatable(view).protocol.row.methods
  return row and row[name]
end

local function read_view(view)
  local protocol = getmetatable(view).protocol
  for _, field in ipairs(protocol.fields) do
    local _ = view[field.name]
    if field.codec and field.width <= 48 and protocol.get[field.name .. "_n"] then
      _ = view[field.name .. "_n"]
    end
  end
  for _, name in ipairs(READERS) do
    if has_method(view, name) then
      view[name](view)
    end
  end
end

local function read(p)
  local _ = p.payload
  _ = p.error or p.ip
  for _, view in ipairs(p:layers()) do
    read_view(view)
  end
  for name in pairs(header.protocols) do
    _ = p[name]
  end
  if p.inner then
    read(p.inner)
  end
end

-- Every field as it is; an absent one cannot be set.
local function write_same(p)
  for _, view in ipairs(p:layers()) do
    for _, field in ipairs(getmetatable(view).protocol.fields) do
      local value = view[field.name]
      if value ~= nil then
        view[field.name] = value
      end
    end
  end
end

local ERRORS = { "net", "host", "protocol", "port", "prohibited", "too_big", "ttl", "reassembly" }

local function answer(p, kind)
  local how = { mac = "02:00:00:00:00:01" }
  if int(1, 2) == 1 then
    how.error, how.mtu = ERRORS[int(1, #ERRORS)], 1400
  end
  local reply, why = p:reply(how)
  assert(reply or type(why) == "string", "reply: no reason")
  if reply then
    local again = packet.parse(reply:bytes(), kind)
    assert(again:verify() == true, "reply: not right in itself")
  end
end

local function show(p)
  assert(type(tostring(p)) == "string")
  assert(not tostring(p):find "\n", "tostring: more than one line")
  p:show()
  p:hexdump()
end

local function rebuild(p, text)
  local source = p:lua()
  local chunk = assert((loadstring or load)("local packet = ...; return " .. source)) -- luacheck: ignore
  assert(chunk(packet):bytes() == text, "lua: other bytes")
end

local function fix(p, text)
  local copy = p:copy()
  write_same(copy)
  assert(copy:bytes() == text, "setting fields to what they are changed bytes")
  copy:fix()
  read(copy)
  copy:verify()
  copy = p:copy()
  copy.payload = "other bytes"
  copy:fix()
  read(copy)
end

local reassembler = packet.reassembler { datagrams = 16 }

local function cut(p)
  p:fragment(1280)
  reassembler:add(p)
  p:segment(8)
end

--- One packet through everything; raises what goes wrong.
function hostile.all(text, kind)
  local p = hostile.placed(text, kind)
  read(p)
  show(p)
  p:verify()
  answer(p, kind)
  cut(p)
  fix(p, text)
  if int(1, 8) == 1 then -- compiling source takes most of the time
    rebuild(p, text)
  end
  assert(untouched(text), "bytes were changed")
end

local function hex(text)
  return (text:gsub(".", function(char)
    return ("%02x"):format(char:byte())
  end))
end

--- Run packets of a seed through everything.
-- @param say  called with what went wrong, in words
-- @return the most seconds that one packet took
function hostile.run(seed, count, say)
  random.seed(seed)
  fill_corpus()
  local longest = 0
  for i = 1, count do
    local text, kind = next_packet()
    local started = os.clock()
    local ok, why = xpcall(function() hostile.all(text, kind) end, debug.traceback)
    longest = math.max(longest, os.clock() - started)
    if not ok then
      say(("packet %d of seed %d, %s %s\n%s"):format(i, seed, kind, hex(text), tostring(why)))
    end
  end
  return longest
end

-- As a program.
if arg and arg[0] and arg[0]:find "/hostile%.lua$" then
  local seed, count, wrong = tonumber(arg[1]), tonumber(arg[2]), 0
  local longest = hostile.run(seed, count, function(words)
    wrong = wrong + 1
    print(words)
    if wrong == 100 then
      os.exit(1)
    end
  end)
  print(("%s: %d packets of seed %d, %d went wrong; %.0f us for one, %.1f ms at most")
    :format(jit and jit.version or _VERSION, count, seed, wrong, os.clock() / count * 1e6,
      longest * 1e3))
  os.exit(wrong == 0 and 0 or 1)
end

return hostile
