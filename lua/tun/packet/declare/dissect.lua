-- dissect.lua: what is not usual in a packet is read by C in one call: see csrc/batch/dissect.c.
-- Traces of it would be one for each shape of packet, and there are many. For LuaJIT; what C
-- cannot take is left to the parser in Lua.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local layer = require "tun.packet.declare.layer"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local dissect = {}

if not bytes.compiled then
  function dissect.add() end
  dissect.lead = dissect.add
  return dissect
end

local protocols = {} -- by id of their steps
local make_step, make_lead, go = core.dissector(protocols, slot, layer.MOST)

-- -- Expressions -----------------------------------------------------------

-- Operations of csrc/batch/dissect.c, and what binds closest.
local CONSTANT, FIELD, BYTES, BACK, REST, NOT = 0, 1, 2, 3, 4, 16
local BINARY = {
  ["or"] = { 1, 18 }, ["and"] = { 2, 17 },
  ["=="] = { 3, 10 }, ["~="] = { 3, 11 }, ["<"] = { 3, 12 }, ["<="] = { 3, 13 },
  [">"] = { 3, 14 }, [">="] = { 3, 15 },
  ["+"] = { 4, 5 }, ["-"] = { 4, 6 }, ["*"] = { 5, 7 }, ["/"] = { 5, 8 }, ["%"] = { 5, 9 },
}
local DEEPEST = 15 -- values at once
local FARTHEST = 65536 -- bytes from a header to what is read beside it

-- What is no expression of numbers that C can read.
local function beyond(what)
  error({ beyond = what }, 0)
end

local function tokens(text)
  local list, at = {}, 1
  while at <= #text do
    local token = text:match("^0x%x+", at) or text:match("^[%w_]+", at)
      or text:match("^[=~<>]=", at) or text:match("^%S", at)
    if not token then
      break
    end
    list[#list + 1] = token
    at = text:find("%S", at + #token) or #text + 1
  end
  return list
end

local function emit(state, ...)
  for i = 1, select("#", ...) do
    state[#state + 1] = (select(i, ...))
  end
end

local function expect(state, token)
  state.at = state.at + 1
  if state.tokens[state.at - 1] ~= token then
    beyond(token)
  end
end

local function push(state, ...)
  state.depth = state.depth + 1
  if state.depth > DEEPEST then
    beyond "so deep"
  end
  emit(state, ...)
end

local expression

-- u8(4), back(1): the number between the brackets.
local function argument(state)
  expect(state, "(")
  local n = tonumber(state.tokens[state.at])
  state.at = state.at + 1
  expect(state, ")")
  return n < FARTHEST and n or beyond(n)
end

local function field(state, name)
  local each = state.protocol.fields[name]
  local n = each and each.at and each.width and math.ceil((each.skip + each.width) / 8)
  if not n or n > 4 or each.wide or each.little or each.signed then
    beyond(name)
  end
  push(state, FIELD, each.at, n, 8 * n - each.skip - each.width, 2 ^ each.width - 1)
end

local function operand(state)
  local token = state.tokens[state.at] or beyond "nothing"
  state.at = state.at + 1
  local number, width = tonumber(token), token:match "^u(%d+)$"
  if token == "(" then
    expression(state, 1)
    expect(state, ")")
  elseif token == "not" then
    operand(state)
    emit(state, NOT)
  elseif number then
    push(state, CONSTANT, number < 2 ^ 31 and number % 1 == 0 and number or beyond(token))
  elseif width then
    push(state, BYTES, argument(state), width / 8)
  elseif token == "back" then
    push(state, BACK, argument(state))
  elseif token == "stop" then
    expect(state, "-")
    expect(state, "o")
    push(state, REST)
  elseif token == "true" or token == "false" then
    push(state, CONSTANT, 0)
    push(state, CONSTANT, 0)
    emit(state, BINARY[token == "true" and "==" or "~="][2])
    state.depth = state.depth - 1
  else
    field(state, token)
  end
end

-- What binds at least as close.
function expression(state, least)
  operand(state)
  local operator = BINARY[state.tokens[state.at]]
  while operator and operator[1] >= least do
    local jumps = operator[1] <= 2 -- over what comes when the first decides
    state.at = state.at + 1
    if jumps then
      emit(state, operator[2], 0)
      state.depth = state.depth - 1
    end
    local from = #state
    expression(state, operator[1] + 1)
    if jumps then
      state[from] = #state - from
    else
      emit(state, operator[2])
      state.depth = state.depth - 1
    end
    operator = BINARY[state.tokens[state.at]]
  end
end

-- The operations of an expression, none of false.
local function compiled(protocol, text)
  if not text then
    return {}
  end
  local state = { protocol = protocol, tokens = tokens(tostring(text)), at = 1, depth = 0 }
  expression(state, 1)
  if state.tokens[state.at] then
    beyond(state.tokens[state.at])
  end
  return state
end

-- -- Steps and spaces ------------------------------------------------------

local spaces = {} -- by id

local function space_id(name)
  local space = layer.space(name)
  if not space.id then
    spaces[#spaces + 1] = space
    space.id = #spaces
  end
  return space.id
end

local function is_table(value)
  return type(value) == "table" and value
end

-- In the order of csrc/batch/dissect.c.
local function parts(protocol, row, next, inner)
  local quotes = type(row.quotes) == "string" and row.quotes
  return { row.valid and row.valid[1] or false, protocol.size_text or false, row.extent or false,
           row.open or false, row.unless or false, next and next[2] or false,
           next and next[3] or false, inner and inner[2] or false, quotes }
end

-- KNOWN, LENIENT, STREAM, QUOTED of csrc/batch/dissect.c.
local function flags(protocol, row)
  local lenient = protocol.level == layer.LEVELS.application or protocol.stream
  return 1 + (lenient and 2 or 0) + (protocol.stream and 4 or 0)
    + (row.inner and row.quotes == true and 8 or 0)
end

-- The step of what is always inside, 0 for none.
local function held(row)
  local kind = type(row.inner) == "string" and layer.kinds[row.inner]
  if type(row.inner) == "string" and not (kind and kind.step) then
    beyond(row.inner)
  end
  return kind and kind.step or 0
end

local function numbers(protocol)
  local row = protocol.row
  local next, inner, level = row.next, is_table(row.inner), protocol.level
  local list = { flags(protocol, row), protocol.size, level and protocol.mark or 0,
                 level and layer.mask(level) or 0, level or 0, next and next.least or 0,
                 next and next.size or 0, next and space_id(next[1]) or 0,
                 inner and space_id(inner[1]) or 0, held(row) }
  for _, text in ipairs(parts(protocol, row, next, inner)) do
    local code = compiled(protocol, text)
    list[#list + 1] = #code
    for i = 1, #code do
      list[#list + 1] = code[i]
    end
  end
  return list
end

-- Without flags and expressions a header is left to Lua.
local NOTHING = {}
for i = 1, 19 do
  NOTHING[i] = 0
end

--- Let C know a protocol.
function dissect.add(protocol)
  local ok, list = pcall(numbers, protocol)
  if not ok and not (type(list) == "table" and list.beyond) then
    error(list, 0)
  end
  local id = make_step(ok and list or NOTHING)
  protocol.step = id
  protocols[id] = protocol
end

--- Let C know what a number of a space leads to.
-- @param protocol  false for one that is not loaded yet
function dissect.lead(space, number, protocol)
  if number % 1 == 0 and number >= 0 and number < 65536 then
    make_lead(space_id(space.name), number, protocol and protocol.step or 0)
  end
end

-- -- Reading ---------------------------------------------------------------

local LOADED = 65536 -- what C says of a number whose protocol has to be loaded
local PAYLOAD, LIMIT, LAYERS = slot.PAYLOAD, slot.LIMIT, slot.LAYERS

-- What C leaves to Lua: to a parser, or to what loads it. What cannot be loaded now is payload.
local function rest(packet, p, left, id, number)
  local protocol = left < LOADED and protocols[left] or spaces[id].protocols[number]
  if protocol then
    protocol.slow(packet, p, packet[PAYLOAD], packet[LIMIT], packet[LAYERS])
  end
end

--- Read what a number of a space leads to, and all behind it:
-- dissect.read(packet, p, o, stop, layers, space's id, number). A call of the C API ends a
-- trace, and another one begins behind it, whatever was found.
dissect.read = bytes.compile("packet/dissect", source.fill [[
return function(packet, p, o, stop, layers, space, number)
  local left = go(packet[$ARENA], packet, o, stop, layers, space, number, packet[$START])
  if left > 0 then
    rest(packet, p, left, space, number)
  end
end]], { go = go, rest = rest })

dissect.space = space_id

return dissect
