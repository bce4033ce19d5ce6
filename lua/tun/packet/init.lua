-- tun.packet: packets with names: read, change, build, print. Needs no device and no root.
local core = require "tun.core"

-- Errors of a caller are reported at the first line outside of the library's folder.
core.home((debug.getinfo(1, "S").source:gsub("packet/[^/]*$", "")))

local entries = require "tun.entries"
local check = require "tun.packet.declare.check"
local fragment = require "tun.packet.change.fragment"
local forms = require "tun.packet.declare.forms"
local header = require "tun.packet.declare.header"
local index = require "tun.packet.protocol.index"
local kinds = require "tun.packet.protocol.kinds"
local packet = require "tun.packet.packet"
local word = require "tun.packet.value.word"

for space, names in entries(index.names) do
  for name, number in entries(names) do
    word.add(header.space(space).names, name, number)
  end
end
for file, protocols in entries(index.protocols) do
  for name, follows in entries(protocols) do
    header.expect(name, file, follows)
  end
end
for name, kind in entries(kinds) do
  header.kinds[name] = kind
end

-- As OpenResty's LuaJIT has them.
local LIMITS = { "maxtrace=8000", "maxrecord=16000", "maxirconst=4000", "maxmcode=40960" }

-- Raise LuaJIT's limits, which are those of the process and cannot be read back: for scripts
-- that print, or look into, packets of many shapes. Nothing else here changes any.
-- @return true, or false where there is no compiler
local function raise_limits()
  local jit = rawget(_G, "jit")
  local has_limits = jit and pcall(require, "jit.opt")
  if has_limits then
    jit.opt.start((unpack or table.unpack)(LIMITS)) -- luacheck: ignore
  end
  return has_limits or false
end

local library = {
  jit = raise_limits,
  parse = packet.parse,
  header = header.declare,
  bind = header.bind,
  reassembler = fragment.reassembler,
  form = forms, -- forms of values, and lists of options, for declarations
  options = forms.options,
}
for name in entries(library) do
  check.packet[name] = true
end

return setmetatable(library, { __index = header.protocols })
