-- show.lua: packets for people to read: one line in the words of tcpdump, all fields by
-- layer, the bytes with the layers marked, and the Lua source that builds the packet.
local bytes = require "tun.packet.bytes"
local header = require "tun.packet.header"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local slot = require "tun.packet.slot"

local show = {}

local POINTER, START, STOP, LIMIT = slot.POINTER, slot.START, slot.STOP, slot.LIMIT
local FIRST, LAST, MORE, PAYLOAD = slot.FIRST, slot.LAST, slot.MORE, slot.PAYLOAD
local NET, LINK = FIRST + 2 * layer.LEVELS.net, FIRST + 2 * layer.LEVELS.link

-- How many packets inside of one another are printed.
local DEPTH = 8

-- -- Lines ----------------------------------------------------------------

-- A layer without words of its own: its fields.
local function plain_line(view)
  local protocol = getmetatable(view).protocol
  local list = {}
  for i, field in ipairs(protocol.fields) do
    list[i] = ("%s %s"):format(field.name, tostring(view[field.name]))
  end
  return protocol.name .. " " .. table.concat(list, ", ")
end

local function layer_line(self, protocol, o)
  local view = header.view(self, protocol, o)
  return (protocol.line or plain_line)(view, self, self[LIMIT] - o)
end

-- Source and destination, with the ports of the transport where there are some.
local function endpoints(self, protocol, o)
  local p, sport, dport = self[POINTER], "", ""
  local transport, at = self[LAST - 1], self[LAST]
  if transport and transport.row.ports then
    sport, dport = "." .. transport.get.sport(p, at), "." .. transport.get.dport(p, at)
  end
  return ("%s %s%s > %s%s:"):format(protocol.row.word, protocol.get.src(p, o), sport,
    protocol.get.dst(p, o), dport)
end

-- What an IP packet has inside that is no layer here, or a later fragment.
local function unknown_line(self, ip, o)
  local frag = header.accessors.frag(self)
  local number = frag and frag.next or (ip.get.proto or ip.get.next)(self[POINTER], o)
  local view = frag or header.view(self, ip, o)
  local offset = (frag or ip.get.offset) and view.offset or 0
  return ("%s%s, length %d"):format(show.name_of(ip.fields.proto or ip.fields.next, number)
    or "ip-proto-" .. number, offset > 0 and " fragment at " .. offset * 8 or "",
    self[LIMIT] - self[PAYLOAD])
end

-- The parts of a line from the network's header on.
local function from_net(self, parts, net)
  local o = self[NET + 1]
  parts[#parts + 1] = net.row.word and endpoints(self, net, o) or layer_line(self, net, o)
  local transport, at = self[LAST - 1], self[LAST]
  local found, behind = layer.by_port(self)
  for _, each in ipairs(self[MORE] or {}) do
    if transport and each[2] > at then
      parts[#parts + 1], transport = layer_line(self, transport, at), nil
    end
    parts[#parts + 1] = layer_line(self, each[1], each[2])
  end
  if found then
    parts[#parts + 1] = layer_line(self, found, behind)
  elseif transport then
    parts[#parts + 1] = layer_line(self, transport, at)
  elseif net.row.word and not self[LAST - 1] and not self[slot.INSIDE] then
    parts[#parts + 1] = unknown_line(self, net, o)
  end
end

local function fault_line(fault)
  return ("[|%s: %s]"):format(fault.layer, fault.message)
end

local function from_link(self, parts)
  for at = FIRST, LAST - 1, 2 do
    if self[at] and at ~= LINK and at ~= NET then
      parts[#parts + 1] = layer_line(self, self[at], self[at + 1])
    end
  end
  local eth = self[LINK]
  if eth == header.protocols.eth then
    local view = header.view(self, eth, self[LINK + 1])
    local name = show.name_of(eth.fields.type, view.type)
    parts[#parts + 1] = ("%s > %s, ethertype %s0x%04x,"):format(view.src, view.dst,
      name and name .. " " or "", view.type)
  elseif eth then
    parts[#parts + 1] = layer_line(self, eth, self[LINK + 1])
  end
  for _, each in ipairs(self[MORE] or {}) do
    parts[#parts + 1] = layer_line(self, each[1], each[2])
  end
  parts[#parts + 1] = "length " .. self[STOP] - self[START]
end

--- Describe a packet in one line, as tcpdump would.
-- @return string
function show.line(self, depth)
  depth = depth or 1
  local parts, net = {}, self[NET]
  for at = LINK + 2, net and NET - 1 or LINK, 2 do
    if self[at] then
      parts[#parts + 1] = layer_line(self, self[at], self[at + 1])
    end
  end
  if net then
    from_net(self, parts, net)
  else
    from_link(self, parts)
  end
  local fault = self[slot.ERROR]
  parts[#parts + 1] = fault and fault_line(fault) or nil
  local inner = not self[slot.QUOTED] and depth < DEPTH and self.inner
  if inner then
    parts[#parts] = parts[#parts]:gsub("[^:]$", "%0:")
    parts[#parts + 1] = show.line(inner, depth + 1)
  end
  return table.concat(parts, " ")
end

-- -- Names ----------------------------------------------------------------

--- The name of a number in a field's enum: the shortest of several.
function show.name_of(field, number)
  local found
  for name, value in pairs(field.enum or {}) do
    if value == number and (not found or #name < #found or #name == #found and name < found) then
      found = name
    end
  end
  return found
end

-- Whether a field means something in this header: `only` lists numbers of other fields.
local function meant(row, view)
  for name, numbers in pairs(row.only or {}) do
    local number, found = view[name], false
    for _, each in ipairs(numbers) do
      found = found or each == number
    end
    if not found then
      return false
    end
  end
  return true
end

-- -- Layers ---------------------------------------------------------------

-- { protocol, first, last + 1 } of each layer's header in wire order.
local function spans(self)
  local list, sorted = {}, packet.sorted(self)
  for i, each in ipairs(sorted) do
    local stop = sorted[i + 1] and sorted[i + 1][2] or math.max(self[PAYLOAD], each[2])
    list[i] = { each[1], each[2], stop }
  end
  local protocol, at = layer.by_port(self)
  if protocol then
    list[#list + 1] = { protocol, at, protocol.row.size and self[LIMIT] or at + protocol.size }
  end
  return list
end

-- The layers of a packet and of those inside of it; behind which offset the payload is.
local function all_spans(self, depth)
  local list = spans(self)
  local last = list[#list] and list[#list][3] or self[START]
  local inner = not self[slot.QUOTED] and depth < DEPTH and self.inner
  for _, span in ipairs(list) do
    span[4] = self
  end
  if inner and inner[START] >= last then
    local more, behind = all_spans(inner, depth + 1)
    for _, span in ipairs(more) do
      list[#list + 1] = span
    end
    return list, behind
  end
  return list, last
end

-- -- All fields -----------------------------------------------------------

local printable

-- What stands first in a record; the rest is in alphabetical order.
local RANK = { name = "1", type = "2", class = "3", ttl = "4" }

local function pairs_of(value)
  local list = {}
  for key, each in pairs(value) do
    if type(key) == "string" and key ~= "kind" then
      list[#list + 1] = { key, each }
    end
  end
  table.sort(list, function(a, b)
    return (RANK[a[1]] or a[1]) < (RANK[b[1]] or b[1])
  end)
  return list
end

local function escape(text)
  return (text:gsub('[%c"\\\127-\255]', function(byte)
    return ("\\x%02x"):format(byte:byte())
  end))
end

-- "mss 1460", "TS {value 1, echo 2}": what areas have.
local function words(value)
  local list = {}
  for _, each in ipairs(value) do
    list[#list + 1] = printable(each)
  end
  for _, pair in ipairs(pairs_of(value)) do
    list[#list + 1] = pair[1] .. " " .. printable(pair[2])
  end
  return list
end

function printable(value)
  if type(value) == "table" then
    return "{" .. table.concat(words(value), ", ") .. "}"
  end
  return type(value) == "number" and ("%.14g"):format(value) or escape(tostring(value))
end

local function field_words(field, row, value)
  if type(value) ~= "number" then
    return printable(value)
  end
  local name = show.name_of(field, value) or row.names_of and row.names_of[value]
  local number = (field.format or "%.0f"):format(value)
  return name and ("%s (%s)"):format(number, name) or number
end

local function area_lines(view, row, lines)
  for _, name in ipairs(row.area and row.area.names or {}) do
    local value = row.methods and row.methods[name] and row.methods[name](view)
    if name == "body" or value == nil or #value == 0 then
      value = {}
    elseif type(value) == "string" then
      value = { value }
    end
    for i, each in ipairs(value) do
      local text = type(each) == "table" and table.concat(words(each), " ") or printable(each)
      lines[#lines + 1] = ("  %-12s %s"):format(i == 1 and name or "", text)
    end
  end
end

-- The fields of a view, one per line.
local function view_lines(view, lines)
  local protocol = getmetatable(view).protocol
  for i, field in ipairs(protocol.fields) do
    local row = protocol.row[i]
    local value = view[field.name]
    if value ~= nil and meant(row, view) then
      lines[#lines + 1] = ("  %-12s %s"):format(field.name, field_words(field, row, value))
    end
  end
  area_lines(view, protocol.row, lines)
  return lines
end

local function hex(text)
  return (text:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- Describe all fields of a packet, by layer.
-- @return string of lines
function show.show(self)
  local lines = {}
  local list, behind = all_spans(self, 1)
  for _, span in ipairs(list) do
    lines[#lines + 1] = span[1].name
    view_lines(header.view(span[4], span[1], span[2]), lines)
  end
  local n = self[STOP] - behind
  if n > 0 then
    local start = hex(bytes.string(self[POINTER], behind, math.min(n, 16)))
    lines[#lines + 1] = ("payload\n  %-12s %s%s"):format(n .. " bytes", start,
      n > 16 and "..." or "")
  end
  if self[slot.ERROR] then
    lines[#lines + 1] = fault_line(self[slot.ERROR])
  end
  return table.concat(lines, "\n")
end

-- -- Bytes ----------------------------------------------------------------

local function dump_row(mark, at, text)
  local pairs_list = {}
  for i = 1, #text do
    pairs_list[i] = ("%02x"):format(text:byte(i)) .. (i == 8 and " " or "")
  end
  return ("%-11s %04x  %-49s %s"):format(mark, at, table.concat(pairs_list, " "),
    (text:gsub("[^\32-\126]", ".")))
end

local function dump(self, lines, mark, first, stop)
  for at = first, stop - 1, 16 do
    local text = bytes.string(self[POINTER], at, math.min(16, stop - at))
    lines[#lines + 1] = dump_row(at == first and mark or "", at - self[START], text)
  end
end

--- Dump the bytes of a packet; every layer begins a line, with its name.
-- @return string of lines
function show.hexdump(self)
  local lines = {}
  local list, behind = all_spans(self, 1)
  for _, span in ipairs(list) do
    dump(self, lines, span[1].name, span[2], math.min(span[3], self[STOP]))
  end
  local limit = math.max(behind, math.min(self[LIMIT], self[STOP]))
  dump(self, lines, "payload", behind, limit)
  dump(self, lines, "trailer", limit, self[STOP])
  return table.concat(lines, "\n")
end

-- -- Source ---------------------------------------------------------------

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(byte)
    return ("\\%03d"):format(byte:byte())
  end) .. '"'
end

local source

local function table_source(value)
  local list = {}
  for i, each in ipairs(value) do
    list[i] = source(each)
  end
  for _, pair in ipairs(pairs_of(value)) do
    list[#list + 1] = ("%s = %s"):format(pair[1], source(pair[2]))
  end
  return list[1] and "{ " .. table.concat(list, ", ") .. " }" or "{}"
end

function source(value)
  if type(value) == "table" then
    return table_source(value)
  elseif type(value) == "string" then
    return quote(value)
  end
  return type(value) == "number" and ("%.14g"):format(value) or tostring(value)
end

local function field_source(field, value)
  local name = type(value) == "number" and show.name_of(field, value)
  if name then
    return quote(name)
  elseif type(value) == "number" and field.format and value >= 10 then
    return field.format:format(value)
  end
  return source(value)
end

local function default(field)
  local value = field.default
  if field.width == 1 then
    return (value or 0) ~= 0
  elseif field.codec then
    return value or field.codec.text and field.codec.text(0)
  end
  return value or 0
end

-- How much source gives: what building would not compute; that and what says which
-- layer follows; and all that it would; or the plain fields, whatever their meaning, and
-- areas as bytes.
local WAYS = {
  { plain = false }, { plain = false, following = true },
  { plain = false, following = true, computed = true }, { plain = true, computed = true },
}

-- Whether source has to give a field.
local function given(field, row, view, way, wrong)
  local value = view[field.name]
  if value == nil or field.over and (way.plain or not row.only)
    or not way.plain and not meant(row, view) then
    return false
  elseif field.computed then
    return way.computed or way.following and field.computed == "next"
      or wrong[getmetatable(view).protocol.name .. "." .. field.name]
  end
  return value ~= default(field) and (way.plain or not row.counted)
end

local function area_source(view, row, list, way)
  local area, methods = row.area or { names = {} }, row.methods or {}
  for _, name in ipairs(area.names) do
    local value = methods[name] and methods[name](view)
    if #area.names > 1 and way.plain ~= (name == "body") then
      value = nil
    end
    if value and #value > 0 then
      list[#list + 1] = ("%s = %s"):format(name, source(value))
    end
  end
end

local function layer_source(view, way, wrong)
  local protocol = getmetatable(view).protocol
  local list = {}
  for i, field in ipairs(protocol.fields) do
    if given(field, protocol.row[i], view, way, wrong) then
      list[#list + 1] = ("%s = %s"):format(field.name, field_source(field, view[field.name]))
    end
  end
  area_source(view, protocol.row, list, way)
  local fields = list[1] and " " .. table.concat(list, ", ") .. " " or ""
  return ("packet.%s{%s}"):format(protocol.name, fields)
end

local function packet_source(self, way, wrong)
  local parts = {}
  local list, behind = all_spans(self, 1)
  for _, span in ipairs(list) do
    parts[#parts + 1] = layer_source(header.view(span[4], span[1], span[2]), way, wrong)
  end
  if self[STOP] > behind then
    parts[#parts + 1] = quote(bytes.string(self[POINTER], behind, self[STOP] - behind))
  end
  return table.concat(parts, "\n  / ")
end

local function wrong_fields(self)
  local wrong = {}
  local found = self:verify()
  for _, each in ipairs(found ~= true and found or {}) do
    wrong[each.layer .. "." .. each.field] = true
  end
  return wrong
end

-- Whether source builds these bytes.
local function builds(text, library, wanted)
  local load_text = loadstring or load -- luacheck: ignore
  local chunk = load_text("local packet = ... return " .. text)
  local ok, built = pcall(function()
    return chunk(library):bytes()
  end)
  return ok and built == wanted
end

--- Give the Lua source of an expression that builds the packet, byte for byte; `packet`
-- in it is this library. Fields that building computes are given only when they differ; a
-- packet that cannot be built of its layers is given as bytes.
-- @return string
function show.lua(self)
  local library, wanted = require "tun.packet", self:bytes()
  local wrong = wrong_fields(self)
  for _, way in ipairs(WAYS) do
    local text = packet_source(self, way, wrong)
    if builds(text, library, wanted) then
      return text
    end
  end
  return ("packet.parse(%s, %s)"):format(quote(wanted), quote(self[slot.KIND].name))
end

-- -- What a script sees -----------------------------------------------------

for _, name in ipairs { "line", "show", "hexdump", "lua" } do
  packet.methods[name] = show[name]
end

--- A layer's part of the line.
function header.methods.line(view)
  return layer_line(view[3], getmetatable(view).protocol, view[2])
end

--- A layer's fields.
function header.methods.show(view)
  return table.concat(view_lines(view, { getmetatable(view).protocol.name }), "\n")
end

return show
