-- explain.lua: words for failures whose errno alone misleads. Each table is a list
-- of rows: errno, the condition under which the row holds, and the words. A row
-- without a condition always holds; the first that holds is taken.
local core = require "tun.core"
local entries = require "tun.entries"

local explain = {}

local function first(rows, errno, ...)
  for _, row in ipairs(rows) do
    if core.errno[row[1]] == errno and (not row.when or row.when(...)) then
      local words = row[2]
      return type(words) == "function" and words(...) or words
    end
  end
end

local MAKE = "`mknod -m 666 /dev/net/tun c 10 200`"
local DRIVER = "there is no driver: `modprobe tun` loads it"

-- The file itself, /dev/net/tun, with what core.device_file tells of it.
local file = {
  { "ENOENT", "there is no such file: `modprobe tun` makes it; in a chroot `mkdir -p /dev/net && "
      .. "mknod -m 666 /dev/net/tun c 10 200` does; a container has to be given it, as by "
      .. "--device /dev/net/tun" },
  { "ENODEV", DRIVER },
  { "ENXIO", DRIVER },
  { "EACCES", function(found)
      return ("%s is mounted nodev, so that no device file works there: "
        .. "`mount -o remount,dev %s`"):format(found.mount, found.mount)
    end, when = function(found) return found.nodev and found.is_right end },
  { "EACCES", "this user may not open it: be root, or have it opened to all with `chmod 666`",
    when = function(found) return found.is_right end },
  { "EPERM", "the container or its device rules do not allow it",
    when = function(found) return found.is_right end },
}

-- What is there instead, whatever the errno was.
local function other_file(found)
  local words = "it is %s, not the character device 10:200 of the driver: `%s /dev/net/tun` and %s"
  return words:format(
    found.number and ("the %s %s"):format(found.type, found.number) or "a " .. found.type,
    found.type == "directory" and "rmdir" or "rm", MAKE)
end

-- Errors of the file and of what is no TUN/TAP driver behind it.
local function explain_file(why, errno)
  local found = core.device_file()
  local words = found.type and not found.is_right and other_file(found) or first(file, errno, found)
  return words and "/dev/net/tun: " .. words or why
end

local function owners(tun)
  local uid, gid = tun.owner, tun.group
  return (uid and ("uid %d or "):format(uid) or "") .. (gid and ("gid %d or "):format(gid) or "")
end

-- TUNSETIFF, with what was asked for and the link of that name, if there is one.
local opening = {
  { "EINVAL", function(t) return explain.name(t.name) end,
    when = function(t) return explain.name(t.name) end },
  { "EINVAL", function(_, link)
      return ("is a %s link, not a TUN/TAP device"):format(link.kind or link.link_type or "real")
    end, when = function(_, link) return link and not link.tun end },
  { "EINVAL", function(_, link)
      local mode = link.tun.type
      return ('is a %s device; open it with mode = "%s"'):format(mode:upper(), mode)
    end, when = function(t, link) return link and link.tun.type ~= t.mode end },
  { "EINVAL", "is multi-queue; open it with multi_queue = true",
    when = function(t, link) return link and link.tun.multi_queue and not t.multi_queue end },
  { "EINVAL", "is not multi-queue; open it without multi_queue",
    when = function(t, link) return link and t.multi_queue and not link.tun.multi_queue end },
  { "EINVAL", 'napi_frags needs napi = true and mode = "tap"',
    when = function(t) return t.napi_frags and not (t.napi and t.mode == "tap") end },
  { "EBUSY", "exists, and excl = true asks for a new one",
    when = function(t, link) return link and t.excl end },
  { "EBUSY", function(t)
      local holder = core.holder(t.name)
      return ("is open already%s, and only a multi-queue device can be opened more than once")
        :format(holder and ", by " .. holder or "")
    end, when = function(t, link) return link and not t.multi_queue end },
  { "EBUSY", function(t) return ("index %d is taken"):format(t.index) end,
    when = function(t) return t.index end },
  { "EPERM", function(_, link)
      return ("only %sroot (CAP_NET_ADMIN) may open it"):format(owners(link.tun))
    end, when = function(_, link) return link and link.tun end },
  { "EPERM", "napi_frags needs root (CAP_NET_ADMIN) of the host",
    when = function(t) return t.napi_frags end },
  { "EPERM", "a new device needs root (CAP_NET_ADMIN): have root make it with persist and owner, "
      .. "or use tun.sandbox()" },
  { "E2BIG", "has as many queues as there can be" },
}

local function not_tap(flags)
  return not flags.tap
end

--- What an IPv6 address that is tentative is waiting for.
-- @param dev  the name of its link
function explain.tentative(dev)
  return ("it is tentative: for a second or two %s asks whether another host has it; add it with "
    .. "nodad = true, or wait until tun.addr.get has no flags.tentative"):format(dev)
end

--- Why a name cannot be that of a link, or nil.
-- Source: net/core/dev.c, dev_valid_name(); net/ipv4/devinet.c
function explain.name(name)
  if name == "all" or name == "default" then
    return "no link can be called so: in /proc/sys/net it stands for all of them"
  elseif type(name) == "string" and name:find("%", 1, true) then
    return "in the name of a link % stands for a number only as one %d, when it is made"
  end
end

-- The other ioctls by option, with the flags of the device.
local options = {
  link_type = { { "EBUSY", "the link is up; take it down first" } },
  carrier = { { "EPERM", "no queue is attached" } },
  tx_filter = {
    { "EINVAL", "only a TAP device has one", when = not_tap },
    { "ENOSPC", "more addresses than the kernel has room for, so that the filter is off" },
  },
  filter = {
    { "EINVAL", "only a TAP device has one", when = not_tap },
    { "EINVAL", "not a valid classic BPF program" },
  },
  mac = {
    { "EOPNOTSUPP", "only a TAP device whose link_type is Ethernet has one" },
    { "EINVAL", "only a TAP device whose link_type is Ethernet has one" },
    { "EADDRNOTAVAIL", "not the address of one host: it is zero, broadcast or multicast" },
  },
  sndbuf = { { "EINVAL", "it must be greater than 0" } },
  vnet_hdr_size = { { "EINVAL", "a virtio-net header has at least 10 bytes" } },
  vnet_be = { { "EINVAL", "this kernel is built without CONFIG_TUN_VNET_CROSS_LE" } },
  owner = { { "EINVAL", "there is no such user in this user namespace" } },
  group = { { "EINVAL", "there is no such group in this user namespace" } },
  offload = {
    { "EINVAL", "this kernel does not know one of these offloads" },
    { "EOPNOTSUPP", "by vnet_le or vnet_be its virtio-net header is not in the byte order of this "
        .. "machine" },
  },
  netns = { { "EPERM", "needs root (CAP_NET_ADMIN)" } },
  threaded = {
    { "EOPNOTSUPP", "only a device that was opened with napi = true has it" },
    { "EPERM", "needs root (CAP_SYS_ADMIN) of the host" },
    { "ENOENT", "this kernel is older than 5.12, or /sys is that of another network namespace" },
  },
  steering_bpf = { { "EINVAL", "not a program of type BPF_PROG_TYPE_SOCKET_FILTER" } },
  filter_bpf = { { "EINVAL", "not a program of type BPF_PROG_TYPE_SOCKET_FILTER" } },
}

-- TUNSETQUEUE, with the flags of the device and the verb.
local queueing = {
  { "EINVAL", "is not multi-queue; open it with multi_queue = true",
    when = function(flags) return not flags.multi_queue end },
  { "EINVAL", function(_, verb) return ("the queue is %sed already"):format(verb) end },
}

-- What has to go with what in TUNSETOFFLOAD; the kernel only says EINVAL.
local OFFLOADS = {
  { "tso4", { "csum" } },
  { "tso6", { "csum" } },
  { "ufo", { "csum" } },
  { "uso4", { "csum" } },
  { "uso4", { "uso6" } },
  { "uso6", { "uso4" } },
  { "tso_ecn", { "tso4", "tso6" } },
  { "udp_tunnel_gso", { "tso4", "tso6", "uso4" } },
  { "udp_tunnel_gso_csum", { "udp_tunnel_gso" } },
}

-- Netlink requests, beside the rows of their nouns.
local unprivileged = {
  { "EPERM", "needs root (CAP_NET_ADMIN), or a namespace of your own: tun.sandbox()" },
}

--- The message of a tun.open that failed.
-- @param t  what the core was asked for; why, errno: what it answered
-- @param link  the link of that name as it was before, or nil
function explain.open(t, why, errno, link)
  if why:find "^/dev/net/tun" or core.errno[errno] == "ENOTTY" then
    return explain_file(why, errno)
  end
  local _, parts = why:gsub(": ", "")
  local words = parts < 2 and first(opening, errno, t, link) -- it is explained already
  return words and ("%s: %s"):format(t.name or "a new device", words) or why
end

--- As core.features, whose failure is told in words.
function explain.features()
  local set, why, errno = core.features()
  return set, not set and explain_file(why, errno) or nil, errno
end

--- The message of a device option that could not be set or read.
-- @param name, why, errno  the option, and what the core answered
function explain.option(device, name, why, errno)
  local words = first(options[name] or {}, errno, device:flags() or {})
  return words and ("%s: %s: %s"):format(device:name() or "device", name, words) or why
end

--- The message of a queue that could not be attached or detached.
function explain.queue(device, verb, why, errno)
  local flags = device:flags()
  local words = flags and first(queueing, errno, flags, verb)
  return words and ("%s: %s"):format(device:name(), words) or why
end

--- The rule that a set or a list of offloads breaks, in words, or nil.
-- Source: drivers/net/tun.c, set_offload
function explain.offload(value)
  local set = {}
  for key, name in entries(type(value) == "table" and value or {}) do
    set[type(key) == "number" and name or key] = name
  end
  for _, rule in ipairs(OFFLOADS) do
    local fulfilled = not set[rule[1]]
    for _, other in ipairs(rule[2]) do
      fulfilled = fulfilled or set[other]
    end
    if not fulfilled then
      return ("offload: %s needs %s"):format(rule[1], table.concat(rule[2], " or "))
    end
  end
end

--- Words for a refused netlink request. A sentence of the kernel's stands as it is.
-- @param noun  its row in netlink/noun.lua
function explain.request(noun, request, socket, why, errno)
  local hint = first(noun.hints or {}, errno, request, socket)
  if hint or why:find(": ", 1, true) then
    return hint or why
  end
  return first(noun.errors or {}, errno, request, socket) or first(unprivileged, errno) or why
end

return explain
