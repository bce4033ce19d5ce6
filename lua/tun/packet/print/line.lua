-- line.lua: a packet as one line, in the words of tcpdump. A protocol's `line` tells its
-- part; with `word`, the line begins with it and the addresses.
local bytes = require "tun.packet.memory.bytes"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local slot = require "tun.packet.memory.slot"
local span = require "tun.packet.print.span"
local word = require "tun.packet.value.word"

local line = {}

local POINTER, START, STOP, LIMIT = slot.POINTER, slot.START, slot.STOP, slot.LIMIT
local MORE, PAYLOAD = slot.MORE, slot.PAYLOAD

local at, LEVELS, printable = layer.at, layer.LEVELS, bytes.printable
local link_at, service_at, tag_at = at[LEVELS.link], at[LEVELS.service], at[LEVELS.tag]
local net_at, transport_at = at[LEVELS.net], at[LEVELS.transport]
local application_at = at[LEVELS.application]

-- What a packet says is not what a terminal is told.
local function escape(text)
  return (text:gsub("[%c\127-\255]", function(byte)
    return ("\\x%02x"):format(byte:byte())
  end))
end

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
  local text = (protocol.line or plain_line)(view, self, self[LIMIT] - o)
  return printable(text) and text or escape(text)
end

-- Source and destination, with the ports of the transport where there are some.
local function endpoints(self, protocol, o)
  local p, get, name = self[POINTER], protocol.get, protocol.row.word
  local transport, behind = transport_at(self)
  if transport and transport.row.ports then
    return ("%s %s.%d > %s.%d:"):format(name, get.src(p, o), transport.get.sport(p, behind),
      get.dst(p, o), transport.get.dport(p, behind))
  end
  return ("%s %s > %s:"):format(name, get.src(p, o), get.dst(p, o))
end

-- What an IP packet has inside that is no layer here, or a later fragment.
local function unknown_line(self, ip, o)
  local frag = self.frag
  local number = frag and frag.next_n or (ip.get.proto_n or ip.get.next_n)(self[POINTER], o)
  local view = frag or header.view(self, ip, o)
  local offset = (frag or ip.get.offset) and view.offset or 0
  return ("%s%s, length %d"):format(word.name_of(ip.fields.proto or ip.fields.next, number)
    or "ip-proto-" .. number, offset > 0 and " fragment at " .. offset * 8 or "",
    self[LIMIT] - self[PAYLOAD])
end

local function innermost(self)
  local protocol, o = application_at(self)
  if protocol then
    return protocol, o
  end
  return transport_at(self)
end

-- What is behind the addresses, where no layer stands between the usual ones.
local function body(self, net, net_o)
  local protocol, o = innermost(self)
  if protocol then
    return layer_line(self, protocol, o)
  end
  return net.row.word and not self[slot.INSIDE] and unknown_line(self, net, net_o) or nil
end

-- The same with layers before and behind the transport.
local function long_body(self, net, o)
  local parts, last = {}, body(self, net, o)
  local protocol, behind = innermost(self)
  for _, each in ipairs(self[MORE]) do
    if protocol and each[2] > behind then
      parts[#parts + 1], last, protocol = last, nil, nil
    end
    if each[2] > o then
      parts[#parts + 1] = layer_line(self, each[1], each[2])
    end
  end
  parts[#parts + 1] = last
  return table.concat(parts, " ")
end

local function from_net(self, net, o)
  local text = net.row.word and endpoints(self, net, o) or layer_line(self, net, o)
  local rest = (self[MORE] and long_body or body)(self, net, o)
  return rest and text .. " " .. rest or text
end

--- Where reading stopped, as tcpdump marks it, and why when that is an error; or nil.
function line.fault(self)
  local faults = self[slot.ERROR]
  if faults and faults.error then
    return ("[|%s: %s]"):format(faults.error.layer, faults.error.message)
  end
  return faults and ("[|%s]"):format(faults.cut.layer) or nil
end

-- Below 0x600 it is a length (IEEE 802.3, 3.2.6).
local function ethertype(link, number)
  local name = word.name_of(link.fields.type, number)
  return number < 0x600 and "802.3"
    or ("ethertype %s0x%04x"):format(name and name .. " " or "", number)
end

-- A packet that has no network's header.
local function from_link(self)
  local parts, link, link_o = {}, link_at(self)
  for level = 0, #at do
    local protocol, o = at[level](self)
    if protocol and protocol ~= link then
      parts[#parts + 1] = layer_line(self, protocol, o)
    end
  end
  if link == header.protocols.eth then
    local view = header.view(self, link, link_o)
    parts[#parts + 1] = ("%s > %s, %s,"):format(view.src, view.dst, ethertype(link, view.type_n))
  elseif link then
    parts[#parts + 1] = layer_line(self, link, link_o)
  end
  for _, each in ipairs(self[MORE] or {}) do
    parts[#parts + 1] = layer_line(self, each[1], each[2])
  end
  parts[#parts + 1] = "length " .. self[STOP] - self[START]
  return table.concat(parts, " ")
end

local function tag(self, level_at)
  local protocol, o = level_at(self)
  return protocol and layer_line(self, protocol, o) .. " " or ""
end

-- The tags in front of a network's header, and what else is between it and the link's.
local function tags(self, net_o)
  if not self[MORE] then
    return tag(self, service_at) .. tag(self, tag_at)
  end
  local list = {}
  for _, each in ipairs(packet.sorted(self)) do
    if each[2] < net_o and (each[1].level or LEVELS.net) > LEVELS.link then
      list[#list + 1] = layer_line(self, each[1], each[2]) .. " "
    end
  end
  return table.concat(list)
end

--- Describe a packet in one line.
-- @param depth  of the packet in others, 1 without
function line.of(self, depth)
  local net, o = net_at(self)
  local text = net and from_net(self, net, o) or from_link(self)
  if net and (service_at(self) or tag_at(self) or self[MORE]) then
    text = tags(self, o) .. text
  end
  local fault = line.fault(self)
  if fault then
    text = text .. " " .. fault
  end
  local inner = not self[slot.QUOTED] and depth < span.DEPTH and self.inner
  if inner then
    return text:gsub("[^:]$", "%0:") .. " " .. line.of(inner, depth + 1)
  end
  return text
end

--- Describe the packet in one line, as tcpdump would.
-- @return string
function line.packet(self)
  return line.of(self, 1)
end

--- Describe the layer as it is described in a packet's line.
-- @return string
function line.view(view)
  return layer_line(view[3], getmetatable(view).protocol, view[2])
end

return line
