-- piece.lua: what is known of the headers of a stack, by its place in a piece's table: a piece
-- is a header and those in front of it, or bytes behind them. A piece says nothing of what
-- the headers contain and never changes, so that most stacks share theirs with earlier ones.
return {
  FRONT = 1, -- the piece in front, or false
  PROTOCOL = 2, -- of the header, or of the bytes if they are a packet, or false
  LEAD = 3, -- the protocol that it begins with, or false
  SIZE = 4, -- of the header; 0 for bytes
  KEPT = 5, -- false, or a set of the computed fields that were given
  DEPTH = 6, -- how many tunnels are in front
  TOTAL = 7, -- size of this header and those in front
  GIVEN = 8, -- whether this or a piece in front has KEPT
  BYTES = 9, -- whether it is bytes
  PLAN = 10, -- false, or what makes a stack of it a packet
  BEHIND = 11, -- the pieces that came of putting others behind it, by those; or false
}
