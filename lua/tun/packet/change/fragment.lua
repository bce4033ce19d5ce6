-- fragment.lua: IPv4 (RFC 791) and IPv6 (RFC 8200, 4.5) packets cut to a size, and put
-- together again. Packets go in and come out whole; between that, bytes are strings.
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.check"
local core = require "tun.core"
local layer = require "tun.packet.declare.layer"
local packet = require "tun.packet.object"
local room = require "tun.packet.memory.room"
local slot = require "tun.packet.memory.slot"

local fragment = {}

local LARGEST = 65535 -- bytes that an IP length can say

-- -- Numbers in strings ----------------------------------------------------

local floor, char = math.floor, string.char

local function u16(text, at)
  local high, low = text:byte(at + 1, at + 2)
  return high * 256 + low
end

local function pack16(n)
  return char(floor(n / 256), n % 256)
end

local function pack32(n)
  return pack16(floor(n / 65536)) .. pack16(n % 65536)
end

-- A text with some of its bytes, at an offset, replaced.
local function patch(text, at, new)
  return text:sub(1, at) .. new .. text:sub(at + #new + 1)
end

-- An IPv4 header with its checksum.
local function with_checksum(header)
  local sum = -u16(header, 10)
  for at = 0, #header - 2, 2 do
    sum = sum + u16(header, at)
  end
  return patch(header, 10, pack16(65535 - ((sum - 1) % 65535 + 1)))
end

-- -- Where a datagram can be cut -------------------------------------------

-- Extension headers by number: those that every router on the way reads stay in front
-- of the fragment header (RFC 8200, 4.5).
local HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60

-- Bytes that a transport's header has at least, which is not cut from the headers in front
-- of it (RFC 7112).
local LEAST = { [6] = 20, [17] = 8, [58] = 8, [132] = 12 }

-- Walk the extension headers of an IPv6 packet: the offsets of the fragment header, if
-- there is one, of the end of what cannot be cut, of the number that says what is behind
-- that end, and of the end of the first fragment at least.
local function walk(ip)
  local next, field, at = ip:byte(7), 6, 40
  local stop, stop_field = 40, 6
  while next == HOP_BY_HOP or next == ROUTING or next == DESTINATION do
    local length = #ip >= at + 8 and (ip:byte(at + 2) + 1) * 8
    if not length or at + length > #ip then
      return nil, stop, stop_field, #ip
    end
    local kept = next ~= DESTINATION
    next, field, at = ip:byte(at + 1), at, at + length
    if kept then
      stop, stop_field = at, field
    end
  end
  if next == FRAGMENT and #ip >= at + 8 then
    return at, at, field
  end
  local least = LEAST[next] or 0
  if next == 6 and #ip >= at + 13 then
    least = floor(ip:byte(at + 13) / 16) * 4
  end
  return nil, stop, stop_field, math.min(at + least, #ip)
end

-- The IP packet as a string as long as it says, what is in front of it, and whether it is
-- IPv4; or nil and why not.
local function split(p)
  local ip = p.ip
  if not ip then
    return nil, "no IP packet"
  end
  local text, at, is4 = p:bytes(), ip[2] - p[slot.START], p.ip4 ~= nil
  local length = ip.length > 0 and ip.length + (is4 and 0 or 40) or #text - at
  local fault = p.error
  if fault and fault.layer == ip:name() then
    return nil, fault.message
  elseif at + length > #text then
    return nil, ("cut: length of %d bytes, but only %d are there"):format(length, #text - at)
  end
  return text:sub(at + 1, at + length), text:sub(1, at), is4
end

-- A packet of these bytes that begins as p does.
local function parse(p, link, ip)
  local text = link .. ip
  local arena, pointer, at = room.take(room.HEADROOM + #text)
  local first, stop = at + room.HEADROOM, at + room.HEADROOM + #text
  bytes.fill(pointer, first, text)
  return packet.read(packet.new(arena, pointer, at, stop), first, stop, p[slot.KIND])
end

-- -- Fragmenting -----------------------------------------------------------

-- Options that are copied into every fragment have their first bit set (RFC 791, 3.1).
local function copied(options)
  local kept, at = {}, 1
  while at <= #options do
    local kind, length = options:byte(at, at + 1)
    length = kind < 2 and 1 or length or 0
    if kind == 0 or kind > 1 and length < 2 then
      break
    elseif kind >= 128 then
      kept[#kept + 1] = options:sub(at, at + length - 1)
    end
    at = at + length
  end
  local text = table.concat(kept)
  return text .. ("\0"):rep(-#text % 4)
end

-- A function that makes the IPv4 packet of a part of the data, how long its header is,
-- and the data.
local function cutter4(ip)
  local ihl = ip:byte(1) % 16 * 4
  local word = u16(ip, 6)
  local first, last_flag = word % 8192, floor(word / 8192) % 2 == 1
  local headers = { ip:sub(1, ihl) }
  local options = copied(ip:sub(21, ihl))
  headers[2] = patch(ip:sub(1, 20), 0, char(64 + (20 + #options) / 4)) .. options
  return function(part, offset, more)
    local header = headers[offset > 0 and 2 or 1]
    local flags = (more or last_flag) and 8192 or 0
    header = patch(header, 2, pack16(#header + #part))
    return with_checksum(patch(header, 6, pack16(flags + first + offset / 8))) .. part
  end, ihl, ip:sub(ihl + 1)
end

local function cutter6(ip, id)
  local _, stop, field, least = walk(ip)
  local head = patch(ip:sub(1, stop), field, char(FRAGMENT))
  local next = ip:sub(field + 1, field + 1)
  return function(part, offset, more)
    local header = next .. "\0" .. pack16(offset + (more and 1 or 0)) .. pack32(id)
    return patch(head, 4, pack16(stop - 40 + 8 + #part)) .. header .. part
  end, stop + 8, ip:sub(stop + 1), least - stop
end

-- Why an IP packet cannot be cut.
local function refused(p, ip, is4)
  if is4 and p.ip4.df then
    return "df is set"
  elseif is4 and p.ip4.offset * 8 + #ip > LARGEST then
    return "it ends behind the largest offset"
  elseif not is4 and (walk(ip)) then
    return "a fragment already"
  elseif #ip > LARGEST + (is4 and 0 or 40) then
    return "it is longer than its length can say"
  end
end

local function any_id()
  return math.random(0, 65535) * 65536 + math.random(0, 65535)
end

--- Cut an IP packet into fragments that fit an MTU.
-- What is in front of the IP header is in front of every fragment. Lengths and checksums
-- are those of the fragments; the transport's own must be right before: fix() it.
-- @param p  the packet; left as it is
-- @param mtu  bytes of an IP packet, at least 68 for IPv4 and 1280 for IPv6
-- @param id  optional, 0 to 2^32-1: what names the fragments of an IPv6 packet, at random
--   when not given (RFC 7739); an IPv4 packet has its own
-- @return list of packets, { p } when it fits | nil, reason
-- Source: RFC 791, 2.3 and 3.2; RFC 8200, 4.5
function fragment.fragment(p, mtu, id)
  if id ~= nil then
    check.whole("fragment: id", id, 0, 4294967295)
  end
  local ip, link, is4 = split(p)
  if not ip then
    return nil, link
  end
  local lowest = is4 and 68 or 1280
  if type(mtu) ~= "number" or mtu < lowest or mtu % 1 ~= 0 then
    core.misuse(("fragment: the mtu must be %d or more, not %s"):format(lowest, tostring(mtu)))
  elseif #ip <= mtu then
    return { p }
  end
  local why = refused(p, ip, is4)
  if why then
    return nil, why
  end
  local cut, taken, data, least = (is4 and cutter4 or cutter6)(ip, id or any_id())
  if mtu - taken < math.max(8, least or 0) then
    return nil, ("headers of %d bytes leave no room"):format(taken + (least or 0))
  end
  local list, size = {}, floor((mtu - taken) / 8) * 8
  for at = 0, #data - 1, size do
    local part = data:sub(at + 1, at + size)
    list[#list + 1] = parse(p, link, cut(part, at, at + size < #data))
  end
  return list
end

-- -- Reassembly ------------------------------------------------------------

local meta = { __index = {} }
local reassembler = check.methods(meta.__index, meta)

-- What a reassembler keeps to, unless told otherwise.
local LIMITS = { timeout = 30, bytes = 4194304, datagrams = 1024, fragments = 256 }

--- Make something that puts fragments together.
-- @param limits  optional: timeout (seconds that a datagram may take, 30); bytes (of data
--   that waits, 4 MiB) and datagrams (1024): over these the oldest datagram goes;
--   fragments (of one datagram, 256)
-- @return reassembler
function fragment.reassembler(limits)
  local r = { kept = 0, count = 0, waiting = {} }
  for name, value in entries(LIMITS) do
    r[name] = value
  end
  limits = check.options("reassembler", limits == nil and {} or limits, "limit", LIMITS)
  for name, value in entries(limits) do
    if type(value) ~= "number" or value ~= value or value <= 0 then
      core.misuse(("reassembler: %s: %s is no number over 0"):format(name, tostring(value)))
    end
    r[name] = value
  end
  return setmetatable(r, meta)
end

-- What a fragment says of itself: whose it is, where it goes, its data, and what stands
-- in front of the data of the whole; or nil when it is no fragment.
local function piece4(ip)
  local word, ihl = u16(ip, 6) % 16384, ip:byte(1) % 16 * 4
  if word == 0 then
    return nil
  end
  return { key = ip:sub(5, 6) .. ip:sub(10, 10) .. ip:sub(13, 20), at = word % 8192 * 8,
           more = word >= 8192, ecn = ip:byte(2) % 4, data = ip:sub(ihl + 1),
           head = ip:sub(1, ihl) }
end

local function piece6(ip)
  local at, _, field = walk(ip)
  if not at then
    return nil
  end
  local word = u16(ip, at + 2)
  local head = patch(ip:sub(1, at), field, ip:sub(at + 1, at + 1))
  return { key = ip:sub(9, 40) .. ip:sub(at + 5, at + 8), at = word - word % 8,
           more = word % 2 == 1, ecn = floor(ip:byte(2) / 16) % 4, data = ip:sub(at + 9),
           head = head }
end

-- What an IP length would say of data behind a header.
local function length(head, size, is4)
  return #head + size - (is4 and 0 or 40)
end

local function malformed(piece, is4)
  if piece.more and (#piece.data % 8 ~= 0 or #piece.data == 0) then
    return "a fragment of a length that is no multiple of 8"
  elseif length(piece.head, piece.at + #piece.data, is4) > LARGEST then
    return "the whole would be too long"
  end
end

-- Put a piece in its place among those that are there. They are sorted, and most come in
-- order, so look from the end.
local function place(list, piece)
  local i = #list
  while i > 0 and list[i].at > piece.at do
    i = i - 1
  end
  local before, after, stop = list[i], list[i + 1], piece.at + #piece.data
  if before and before.at == piece.at and before.data == piece.data
    and before.more == piece.more then
    return "duplicate"
  elseif before and before.at + #before.data > piece.at or after and stop > after.at
    or before and not before.more or after and not piece.more then
    return "overlap"
  end
  table.insert(list, i + 1, piece)
  list.size = list.size + #piece.data
  if not piece.more then
    list.stop = stop
  end
end

-- Congestion that any fragment met is met by the whole; marks that one sender cannot have
-- made are refused (RFC 3168, 5.3).
local function join_ecn(list)
  local seen = {}
  for _, piece in ipairs(list) do
    seen[piece.ecn] = true
  end
  if seen[0] and (seen[1] or seen[2] or seen[3]) then
    return nil
  end
  return seen[3] and 3 or list[1].ecn
end

local function set_ecn(head, ecn, is4)
  local byte, unit = head:byte(2), is4 and 1 or 16
  return patch(head, 1, char(byte + (ecn - floor(byte / unit) % 4) * unit))
end

local function whole(list, is4)
  local first, parts, ecn = list[1], {}, join_ecn(list)
  for i, piece in ipairs(list) do
    parts[i] = piece.data
  end
  local data = table.concat(parts)
  local size = length(first.head, #data, is4)
  if not ecn then
    return nil, "fragments that differ in ecn"
  elseif size > LARGEST then
    return nil, "the whole would be too long"
  end
  local head = patch(set_ecn(first.head, ecn, is4), is4 and 2 or 4, pack16(size))
  head = is4 and with_checksum(patch(head, 6, "\0\0")) or head
  return parse(first.packet, first.link, head .. data)
end

-- Datagrams by their age: a list that is linked both ways.
local function begin(r, key, now)
  local datagram = { key = key, since = now, size = 0, older = r.newest }
  if r.newest then
    r.newest.newer = datagram
  end
  r.newest, r.oldest = datagram, r.oldest or datagram
  r.waiting[key], r.count = datagram, r.count + 1
  return datagram
end

local function forget(r, datagram)
  local older, newer = datagram.older, datagram.newer
  if older then
    older.newer = newer
  end
  if newer then
    newer.older = older
  end
  r.oldest, r.newest = older and r.oldest or newer, newer and r.newest or older
  r.waiting[datagram.key], r.count = nil, r.count - 1
  r.kept = r.kept - datagram.size
end

-- What is refused lets go of its bytes but stays known for its time, so that what is
-- still to come of it is refused too (RFC 5722).
local function refuse(r, datagram, why)
  for i = #datagram, 1, -1 do
    datagram[i] = nil
  end
  r.kept, datagram.size, datagram.refused = r.kept - datagram.size, 0, why
  return nil, why
end

--- Forget the datagrams that took too long.
-- @param now  seconds, by the same clock as add()'s
-- @return list of their first fragments, for whoever tells the sender; those of which the
--   first never came, or that were refused, are not among them
function reassembler:expire(now)
  check.type("expire", now, "number", "a number of seconds")
  local list = {}
  while self.oldest and now - self.oldest.since >= self.timeout do
    local first = self.oldest[1]
    if first and first.at == 0 then
      list[#list + 1] = first.packet
    end
    forget(self, self.oldest)
  end
  return list
end

-- Keep a piece, and give the whole if that was the last one.
local function keep(r, datagram, piece, is4)
  local size = datagram.size
  local why = datagram.refused or place(datagram, piece)
  if why == "duplicate" or datagram.refused then
    return nil, why
  end
  r.kept = r.kept + datagram.size - size
  if why or #datagram > r.fragments then
    return refuse(r, datagram, why or "more fragments than the limit")
  elseif datagram.size == datagram.stop then
    forget(r, datagram)
    return whole(datagram, is4)
  end
  while r.kept > r.bytes or r.count > r.datagrams do
    forget(r, r.oldest)
  end
  return nil, "waiting"
end

--- Take a packet; give the whole that it completes.
-- What is no fragment comes back as it is. When fragments overlap the whole datagram is
-- dropped, and what is still to come of it; an exact duplicate is dropped alone. The
-- whole has the link header of the first fragment.
-- @param p  packet; not kept, so it may be a view
-- @param now  optional: seconds by any clock that only goes forward; without it
--   datagrams end only by the other limits
-- @return packet | nil, "waiting" | nil, reason
-- Source: RFC 791, 3.2; RFC 8200, 4.5; RFC 5722; RFC 6946; RFC 3168, 5.3
function reassembler:add(p, now)
  packet.given("add", p)
  if now ~= nil then
    self:expire(now)
  end
  local ip, link, is4 = split(p)
  local piece = ip and (is4 and piece4 or piece6)(ip)
  if not ip and layer.fragment(p, p[slot.LAYERS]) then
    return nil, link
  elseif not piece then
    return p
  end
  local why = malformed(piece, is4)
  if why then
    return nil, why
  elseif piece.at == 0 then
    piece.packet, piece.link = p:copy(), link
  end
  if piece.at == 0 and not piece.more then -- nothing to do with others (RFC 6946)
    return whole({ piece }, is4)
  end
  piece.key = (is4 and "4" or "6") .. piece.key
  return keep(self, self.waiting[piece.key] or begin(self, piece.key, now or 0), piece, is4)
end

return fragment
