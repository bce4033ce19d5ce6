-- line.lua: a packet as one line, in the words of tcpdump. A protocol's `line` tells its
-- part; with `word`, the line begins with it and the addresses.
local header = require "tun.packet.header"
local layer = require "tun.packet.layer"
local packet = require "tun.packet.packet"
local slot = require "tun.packet.slot"
local span = require "tun.packet.span"
local word = require "tun.packet.word"

local line = {}

local POINTER, START, STOP, LIMIT = slot.POINTER, slot.START, slot.STOP, slot.LIMIT
local FIRST, LAST, MORE, PAYLOAD = slot.FIRST, slot.LAST, slot.MORE, slot.PAYLOAD
local NET, LINK = FIRST + 2 * layer.LEVELS.net, FIRST + 2 * layer.LEVELS.link

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
  return ("%s%s, length %d"):format(word.name_of(ip.fields.proto or ip.fields.next, number)
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

--- Why reading stopped.
function line.fault(fault)
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
    local name = word.name_of(eth.fields.type, view.type)
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
function line.of(self, depth)
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
  parts[#parts + 1] = fault and line.fault(fault) or nil
  local inner = not self[slot.QUOTED] and depth < span.DEPTH and self.inner
  if inner then
    parts[#parts] = parts[#parts]:gsub("[^:]$", "%0:")
    parts[#parts + 1] = line.of(inner, depth + 1)
  end
  return table.concat(parts, " ")
end

--- Describe the packet in one line, as tcpdump would.
-- @return string
function packet.methods:line()
  return line.of(self)
end

--- Describe the layer as it is described in a packet's line.
-- @return string
function header.methods.line(view)
  return layer_line(view[3], getmetatable(view).protocol, view[2])
end

return line
