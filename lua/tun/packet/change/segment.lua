-- segment.lua: a TCP segment of any size cut to segments that fit, as a network card
-- would do it.
local core = require "tun.core"

-- Why a packet cannot be cut.
local function refused(p)
  local tcp, ip4, frag = p.tcp, p.ip4, p.frag
  if not tcp then
    return "no TCP segment"
  elseif p.error or p.cut then
    return (p.error or p.cut).message
  elseif ip4 and (ip4.mf or ip4.offset > 0) or frag and (frag.mf or frag.offset > 0) then
    return "a fragment"
  end
end

-- What holds for the whole is said by the part that it is about: that it is the last
-- (fin, psh), that the window was reduced (cwr), where urgent data ends.
local function part(p, at, more)
  local tcp = p.tcp
  tcp.seq = (tcp.seq + at) % 4294967296
  if more then
    tcp.fin, tcp.psh = false, false
  end
  if at > 0 then
    tcp.cwr = false
    if tcp.urg then
      tcp.urg, tcp.urgent = tcp.urgent > at, math.max(0, tcp.urgent - at)
    end
  end
end

-- Nothing is left for the device to do.
local function done(virtio)
  virtio.needs_csum, virtio.gso_type, virtio.gso_size, virtio.hdr_len = false, 0, 0, 0
  virtio.csum_start, virtio.csum_offset = 0, 0
end

--- Cut a TCP segment to segments of at most mss bytes of data.
-- Every segment has the headers in front and the options, a sequence number, its part of
-- the flags, an IPv4 id of its own, and right lengths and checksums.
-- @param p  packet; left as it is
-- @param mss  bytes of data in a segment
-- @return list of packets, { p } when it fits | nil, reason
-- Source: RFC 9293, 3.7; Documentation/networking/segmentation-offloads.rst
local function segment(p, mss)
  if type(mss) ~= "number" or mss < 1 or mss % 1 ~= 0 then
    core.misuse(("segment: the mss must be a number of bytes, not %s"):format(tostring(mss)))
  end
  local why = refused(p)
  if why then
    return nil, why
  end
  local data = p.payload
  if #data <= mss then
    return { p }
  elseif p.tcp.syn or p.tcp.rst then
    return nil, "syn or rst with data"
  end
  local head, list = p:copy(), {}
  head.payload = ""
  for at = 0, #data - 1, mss do
    local piece = head:copy()
    piece.payload = data:sub(at + 1, at + mss)
    part(piece, at, at + mss < #data)
    if piece.ip4 then
      piece.ip4.id = (piece.ip4.id + #list) % 65536
    end
    if piece.virtio_net then
      done(piece.virtio_net)
    end
    piece:fix()
    list[#list + 1] = piece
  end
  return list
end

return segment
