-- tcp.lua: TCP and its options (RFC 9293; ae RFC 9768). Since `ack` is the number, its
-- flag is has_ack; the urgent pointer is `urgent`, its flag urg. `flags` is all eight as
-- letters, in the order FSRPAUEC: tcp{ flags = "SA" }.
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

local LETTERS = "FSRPAUEC"

-- The letters of each of the 256 numbers, and the numbers of those; as tcpdump has them.
local letters_of, number_of, dump_of = {}, {}, {}
for number = 0, 255 do
  letters_of[number] = LETTERS:gsub("()(.)", function(i, letter)
    return math.floor(number / 2 ^ (i - 1)) % 2 == 1 and letter or ""
  end)
  number_of[letters_of[number]] = number
  local dump = letters_of[number]:gsub("^(F?)(S)", "%2%1"):gsub("(R)(P)", "%2%1")
  dump_of[number] = dump == "" and "none"
    or dump:gsub("(A)(.*)", "%2."):gsub("(E)(C)", "%2%1"):gsub("C", "W")
end

local flags = {
  what = "letters of FSRPAUEC, in this order",
  text = function(number)
    return letters_of[number]
  end,
  number = function(text)
    return number_of[text]
  end,
}

local kinds = options.kinds {
  length = "option",
  unit = 1,
  single = { [0] = "eol", [1] = "nop" },
  last = 0,
  multiple = 4,
  { 2, "mss", form.number(2) },
  { 3, "wscale", form.number(1) }, -- RFC 7323, 2.2
  { 4, "sack_ok", form.none }, -- RFC 2018, 2
  { 5, "sack", form.list(form.number(4)) }, -- edges in pairs (RFC 2018, 3)
  { 8, "timestamps", form.record { { "value", 32 }, { "echo", 32 } } }, -- RFC 7323, 3.2
  { 19, "md5", form.bytes }, -- RFC 2385
  { 28, "user_timeout", form.number(2) }, -- RFC 5482
  { 29, "auth", form.bytes }, -- RFC 5925
  { 34, "fast_open", form.bytes }, -- RFC 7413
}

-- As tcpdump has them between its brackets.
local WORDS = {
  wscale = "wscale %d", mss = "mss %d", sack_ok = "sackOK", nop = "nop", eol = "eol",
}

local function option_line(option)
  local name, value = option[1], option[2]
  if name == "timestamps" and value then
    return ("TS val %.0f ecr %.0f"):format(value.value, value.echo)
  elseif name == "sack" and value then
    return "sack " .. table.concat(value, ":")
  elseif WORDS[name] and not option.raw then
    return WORDS[name]:format(value)
  end
  return tostring(name)
end

local function options_line(view)
  local list = {}
  for i, option in ipairs(view:options()) do
    list[i] = option_line(option)
  end
  return (", options [%s]"):format(table.concat(list, ","))
end

local function line(view, _, length)
  local seq, n = view.seq, length - view.doff * 4
  return ("Flags [%s], seq %d%s%s, win %d%s%s, length %d"):format(dump_of[view.flags_n], seq,
    n > 0 and ":" .. (seq + n) % 4294967296 or "", view.has_ack and ", ack " .. view.ack or "",
    view.window, view.urg and ", urg " .. view.urgent or "",
    view.doff > 5 and options_line(view) or "", n)
end

header.declare("tcp", {
  { "sport", 16 },
  { "dport", 16 },
  { "seq", 32 },
  { "ack", 32 },
  { "doff", 4, computed = "size" },
  { "reserved", 3 },
  { "ae", 1 },
  { "cwr", 1 },
  { "ece", 1 },
  { "urg", 1 },
  { "has_ack", 1 },
  { "psh", 1 },
  { "rst", 1 },
  { "syn", 1 },
  { "fin", 1 },
  { "window", 16, default = 65535 },
  { "checksum", 16, computed = "checksum", format = "0x%04x" },
  { "urgent", 16 },
  { "flags", 8, over = "cwr", codec = flags },
  { "options", kinds },
  level = "transport",
  sum = "TRANSPORT",
  checksum = { over = "extent", pseudo = true },
  size = "doff * 4",
  ports = true,
  next = { "tcp", "dport", "sport" },
  follows = { ip = 6 },
  line = line,
})
