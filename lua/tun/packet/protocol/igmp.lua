-- igmp.lua: IGMP, versions 1 (RFC 1112), 2 (RFC 2236) and 3 (RFC 3376).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"

header.declare("igmp", {
  { "type", 8, enum = { query = 0x11, report1 = 0x12, report2 = 0x16, leave = 0x17,
                        report3 = 0x22 }, default = "query" },
  { "max_response", 8 }, -- tenths of a second
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "group", 32, codec = "ip4", only = { type = { 0x11, 0x12, 0x16, 0x17 } } },
  { "nrecords", 16, over = "group", shift = 16, only = { type = { 0x22 } } },
  level = "transport",
  sum = "TRANSPORT",
  checksum = { over = "extent" },
  next = { "igmp", "type == 0x11 and stop - o < 12 and 0 or type" },
  follows = { ip = 2 },
  line = function(view)
    return ("igmp %s %s"):format(view.type, view.type == "report3"
      and view.nrecords .. " group record(s)" or view.group)
  end,
})

header.declare("igmp3_query", { -- 4.1, behind the group
  { "reserved", 4 },
  { "s", 1 }, -- suppress router-side processing
  { "qrv", 3, default = 2 },
  { "qqic", 8, default = 125 }, -- seconds
  { "nsources", 16, counted = true },
  { "sources", form.addresses4, count = "nsources" },
  follows = { igmp = 0x11 },
})

header.declare("igmp3_report", { -- 4.2, group records to the end
  { "records", form.list(form.record {
    { "type", form.enum(1, { is_in = 1, is_ex = 2, to_in = 3, to_ex = 4, allow = 5, block = 6 }) },
    { "aux_length", 8 },
    { "nsources", 16 },
    { "group", form.address4 },
    { "sources", form.addresses4, count = "nsources" },
    { "aux", form.units(4), count = "aux_length" },
  }) },
  follows = { igmp = 0x22 },
})
