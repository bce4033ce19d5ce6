-- mld.lua: multicast listener discovery, versions 1 (RFC 2710) and 2 (RFC 3810), behind
-- ICMPv6's checksum.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"

-- A query, report or done of version 1; a longer query (RFC 3810, 8.1) goes on as mld2.
-- The type is in ICMPv6's header, unless the packet begins here.

local WORDS = { [130] = "query", [131] = "report", [132] = "done" }

header.declare("mld", {
  { "max_response", 16 }, -- milliseconds
  { "reserved", 16 },
  { "group", 128, codec = "ip6" },
  next = { "mld", "back(4) == 130 and stop - o >= 24 and 2 or 1" },
  follows = { icmp6 = { 130, 131, 132 } },
  line = function(view, packet, n)
    local type = packet.icmp6 and packet.icmp6.type_n or ""
    return ("multicast listener %s %s%s"):format(WORDS[type] or type, view.group,
      packet.mld2 and "" or ", length " .. n + 4)
  end,
})

header.declare("mld2", { -- 5.1, behind the group
  { "reserved", 4 },
  { "s", 1 }, -- suppress router-side processing
  { "qrv", 3, default = 2 },
  { "qqic", 8, default = 125 }, -- seconds
  { "nsources", 16, counted = true },
  { "sources", form.addresses6, count = "nsources" },
  follows = { mld = 2 },
  line = function(view, _, n)
    return ("v2, %d source(s), length %d"):format(view.nsources, n + 24)
  end,
})

-- Group records of a report (5.2.4 to 5.2.11).
local TYPES = { is_in = 1, is_ex = 2, to_in = 3, to_ex = 4, allow = 5, block = 6 }
local record = form.record {
  { "type", form.enum(1, TYPES), default = "is_ex" },
  { "aux_length", 8 },
  { "nsources", 16 },
  { "group", form.address6 },
  { "sources", form.addresses6, count = "nsources" },
  { "aux", form.units(4), count = "aux_length" },
}

header.declare("mld2_report", { -- 5.2
  { "reserved", 16 },
  { "nrecords", 16, counted = true },
  { "records", form.list(record), count = "nrecords" },
  follows = { icmp6 = 143 },
  line = function(view, _, n)
    return ("multicast listener report v2, %d group record(s), length %d")
      :format(view.nrecords, n + 4)
  end,
})
