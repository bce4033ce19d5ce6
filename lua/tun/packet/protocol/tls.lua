-- tls.lua: a record of TLS (RFC 8446), and the first message of a client, with the name that it
-- asks for (SNI, RFC 6066).
local form = require "tun.packet.value.form"
local header = require "tun.packet.declare.header"
local options = require "tun.packet.value.options"

header.declare("tls", {
  { "type", 8, enum = { change = 20, alert = 21, handshake = 22, data = 23 }, computed = "next" },
  { "version", 16, default = 0x0301, format = "0x%04x" },
  { "length", 16, computed = "extent" },
  valid = { "type >= 20 and type <= 23 and version >= 0x300 and version <= 0x304", "no TLS" },
  extent = "length + 5",
  next = { "tls", "type" },
  follows = { tcp = 443 },
})

header.declare("tls_handshake", {
  { "type", 8, enum = { client_hello = 1, server_hello = 2, certificate = 11 },
    computed = "next" },
  { "length", 24, computed = "extent" },
  extent = "length + 4",
  next = { "tls_handshake", "type" },
  follows = { tls = 22 },
})

local names = form.counted(2, form.list(form.record { { "type", 8 }, { "name", form.counted(2) } }))

header.declare("client_hello", {
  { "version", 16, default = 0x0303, format = "0x%04x" },
  { "random", 256, codec = "bytes" },
  { "session", form.counted(1) },
  { "ciphers", form.counted(2, form.list(form.number(2))) },
  { "compressions", form.counted(1), default = "\0" },
  { "extensions", form.counted(2, options.kinds {
    head = { { "kind", 16 }, { "length", 16 } },
    { 0, "server_name", names },
    { 10, "groups", form.counted(2, form.list(form.number(2))) },
    { 13, "signatures", form.counted(2, form.list(form.number(2))) },
    { 16, "alpn", form.counted(2, form.list(form.counted(1))) },
    { 43, "versions", form.counted(1, form.list(form.number(2))) },
  }) },
  follows = { tls_handshake = 1 },
})
