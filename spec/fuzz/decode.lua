-- decode.lua: what the kernel says of an object: any message, as every noun there is.
-- An input: 1 byte for the noun, the message.
local core = require "tun.core"

local NOUNS = core.nouns()

return function(bytes)
  local noun = NOUNS[(bytes:byte() or 0) % #NOUNS + 1]
  local told, why, errno = core.decode(noun, bytes:sub(2))
  assert(type(told) == "table" or (told == nil and why and errno == core.errno.EBADMSG))
end
