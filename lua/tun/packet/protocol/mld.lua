-- mld.lua: multicast listener discovery, versions 1 (RFC 2710) and 2 (RFC 3810), behind
-- ICMPv6's checksum.
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"
local slot = require "tun.packet.memory.slot"

-- A query, report or done of version 1; a longer query (RFC 3810, 8.1) goes on as mld2.
-- The type is in ICMPv6's header, unless the packet begins here.
local QUERY = ("o > packet[%d] and %s == 130"):format(slot.START, bytes.read("o-4", 0, 8))

local WORDS = { [130] = "query", [131] = "report", [132] = "done" }

header.declare("mld", {
  { "max_response", 16 }, -- milliseconds
  { "reserved", 16 },
  { "group", 128, codec = "ip6" },
  next = { "mld", QUERY .. " and stop - o >= 24 and 2 or 1" },
  follows = { icmp6 = { 130, 131, 132 } },
  line = function(view, packet, n)
    local type = packet.icmp6 and packet.icmp6.type or ""
    return ("multicast listener %s %s%s"):format(WORDS[type] or type, view.group,
      packet.mld2 and "" or ", length " .. n + 4)
  end,
})
header.space("icmp6").names.mld = nil -- which of the three is it?

-- sources(): a list of addresses, as many as there are.
local function sources(view)
  local text = options.text(view):sub(1, 16 * view.nsources)
  return form.addresses6.read(text) or {}
end

header.declare("mld2", { -- 5.1, behind the group
  { "reserved", 4 },
  { "s", 1 }, -- suppress router-side processing
  { "qrv", 3, default = 2 },
  { "qqic", 8, default = 125 }, -- seconds
  { "nsources", 16, counted = true },
  size = "stop - o",
  area = options.list_area("sources", form.addresses6, "nsources"),
  methods = { sources = sources },
  follows = { mld = 2 },
  line = function(view, _, n)
    return ("v2, %d source(s), length %d"):format(view.nsources, n + 24)
  end,
})

-- Group records of a report (5.2.4 to 5.2.11).
local TYPES = { is_in = 1, is_ex = 2, to_in = 3, to_ex = 4, allow = 5, block = 6 }
local record = form.record {
  { "type", form.enum(1, TYPES) }, { "aux", 8 }, { "nsources", 16 },
  { "group", form.address6 },
}

-- records(): a list of { type =, group =, sources = }, with aux where there is some.
local function records(view)
  local list, text, at = {}, options.text(view), 1
  for i = 1, view.nrecords do
    local one = record.read(text:sub(at, at + 19))
    local last = one and at + 19 + 16 * one.nsources
    if not one or last + 4 * one.aux > #text then
      break
    end
    local behind = last + 4 * one.aux
    one.sources = form.addresses6.read(text:sub(at + 20, last))
    one.aux = one.aux > 0 and text:sub(last + 1, behind) or nil
    one.nsources = nil
    list[i], at = one, behind + 1
  end
  return list
end

local KEYS = { type = true, group = true, sources = true, aux = true }

-- A record as bytes; nothing when it is none.
local function write_record(one)
  if not form.has_only(one, KEYS) then
    return nil
  end
  local sources_of, aux = form.addresses6.write(one.sources or {}), one.aux or ""
  local whole = sources_of and type(aux) == "string"
  local fixed = whole and record.write { type = one.type or 2, aux = #aux / 4, group = one.group,
                                         nsources = #sources_of / 16 }
  return fixed and fixed .. sources_of .. aux
end

header.declare("mld2_report", { -- 5.2
  { "reserved", 16 },
  { "nrecords", 16, counted = true },
  size = "stop - o",
  area = {
    names = { "records" },
    write = function(fields)
      local list = fields.records or {}
      if type(list) ~= "table" then
        return options.whole("mld2_report", "records", list, 4)
      end
      local parts = {}
      for i, one in ipairs(list) do
        parts[i] = write_record(one)
          or core.misuse "mld2_report: a record is a table of type, group, sources and aux"
      end
      return table.concat(parts), { nrecords = #parts }
    end,
  },
  methods = { records = records },
  follows = { icmp6 = 143 },
  line = function(view, _, n)
    return ("multicast listener report v2, %d group record(s), length %d")
      :format(view.nrecords, n + 4)
  end,
})
