-- packet.lua: what a script can do with a packet: the one table of its methods, and the
-- metatable that finds them beside the layers.
local entries = require "tun.entries"
local build = require "tun.packet.build.build"
local bytes = require "tun.packet.memory.bytes"
local check = require "tun.check"
local declaration = require "tun.packet.declare.check"
local core = require "tun.core"
local edit = require "tun.packet.change.edit"
local fragment = require "tun.packet.change.fragment"
local fix = require "tun.packet.change.fix"
local header = require "tun.packet.declare.header"
local layer = require "tun.packet.declare.layer"
local line = require "tun.packet.print.line"
local object = require "tun.packet.object"
local rebuild = require "tun.packet.print.rebuild"
local reply = require "tun.packet.change.reply"
local segment = require "tun.packet.change.segment"
local show = require "tun.packet.print.show"
local slot = require "tun.packet.memory.slot"
local source = require "tun.packet.declare.source"

local packet = { parse = object.parse }

--- The methods of packets.
packet.methods = check.methods({}, object.meta)
for name, method in entries {
  bytes = object.bytes, size = object.size, layers = object.layers,
  copy = edit.copy, set_payload = edit.set_payload, pull = edit.pull, push = build.push,
  drop = edit.drop, move = edit.move,
  fix = fix.fix, verify = fix.verify, segment = segment, fragment = fragment.fragment,
  reply = reply,
  line = line.packet, show = show.packet, hexdump = show.hexdump, lua = rebuild.lua,
} do
  rawset(packet.methods, name, source.method("packet:" .. name, method, object.meta))
end

-- What every view of a layer can do, beside what its protocol says.
layer.methods.line, layer.methods.show, layer.methods.fields = line.view, show.view, show.fields

--- Replace a layer's options: as layer.options = list.
-- @return the layer
function layer.methods.set_options(view, list)
  view.options = list
  return view
end

header.protocol.__tostring = show.protocol

local accessors, methods, meta = header.accessors, packet.methods, object.meta

-- A protocol or a field of one of these names would be in their way.
for _, names in ipairs { methods, accessors } do
  for name in entries(names) do
    declaration.packet[name] = true
  end
end
for name in entries(layer.methods) do
  declaration.view[name] = true
end

local function unknown(key)
  core.misuse(("a packet has no layer %s; there are: %s; nor a method of that name; there are: %s")
    :format(tostring(key), table.concat(check.names(accessors), ", "),
      table.concat(check.names(methods), ", ")))
end

local INDEX = [[
return function(self, key)
  $found
  local value
  $choice
  return value
end]]

local function look_up()
  local given = { methods = methods, unknown = unknown, expected = header.is_expected }
  local choice = source.choice({ { accessors, "value = act(self)" }, { methods, "value = act" } },
    "value = methods[key] if value == nil and not expected(key) then unknown(key) end", given)
  local text = source.fill(INDEX, { found = layer.found(given), choice = choice })
  return bytes.compile("packet/index", text, given)
end

-- Compiled at its next use.
local function forget()
  function meta.__index(self, key)
    meta.__index = look_up()
    return meta.__index(self, key)
  end
end

forget()
header.watch(forget)

function meta.__newindex(self, key, value)
  if key == "peer" and self[slot.SLOT] then
    core.setpeer(self[slot.ARENA], self[slot.SLOT][slot.BASE], value)
  elseif key == "payload" then
    edit.set_payload(self, value)
  else
    core.misuse(("a packet's %s cannot be set; its payload and the fields of its layers can")
      :format(tostring(key)))
  end
end

function meta.__tostring(self)
  return line.packet(self)
end

return packet
