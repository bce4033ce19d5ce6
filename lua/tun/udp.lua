-- udp.lua: UDP sockets that take and give the same packets and batches as devices do:
-- the other end of most tunnels.
local check = require "tun.check"
local closing = require "tun.closing"
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"
local netlink = require "tun.netlink"
local slots = require "tun.slots"

local meta = core.udp_socket
local socket = check.methods(meta.__index, meta)
local read, send, write = socket.read, socket.send, socket.write
local errno = core.errno

-- What can be set, in the order to do so before a socket is bound.
local OPTIONS = core.udp_options()

-- A caller's options, of which there are these.
local function options(t, names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for name in entries(check.type("udp", t, "table", "a table of options")) do
    if not known[name] then
      core.misuse(('udp: no option "%s"; there are: %s'):format(tostring(name),
        core.nearest(tostring(name), names)))
    end
  end
  return t
end

-- Kernels that do not know these work without.
local TRIED = { gso = true, gro = true }

-- Words for failures that an errno alone does not explain, by what failed.
local words = {
  bind = {
    [errno.EADDRINUSE] = "another socket has it; reuse_port = true of both shares it",
    [errno.EADDRNOTAVAIL] = "no link here has this address",
    [errno.EACCES] = "ports below 1024 need root (CAP_NET_BIND_SERVICE)",
  },
  connect = {
    [errno.EAFNOSUPPORT] = "the socket is not of this family",
    [errno.EINVAL] = "the socket is bound where this cannot be reached from",
    [errno.EACCES] = "it is for broadcasts, which need broadcast = true",
  },
  dev = { [errno.ENODEV] = "there is no such link" },
  mark = { [errno.EPERM] = "needs root (CAP_NET_ADMIN)" },
  transparent = { [errno.EPERM] = "needs root (CAP_NET_ADMIN)" },
  ttl = { [errno.EINVAL] = "it is from 1 to 255" },
  v6only = {
    [errno.ENOPROTOOPT] = "only an IPv6 socket has it",
    [errno.EOPNOTSUPP] = "only an IPv6 socket has it",
  },
}

-- Words for an IPv6 address that a link has, and that cannot be used yet.
local function tentative(subject)
  local address = subject:match "%[(.-)%]"
  for _, found in ipairs(address and netlink.addr.list { family = "inet6" } or {}) do
    if found.flags.tentative and found.address:match "^[^/]*" == address:match "^[^%%]*" then
      return explain.tentative(found.dev)
    end
  end
end

local function explained(what, subject, why, code)
  local known = words[what] and words[what][code]
  if code == errno.EADDRNOTAVAIL and what == "bind" then
    known = tentative(subject) or known
  end
  return nil, known and ("%s: %s"):format(subject, known) or why, code
end

-- The kernel doubles what these are set to: socket(7).
local DOUBLED = { rcvbuf = true, sndbuf = true }

-- Set options again to what they were, the last one first: some change others.
local function restore(self, was)
  for i = #was, 1, -1 do
    local name, value = was[i][1], was[i][2]
    self:setoption(name, DOUBLED[name] and math.floor(value / 2) or value)
  end
end

local function set_all(self, t, was)
  for _, name in ipairs(OPTIONS) do
    local old, why, code
    if t[name] ~= nil then
      old, why, code = self:getoption(name)
    end
    if code then
      return explained(name, "udp: " .. name, why, code)
    elseif t[name] ~= nil then
      was[#was + 1] = { name, old or false }
      local ok
      ok, why, code = self:setoption(name, t[name])
      if not ok then
        return explained(name, "udp: " .. name, why, code)
      end
    end
  end
  return true
end

--- Set options, all or none of them.
-- @param t  see tun.udp; bind and connect are not among them
-- @return true | nil, message, errno
function socket:set(t)
  local was = {}
  local ran, ok, why, code = pcall(set_all, self, options(t, OPTIONS), was)
  if not (ran and ok) then
    restore(self, was)
  end
  if not ran then
    error(ok, 0)
  elseif ok then
    return true
  end
  return nil, why, code
end

--- The value of an option as the kernel tells it; of gso, whether it is on still.
function socket:get(name)
  return self:getoption(name)
end

local bind, connect = socket.bind, socket.connect
socket.bind = nil

-- What a script gives to be sent as the core takes it: bytes of a packet.
local function sendable(what)
  return type(what) == "table" and require("tun.packets").bytes(what) or what
end

--- Send to one peer and receive from no other; without one, to and from any again.
-- @return true | nil, message, errno
function socket:connect(peer)
  local ok, why, code = connect(self, peer)
  if ok then
    return true
  end
  return explained("connect", "udp " .. tostring(peer), why, code)
end

--- Send a datagram.
-- @param bytes  a string or a packet
-- @param peer  "10.0.0.2:5000"; not needed when the socket is connected
-- @return true | nil, message, errno
function socket:write(bytes, peer)
  return write(self, sendable(bytes), peer)
end

--- Send a datagram, or all packets of a batch.
-- @param what  a string, a packet or a batch
-- @param peer  of all; without it each packet of a batch goes to its own peer, unless the
--   socket is connected
-- @return how many bytes, or how many packets of a batch | nil, message, errno
function socket:send(what, peer)
  if type(what) == "userdata" then
    return slots.after(what, send(self, what, peer))
  end
  return send(self, sendable(what), peer)
end

--- Close the descriptor; what waits for it in a cqueues loop wakes.
-- @return true
socket.close = closing(socket.close, socket.fd)
meta.__close = socket.close

-- After what a loop goes on: a signal that ran a hook, and what an earlier datagram met.
local PASSING = { [errno.EINTR] = true, [errno.ECONNREFUSED] = true, [errno.EHOSTUNREACH] = true,
                  [errno.ENETUNREACH] = true, [errno.EPROTO] = true, [errno.ENOPROTOOPT] = true }

local function next_datagram(self)
  local bytes, peer, code
  repeat
    bytes, peer, code = read(self)
  until bytes or not PASSING[code]
  if not bytes and code ~= errno.EBADF then
    core.failure(peer, code)
  end
  return bytes, peer
end

--- Iterate over the datagrams that arrive and their senders, until the socket is closed.
--   for bytes, peer in socket:each() do ... end
function socket:each()
  return next_datagram, self
end

--- udp 10.0.0.1:5000 -> 10.0.0.2:5000
function meta:__tostring()
  if self:fd() < 0 then
    return "closed UDP socket"
  end
  local peer = self:peer()
  return "udp " .. self:address() .. (peer and " -> " .. peer or "")
end

-- -- Opening ------------------------------------------------------------------

local ALL = { "bind", "connect" }
for i, name in ipairs(OPTIONS) do
  ALL[i + 2] = name
end

local function complete(t)
  options(t, ALL)
  if t.bind == nil and t.connect == nil then
    core.misuse('udp: say where, bind = "0.0.0.0:5000", or to whom, connect = "10.0.0.2:5000"')
  end
end

local function prepare(self, t)
  for _, name in ipairs(OPTIONS) do
    local value = t[name]
    if value == nil and TRIED[name] then
      self:setoption(name, true)
    elseif value ~= nil then
      local ok, why, code = self:setoption(name, value)
      if not ok then
        return explained(name, "udp: " .. name, why, code)
      end
    end
  end
  if t.bind ~= nil then
    local ok, why, code = bind(self, t.bind)
    if not ok then
      return explained("bind", "udp " .. t.bind, why, code)
    end
  end
  if t.connect ~= nil then
    return self:connect(t.connect)
  end
  return true
end

--- Open a UDP socket.
-- @param t  one or both of
--   bind ("0.0.0.0:5000", "[::]:5000"; port 0: any), connect ("10.0.0.2:5000"): numeric;
--   and any of dev (receive and send through this link only), rcvbuf, sndbuf (bytes),
--   reuse_port, reuse_addr, broadcast, freebind, transparent, v6only, df (true, false),
--   mark, priority, tos, ttl (numbers);
--   gso, gro (default true: the kernel splits and joins where it can)
-- @return socket | nil, message, errno
-- Source: udp(7), ip(7), ipv6(7), socket(7)
local function udp(t)
  complete(t)
  local what = t.bind ~= nil and "bind" or "connect"
  local self, why, code = core.udp(t[what], what)
  if not self then
    return nil, why, code
  end
  local ok
  ok, why, code = prepare(self, t)
  if not ok then
    self:close()
    return nil, why, code
  end
  return self
end

return udp
