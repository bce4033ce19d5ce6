-- dns.lua: DNS messages (RFC 1035; AAAA RFC 3596; SRV RFC 2782). A message is a header, a
-- list of questions and three of records: { name =, type = "A", class = "IN", ttl =, data = }.
-- Names have no dot at their end, the root is "."; what a label has beside letters is
-- escaped as in master files (5.1).
local entries = require "tun.entries"
local bytes = require "tun.packet.memory.bytes"
local core = require "tun.core"
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"
local raw = require "tun.packet.declare.tail"
local slot = require "tun.packet.memory.slot"

local TYPES = {
  A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, HINFO = 13, MX = 15, TXT = 16, AAAA = 28,
  SRV = 33, NAPTR = 35, DS = 43, RRSIG = 46, NSEC = 47, DNSKEY = 48, OPT = 41, SVCB = 64,
  HTTPS = 65, AXFR = 252, ANY = 255, CAA = 257,
}
local CLASSES = { IN = 1, CH = 3, HS = 4, NONE = 254, ANY = 255 }

local function reverse(names)
  local list = {}
  for name, number in entries(names) do
    list[number] = name
  end
  return list
end

local TYPE_NAMES, CLASS_NAMES = reverse(TYPES), reverse(CLASSES)
local number16, number32 = form.number(2), form.number(4)

-- -- Names ----------------------------------------------------------------

local function escape(label)
  return (label:gsub("[^%w%-_*/]", function(byte)
    return byte == "." and "\\." or ("\\%03d"):format(byte:byte())
  end))
end

-- The labels of a name as strings; nil when one has no place on the wire (2.3.4).
local function labels_of(name)
  if name == "" then
    return nil
  end
  local list, size = {}, 1
  local rest = name == "." and "" or name:gsub("%.$", "")
  rest = rest:gsub("\\(%d%d%d)", function(code)
    return tonumber(code) < 256 and "\\" .. string.char(code) or nil
  end)
  local label = ""
  for escaped, byte in (rest .. (rest == "" and "" or ".")):gmatch "(\\?)(.)" do
    if byte == "." and escaped == "" then
      list[#list + 1], size = label, size + 1 + #label
      if label == "" or #label > 63 or size > 255 then
        return nil
      end
      label = ""
    else
      label = label .. byte
    end
  end
  return list
end

-- A name at an offset of a message (0 is its first byte): the name and the offset behind
-- it, or nil. A pointer has to lead to a place before all that was read, and there is a
-- most of them, so that chains end soon (4.1.4).
local MOST = 127

local function read_name(text, at)
  local list, size, behind, lowest, pointers = {}, 1, nil, at, 0
  while true do
    local n = text:byte(at + 1)
    if not n then
      return nil
    elseif n == 0 then
      return list[1] and table.concat(list, ".") or ".", behind or at + 1
    elseif n >= 192 then
      local low = text:byte(at + 2)
      behind = behind or at + 2
      at = low and (n - 192) * 256 + low
      pointers = pointers + 1
      if not at or at >= lowest or pointers > MOST then
        return nil
      end
      lowest = at
    else
      size = size + 1 + n
      if n > 63 or size > 255 or at + 1 + n > #text then
        return nil
      end
      list[#list + 1] = escape(text:sub(at + 2, at + 1 + n))
      at = at + 1 + n
    end
  end
end

-- -- Writing --------------------------------------------------------------

-- A message that is written: its parts, its size, and the names that are in it.
local Writer = {}
Writer.__index = Writer

function Writer:add(text)
  self[#self + 1] = text
  self.size = self.size + #text
end

local function refuse(what, value)
  core.misuse(("dns: %s is not %s"):format(tostring(value), what))
end

--- Write a name; with share, as a pointer to where the same was written before.
function Writer:name(name, share)
  local labels = type(name) == "string" and labels_of(name) or refuse("a domain name", name)
  for i, label in ipairs(labels) do
    local tail = table.concat(labels, "\0", i):lower()
    local at = self.names[tail]
    if at and share then
      return self:add(number16.write(0xc000 + at))
    end
    self.names[tail] = at or self.size < 0x4000 and self.size or nil
    self:add(string.char(#label) .. label)
  end
  self:add "\0"
end

function Writer:number(codec, value, what)
  self:add(codec.write(value) or core.misuse(("dns: %s: %s is not %s"):format(what,
    tostring(value), codec.what)))
end

-- -- Data of records ------------------------------------------------------

-- Parts of the data of a type, in wire order: { key, codec or "name" }. One part without
-- key is the data itself.
local DATA = {
  A = { { false, form.address4 } },
  AAAA = { { false, form.address6 } },
  CNAME = { { false, "name" } },
  NS = { { false, "name" } },
  PTR = { { false, "name" } },
  MX = { { "preference", number16 }, { "exchange", "name" } },
  SOA = { { "mname", "name" }, { "rname", "name" }, { "serial", number32 }, { "refresh", number32 },
          { "retry", number32 }, { "expire", number32 }, { "minimum", number32 } },
  SRV = { { "priority", number16 }, { "weight", number16 }, { "port", number16 },
          { "target", "name", alone = true } },
}

-- The options of OPT (EDNS, RFC 6891), whose class is the size of datagrams that are taken, and
-- whose ttl is, from the highest bits on: rcode / 16, version, DO, and zeros.
local EDNS = options.kinds {
  head = { { "kind", 16 }, { "length", 16 } },
  { 3, "nsid", form.bytes },
  { 8, "client_subnet", form.record { { "family", 16, default = 1 }, { "source", 8 },
                                      { "scope", 8 }, { "address", form.bytes } } }, -- RFC 7871
  { 10, "cookie", form.bytes }, -- RFC 7873
  { 11, "keepalive", form.bytes }, -- RFC 7828
  { 12, "padding", form.bytes }, -- RFC 7830
  { 15, "error", form.record { { "code", 16 }, { "text", form.bytes } } }, -- RFC 8914
}

local function read_parts(parts, text, at, stop)
  local data = {}
  for _, part in ipairs(parts) do
    local key, kind, value = part[1] or 1, part[2] -- luacheck: ignore value
    if kind == "name" then
      value, at = read_name(text, at)
    else
      value, at = kind.read(text:sub(at + 1, at + kind.size)), at + kind.size
    end
    if value == nil or at > stop then
      return nil
    end
    data[key] = value
  end
  return at == stop and (parts[1][1] and data or data[1]) or nil
end

-- Character strings to the end (3.3.14).
local function read_texts(text, at, stop)
  local list = {}
  while at < stop do
    local n = text:byte(at + 1)
    if at + 1 + n > stop then
      return nil
    end
    list[#list + 1] = text:sub(at + 2, at + 1 + n)
    at = at + 1 + n
  end
  return list[1] and list
end

local function read_data(record, text, at, stop)
  local parts = DATA[record.type]
  if parts then
    record.data = read_parts(parts, text, at, stop)
  elseif record.type == "TXT" then
    record.data = read_texts(text, at, stop)
  elseif record.type == "OPT" then
    record.data = options.read(EDNS, text:sub(at + 1, stop))
  end
  if record.data == nil then
    record.raw = text:sub(at + 1, stop)
  end
end

local function write_texts(writer, data)
  for _, text in ipairs(type(data) == "table" and data or { data }) do
    if type(text) ~= "string" or #text > 255 then
      refuse("a string of at most 255 bytes", text)
    end
    writer:add(string.char(#text) .. text)
  end
end

-- The keys of data that has parts.
local function keys_of(parts)
  local keys = {}
  for _, part in ipairs(parts) do
    keys[part[1]] = true
  end
  return keys
end

local function write_parts(writer, kind, parts, data)
  if parts[1][1] and not form.has_only(data, keys_of(parts)) then
    local names = {}
    for i, part in ipairs(parts) do
      names[i] = part[1]
    end
    refuse(("data of %s: a table of %s"):format(kind, table.concat(names, ", ")), data)
  end
  for _, part in ipairs(parts) do
    local value = data
    if part[1] then
      value = data[part[1]] or part[2] ~= "name" and 0
    end
    if part[2] == "name" then
      writer:name(value, not part.alone)
    else
      writer:number(part[2], value, part[1] or kind)
    end
  end
end

local function write_data(writer, record)
  local kind = TYPE_NAMES[record.type] or record.type or "A"
  if record.raw then
    writer:add(options.whole("dns", "raw", record.raw, 1))
  elseif kind == "TXT" then
    write_texts(writer, record.data)
  elseif kind == "OPT" then
    writer:add(options.write(EDNS, "dns", record.data or {}))
  elseif DATA[kind] then
    write_parts(writer, kind, DATA[kind], record.data)
  else
    refuse("a type whose data is known: give its bytes as raw", kind)
  end
end

-- -- Sections -------------------------------------------------------------

-- The highest bit of a class in mDNS: a question wants an answer by unicast, a record replaces
-- those that were known (RFC 6762, 18.12 and 18.13).
local MULTICAST = 0x8000

local function read_record(text, at, question)
  local record = {}
  record.name, at = read_name(text, at)
  if not at or at + (question and 4 or 10) > #text then
    return nil
  end
  local number = number16.read(text:sub(at + 1, at + 2))
  local class = number16.read(text:sub(at + 3, at + 4))
  record.type, record.class = TYPE_NAMES[number] or number, CLASS_NAMES[class] or class
  if class >= MULTICAST and CLASS_NAMES[class - MULTICAST] and record.type ~= "OPT" then
    record.class, record[question and "unicast" or "flush"] = CLASS_NAMES[class - MULTICAST], true
  end
  if question then
    return record, at + 4
  end
  record.ttl = number32.read(text:sub(at + 5, at + 8))
  local first = at + 10
  local stop = first + number16.read(text:sub(at + 9, at + 10))
  if stop > #text then
    return nil
  end
  read_data(record, text, first, stop)
  return record, stop
end

local SECTIONS = {
  { "questions", "qdcount" }, { "answers", "ancount" }, { "authorities", "nscount" },
  { "additionals", "arcount" },
}

--- Read the sections of a message: lists by their names, up to the first record that
-- cannot be read, which `broken` tells, and the bytes behind the last as `rest`.
local function read_sections(view)
  local at, packet = view[2], view[3]
  local text = bytes.string(view[1], at, packet[slot.LIMIT] - at)
  local message, place = {}, 12
  for i, section in ipairs(SECTIONS) do
    local list = {}
    message[section[1]] = list
    for _ = 1, message.broken and 0 or view[section[2]] do
      local record, behind = read_record(text, place, i == 1)
      if not record then
        message.broken = place
        break
      end
      list[#list + 1], place = record, behind
    end
  end
  message.rest = text:sub(place + 1)
  return message
end

local KEYS = { name = true, type = true, class = true, ttl = true, data = true, raw = true,
               flush = true, unicast = true }

-- A question asks for addresses unless it says what else.
local function write_record(writer, record, question)
  if not form.has_only(record, KEYS) then
    refuse("a record: a table of name, type, class, ttl, and data or raw", record)
  end
  local kind = record.type or "A"
  writer:name(record.name, true)
  writer:number(number16, TYPES[kind] or kind, "the type of a record")
  local class = CLASSES[record.class or "IN"] or record.class
  if (question and record.unicast or not question and record.flush) and type(class) == "number" then
    class = class + MULTICAST
  end
  writer:number(number16, class, "the class of a record")
  if question then
    return
  end
  writer:number(number32, record.ttl or 0, "ttl")
  local at = #writer + 1
  writer:add "\0\0"
  local size = writer.size
  write_data(writer, record)
  writer[at] = number16.write(writer.size - size) or refuse("at most 65535 bytes", "its data")
end

local names = { "body" }
for i, section in ipairs(SECTIONS) do
  names[i + 1] = section[1]
end

-- What is behind the header: as bytes (body), or as lists.
local function write_sections(fields)
  if fields.body then
    return options.whole("dns", "body", fields.body, 1)
  end
  local writer, counts = setmetatable({ size = 12, names = {} }, Writer), {}
  for i, section in ipairs(SECTIONS) do
    local list = fields[section[1]] or {}
    if type(list) ~= "table" then
      refuse("a list of " .. section[1], list)
    end
    for _, record in ipairs(list) do
      write_record(writer, record, i == 1)
    end
    counts[section[2]] = #list
  end
  return table.concat(writer), counts
end

-- -- The header -----------------------------------------------------------

local methods = {
  --- All sections in one table: questions, answers, authorities, additionals; and
  -- `broken`, the offset of the first record that cannot be read.
  message = read_sections,
}

local read = { body = raw.text }
for _, section in ipairs(SECTIONS) do
  read[section[1]] = function(view)
    return read_sections(view)[section[1]]
  end
end

local function question_line(message)
  local list = {}
  for i, question in ipairs(message.questions) do
    list[i] = ("%s? %s."):format(question.type, (question.name:gsub("^%.$", "")))
  end
  return list[1] and " " .. table.concat(list, ", ") or ""
end

-- As tcpdump has them.
local RCODES = { [1] = "FormErr", [2] = "ServFail", [3] = "NXDomain", [4] = "NotImp",
                 [5] = "Refused" }

local function rcode_line(number)
  return number > 0 and " " .. (RCODES[number] or "Resp" .. number) or ""
end

local function answer_line(message)
  local list = {}
  for i, record in ipairs(message.answers) do
    local data = record.data
    list[i] = tostring(record.type) .. (type(data) == "string" and " " .. data or "")
  end
  return list[1] and " " .. table.concat(list, ", ") or ""
end

header.declare("dns", {
  { "id", 16 },
  { "qr", 1 }, -- a response
  { "opcode", 4, enum = { query = 0, iquery = 1, status = 2, notify = 4, update = 5 } },
  { "aa", 1 },
  { "tc", 1 },
  { "rd", 1 },
  { "ra", 1 },
  { "z", 1 },
  { "ad", 1 }, -- RFC 4035, 3.1.6
  { "cd", 1 },
  { "rcode", 4, enum = { noerror = 0, formerr = 1, servfail = 2, nxdomain = 3, notimp = 4,
                         refused = 5 } },
  { "qdcount", 16, counted = true },
  { "ancount", 16, counted = true },
  { "nscount", 16, counted = true },
  { "arcount", 16, counted = true },
  size = "stop - o",
  area = { names = names, write = write_sections, read = read },
  methods = methods,
  follows = { udp = { 53, 5353, 5355 }, dns_tcp = 0 },
  line = function(view, _, n)
    local message = read_sections(view)
    if view.qr then
      return ("%d%s%s%s %d/%d/%d%s (%d)"):format(view.id, rcode_line(view.rcode_n),
        view.aa and "*" or "", question_line(message), view.ancount, view.nscount,
        view.arcount, answer_line(message), n)
    end
    return ("%d%s%s (%d)"):format(view.id, view.rd and "+" or "", question_line(message), n)
  end,
})

-- Its length in front of a message over TCP (RFC 7766, 8).
header.declare("dns_tcp", {
  { "length", 16, computed = "extent" },
  extent = "length + 2",
  next = { "dns_tcp", "0" },
  follows = { tcp = { 53 } },
})
