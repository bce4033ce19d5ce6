-- ack.lua: what the kernel answers to a request: any message, to any request.
-- An input: 1 byte for the noun, 2 of the length of the request, both messages.
local core = require "tun.core"
local spec = require "tun.spec"

local NOUNS = core.nouns()

return function(bytes)
  local noun, low, high = bytes:byte(1, 3)
  if high then
    local stop = 3 + low + 256 * high
    local done, why, errno = spec.ack(NOUNS[noun % #NOUNS + 1], bytes:sub(4, stop),
      bytes:sub(stop + 1))
    assert(done == true or (type(why) == "string" and errno > 0))
  end
end
