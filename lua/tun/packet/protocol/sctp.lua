-- sctp.lua: SCTP with its chunks (RFC 9260).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local HEAD = { { "kind", 16 }, { "length", 16 } }

local init = form.record { { "tag", 32 }, { "window", 32, default = 65535 },
  { "outbound", 16, default = 1 }, { "inbound", 16, default = 1 }, { "tsn", 32 },
  { "params", options.kinds { head = HEAD, length = "option", pad = 4,
    { 5, "address4", form.address4 }, { 6, "address6", form.address6 },
    { 7, "cookie", form.bytes }, { 9, "preservative", form.number(4) },
    { 12, "types", form.list(form.number(2)) }, { 0xc000, "forward_tsn", form.none } } } }
local causes = options.kinds { head = HEAD, length = "option", pad = 4 }

header.declare("sctp", {
  { "sport", 16 },
  { "dport", 16 },
  { "tag", 32, format = "0x%08x" },
  { "checksum", 32, order = "little", computed = "checksum", format = "0x%08x" },
  { "chunks", options.kinds {
    head = { { "kind", 8 }, { "flags", 8 }, { "length", 16 } }, length = "option", pad = 4,
    { 0, "data", form.record { { "tsn", 32 }, { "stream", 16 }, { "seq", 16 }, { "ppid", 32 },
                               { "data", form.bytes } } },
    { 1, "init", init }, { 2, "init_ack", init },
    { 3, "sack", form.record { { "tsn", 32 }, { "window", 32 }, { "ngaps", 16 }, { "ndups", 16 },
      { "gaps", form.list(form.record { { "first", 16 }, { "last", 16 } }), count = "ngaps" },
      { "dups", form.list(form.number(4)), count = "ndups" } } },
    { 4, "heartbeat", form.bytes }, { 5, "heartbeat_ack", form.bytes }, { 6, "abort", causes },
    { 7, "shutdown", form.record { { "tsn", 32 } } }, { 8, "shutdown_ack", form.none },
    { 9, "error", causes }, { 10, "cookie_echo", form.bytes }, { 11, "cookie_ack", form.none },
    { 14, "shutdown_complete", form.none },
  } },
  level = "transport",
  checksum = { over = "extent", kind = "crc32c" },
  ports = true,
  follows = { ip = 132 },
  line = function(view)
    local list = {}
    for i, chunk in ipairs(view.chunks) do
      list[i] = ("[%s]"):format(tostring(chunk[1]))
    end
    return "sctp " .. table.concat(list, " ")
  end,
})
