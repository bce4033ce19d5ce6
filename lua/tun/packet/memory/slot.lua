-- slot.lua: what a packet keeps, by its place in the packet's table. Places are numbers,
-- so that every name is free for layers and a look-up of one that is absent is cheap.
return {
  POINTER = 1, -- to the bytes of the arena
  ARENA = 2, -- which the packet keeps alive
  START = 3, -- offset of the first byte
  STOP = 4, -- offset behind the last byte
  LIMIT = 5, -- offset behind the last byte that the innermost length covers
  PAYLOAD = 6, -- offset behind the last header
  ERROR = 7, -- false, or { error =, cut = }, each { layer =, offset =, message = }
  MORE = 8, -- false, or a list of { protocol, offset } that have no level, or one that is taken;
  -- it has apart = true where the latter are known to be absent
  INNER = 9, -- false, or the packet inside of this one, once it was asked for
  KIND = 10, -- what the first layer was read as
  STALE = 11, -- whether more has changed than the numbers below tell
  EDITS = 12, -- whether they, or STALE, tell anything
  NET = 13, -- change of the sum of the network header, modulo 65535
  TRANSPORT = 14, -- the same of the transport's header
  LAYERS = 15, -- the marks of the protocols at the levels, summed: see layer.lua
  FIRST = 16, -- offsets of the levels; those of levels without a protocol mean nothing
  LAST = 23,
  PSEUDO = 24, -- change of the sum of the pseudo header
  INSIDE = 25, -- false, or the kind of packet that begins where the payload does
  QUOTED = 26, -- whether the packet inside is quoted by an error
  OUTER = 27, -- false, or the packet that this one is inside of
  FLOOR = 28, -- offset down to which headers can be put in front
  CEILING = 29, -- offset up to which the packet can grow
  LOOSE = 30, -- whether ERROR, MORE, INNER, INSIDE or QUOTED are there
  VIEWS = 31, -- false, or views by protocol, where they are kept
  SLOT = 32, -- false, or a list that says where more is known of the packet than its bytes
  COUNT = 32,

  -- By places in that list, to which packets.lua adds others:
  BASE = 1, -- offset of a slot's beginning
  BATCH = 2, -- false, or the batch that the packet is in
  PLACE = 3, -- where in it
  GONE = 4, -- in words, why the packet is good no more once it is
  HANDLE = 5, -- of the batch, see tun/quick.lua
}
