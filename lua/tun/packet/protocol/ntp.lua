-- ntp.lua: NTP (RFC 5905). Timestamps are seconds since 1900 in 32 bits, and their fraction in
-- as many: "0xe8c93a0180000000".
local header = require "tun.packet.declare.header"

-- Seconds, with 16 bits of fraction.
local short = {
  what = "seconds from 0 to below 65536",
  read = function(number)
    return number % 65536 == 0 and math.floor(number / 65536) or number / 65536
  end,
  write = function(seconds)
    return type(seconds) == "number" and math.floor(seconds * 65536 + 0.5) or nil
  end,
}

header.declare("ntp", {
  { "leap", 2, enum = { none = 0, insert = 1, delete = 2, unsynchronized = 3 } },
  { "version", 3, default = 4 },
  { "mode", 3, default = 3, enum = { active = 1, passive = 2, client = 3, server = 4,
                                     broadcast = 5, control = 6, private = 7 } },
  { "stratum", 8 },
  { "poll", 8, signed = true }, -- powers of two
  { "precision", 8, signed = true },
  { "delay", 32, codec = short },
  { "dispersion", 32, codec = short },
  { "refid", 32, format = "0x%08x" },
  { "reference", 64 },
  { "origin", 64 },
  { "received", 64 },
  { "sent", 64 },
  valid = { "version >= 1 and version <= 4 and mode >= 1 and mode <= 5", "no NTP to set clocks" },
  follows = { udp = 123 },
  line = function(view)
    return ("NTPv%d, %s, stratum %d"):format(view.version, view.mode, view.stratum)
  end,
})
