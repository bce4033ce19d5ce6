-- http.lua: the first line of a message of HTTP/1 (RFC 9112, 3 and 4).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"

-- The first four letters of what begins a message: of methods, and HTTP.
local BEGINS = {}
for i, word in ipairs { "GET ", "PUT ", "POST", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC",
                        "HTTP" } do
  local a, b, c, d = word:byte(1, 4)
  BEGINS[i] = ("u32(0) == %.0f"):format(((a * 256 + b) * 256 + c) * 256 + d)
end

header.declare("http", {
  { "line", form.line, default = "GET / HTTP/1.1" },
  valid = { table.concat(BEGINS, " or "), "no first line of HTTP" },
  methods = {
    --- The three words of the line: method, target, version; or version, status, reason.
    words = function(view)
      return view.line:match "^(%S+) (%S+) ?(.*)$"
    end,
  },
  follows = { tcp = { 80, 8080 } },
  line = function(view)
    return "HTTP: " .. tostring(view.line)
  end,
})
