-- piece.lua: what a piece of a stack knows, by its place in the piece's table. A piece is
-- a header that is written: it has a protocol and where it lies; or bytes: it has a text,
-- and a protocol if they are a packet.
return {
  FRONT = 1, -- the piece in front, or false
  PROTOCOL = 2, -- or false
  LEAD = 3, -- the protocol that it begins with, or false
  ARENA = 4, -- where a header lies
  POINTER = 5,
  AT = 6,
  TEXT = 7, -- or false
  SIZE = 8,
  KEPT = 9, -- false, or a set of the computed fields that were given
  DEPTH = 10, -- how many tunnels are in front
  TOTAL = 11, -- bytes up to its end
  GIVEN = 12, -- whether this or a piece in front has KEPT
}
