-- netlink/noun.lua: the objects of ip(8) that there are, one row each. What their keys are the
-- core knows; defaults and spellings are decided here.
local core = require "tun.core"
local entries = require "tun.entries"
local explain = require "tun.explain"

-- What the kernel takes of a link that exists, and does not do.
local FIXED = { "kind", "slave_kind", "num_tx_queues", "num_rx_queues" }

-- Leave out what a link is already; refuse what it cannot become.
-- @return true | nil, message, errno
local function drop_fixed(t, socket)
  local link
  for _, key in ipairs(FIXED) do
    local value = t[key]
    local inside = type(value) == "string" and t[key == "kind" and value or value .. "_slave"]
    if value ~= nil and not inside then
      local why, errno
      if not link then
        link, why, errno = socket:request("link", "get",
          { index = t.index, name = not t.index and t.name or nil })
      end
      if not link then
        return nil, why, errno
      elseif link[key] ~= value then
        core.misuse(key == "slave_kind" and "link: slave_kind follows master"
          or ("link: %s is decided when a link is made"):format(key))
      end
      t[key] = nil
    end
  end
  return true
end

-- With dev to say which link is meant, a name is a new one. The link of a veth is its peer.
local function shape_link(t, verb, socket)
  local dev = t.dev
  t.dev = nil
  if verb == "add" and t.kind == "veth" and t.link ~= nil then
    t.veth = type(t.link) == "string" and not (t.veth and t.veth.peer)
      and { peer = { name = t.link } } or t.veth
    t.link = nil
  end
  if type(dev) == "number" then
    t.index = dev
  elseif t.name == nil then
    t.name = dev
  elseif dev then
    local index, why, errno = socket:index(dev)
    if not index then
      return nil, why, errno
    end
    t.index = index
  end
  if verb ~= "add" and not (t.index or t.name) then
    core.misuse("link: say which one with name=, index= or dev=")
  elseif verb == "set" and t.altnames then
    core.misuse("link: set cannot change altnames; addproperty and delproperty can")
  elseif verb == "set" then
    local ok, why, errno = drop_fixed(t, socket)
    if not ok then
      return nil, why, errno
    end
  elseif verb == "get" or verb == "del" then
    return { index = t.index, name = not t.index and t.name or nil }
  end
  return t
end

-- Whether it is up stands among its flags; it can be written either way.
local function tidy_link(t)
  t.up = t.flags.up or false
  return t
end

-- As ip(8): an IPv4 address without a peer is its own peer, and a loopback one of scope host.
local function shape_address(t, verb)
  if t.address == nil or t.dev == nil then
    core.misuse("address: address= and dev= are needed")
  end
  local address = tostring(t.address)
  if t.peer == nil and not address:find(":") and (verb ~= "del" or address:find("/")) then
    t.peer = t.address
  end
  if verb ~= "del" and address:find "^127%." then
    t.scope = t.scope or "host"
  end
  return t
end

-- The kernel tells an address without a peer as two equal ones, or as the peer.
local function tidy_address(t)
  if t.address == nil then
    t.address, t.peer = t.peer, nil
  elseif t.address == t.peer then
    t.peer = nil
  end
  return t
end

-- As ip(8): the table and the scope that a type of route goes with.
local TABLES = { ["local"] = "local", nat = "local", broadcast = "local", anycast = "local" }
local SCOPES = { ["local"] = "host", nat = "host", broadcast = "link", anycast = "link",
                 multicast = "link" }

local function scope(t, type)
  if type == "unicast" then
    return not (t.via or t.nexthops or t.nhid) and "link" or nil
  end
  return SCOPES[type]
end

-- Whether an address tells the family: "default" is of either.
local function has_address(t)
  return t.dst ~= "default" or t.via or t.prefsrc or t.from or t.nexthops
end

-- A set with a flag that it says nothing of.
local function with_flag(flags, name)
  if type(flags or {}) ~= "table" then
    return flags
  end
  local new = { [name] = true }
  for key, value in entries(flags or {}) do
    new[key] = value
  end
  return new
end

local function shape_route(t, verb)
  t.dst = t.dst or "default"
  if verb == "get" then
    if not tostring(t.dst):find(":", 1, true) then -- else IPv4 says that it is "main"
      t.flags = with_flag(t.flags, "lookup_table")
    end
    return t
  end
  if t.nhid then -- which tells these; the kernel takes one of both
    t.dev, t.via, t.nexthops = nil, nil, nil
    t.type = t.type ~= "blackhole" and t.type or nil
  end
  t.family = t.family or not has_address(t) and "inet" or nil
  local type = t.type or "unicast"
  t.table = t.table or TABLES[type] or "main"
  if verb == "del" then
    t.scope, t.expires = t.scope or "nowhere", nil
  else
    t.type, t.proto, t.scope = type, t.proto or "boot", t.scope or scope(t, type)
  end
  return t
end

-- As ip(8) and bridge(8): what is added is permanent, in a bridge the entry of the link itself;
-- what is got or deleted is known by its addresses.
local function shape_neighbour(t, verb)
  local bridge, flags = t.family == "bridge", t.flags or {}
  local key = bridge and "lladdr" or "dst"
  if t[key] == nil or t.dev == nil then
    core.misuse(("neighbour: %s= and dev= are needed"):format(key))
  elseif bridge and type(flags) == "table" and not (flags.self or flags.master) then
    flags.self = true
    t.flags = flags
  end
  if verb == "add" or verb == "replace" then
    t.state = t.state or type(t.flags_ext) == "table" and t.flags_ext.managed and "none"
      or "permanent"
  else
    t.state, t.proto, t.flags_ext = nil, nil, nil
    t.flags = (bridge or flags.proxy) and flags or nil
    t.lladdr = bridge and t.lladdr or nil
  end
  return t
end

-- As ip(8): those that need no lookup are shown when they are asked for, and like permanent
-- ones they stay when others are flushed.
local function is_cached(state, t)
  return state ~= "noarp" or t.family == "bridge"
end

local STAYS = { noarp = true, permanent = true, ["local"] = true, static = true }
local function is_passing(state)
  return not STAYS[state]
end

-- As ip(8): a rule looks up table main, of IPv4 when no address tells.
local function shape_rule(t, verb)
  for _, key in ipairs { "from", "to" } do
    t[key] = t[key] ~= "all" and t[key] or nil
  end
  t.family = t.family or not (t.from or t.to) and "inet" or nil
  if verb == "add" then
    t.action = t.action or t["goto"] and "goto" or "lookup"
    t.table = t.table or t.action == "lookup" and not t.l3mdev and "main" or nil
  end
  return t
end

-- The kernel does not tell a priority of 0.
local function tidy_rule(t)
  t.priority = t.priority or 0
  return t
end

-- Multicast routing has rules of its own.
local function is_unicast(family)
  return family == "inet" or family == "inet6"
end

-- As ip(8): IPv4 when neither a gateway nor a group tells the family.
local function shape_nexthop(t, verb)
  if verb == "get" or verb == "del" then
    if t.id == nil then
      core.misuse("nexthop: id= is needed")
    end
    return { id = t.id }
  end
  t.family = t.family or not (t.via or t.group) and "inet" or nil
  return t
end

local function link_of(request, socket)
  local by = type(request.dev) == "number" and "index" or "name"
  return socket:request("link", "get", { [by] = request.dev })
end

-- The link that is in the way of a bridge that has only links with Ethernet addresses.
local function no_ethernet(request, socket)
  local bridge = request.master and socket:request("link", "get",
    { [type(request.master) == "number" and "index" or "name"] = request.master })
  local link = bridge and bridge.kind == "bridge" and socket:request("link", "get",
    { index = request.index, name = not request.index and request.name or nil })
  return link and link.link_type ~= "ether" and link
end

-- The tentative address that a route is to be sent from.
local function tentative_source(request, socket)
  local source = request.prefsrc and tostring(request.prefsrc)
  for _, found in ipairs(source and socket:list("addr", { family = "inet6" }) or {}) do
    if found.flags.tentative and (found.address or found.peer):match "^[^/]*" == source then
      return found
    end
  end
end

-- The route that one cannot stand beside.
local function route_in_the_way(request, socket)
  local family = request.family or tostring(request.dst):find(":", 1, true) and "inet6" or "inet"
  for _, route in ipairs(socket:list("route", { family = family, table = request.table }) or {}) do
    if route.dst == request.dst and (route.metric or 0) == (request.metric or 0) then
      return route
    end
  end
end

local function is_inet6(request)
  return tostring(request.address):find(":", 1, true)
end

-- A row is
--   word, plural  what messages call it
--   key, number   what a string and a number alone stand for
--   verbs     those that are not told of below are a request of that name
--   listed    get is the first of a list: the kernel does not look one up
--   later     add: keys that the kernel takes only of one that exists, and by which verb;
--   unset     values of theirs that each has at first
--   renamed   the key of a string may be a new one, which set() is given as well
--   links     keys whose value is a link, beside those that the core knows
--   default   of filters; a value may be a function(value, object) that tells if it matches
--   flushed   default of the filters of flush
--   recheck   keys by which the kernel filters some objects only: true; false for those by which
--             it leaves out too much
--   shape(t, verb, socket)  finish a copy of what the caller wrote: t | nil, message, errno
--   tidy(t)   finish what the kernel told
--   hints     words for an errno, though the kernel has a sentence for it, as in tun.explain
--   errors    words for an errno that the kernel does not explain, as in tun.explain
local noun = {
  link = {
    word = "link", plural = "links", key = "name", number = "index",
    verbs = "list each get add set addproperty delproperty del flush",
    links = { "dev" }, renamed = true,
    later = { alias = "set", bridge_slave = "set", slave_kind = "set", operstate = "set",
              protodown = "set", inet6_addr_gen_mode = "set", inet6_token = "set",
              altnames = "addproperty" },
    unset = { inet6_token = "::", protodown = false, bridge_slave = { state = "disabled" } },
    recheck = { kind = true }, -- of which the kernel ignores what it has no driver for
    shape = shape_link, tidy = tidy_link,
    errors = {
      { "EINVAL", function(request) return explain.name(request.name) end,
        when = function(request) return explain.name(request.name) end },
      { "EINVAL", function(request, socket)
          local link = no_ethernet(request, socket)
          return ("only Ethernet links can be in a bridge, and %s is none; a device that is "
            .. 'opened with mode = "tap" is one'):format(link.name)
        end, when = no_ethernet },
      { "EPERM", "txqlen: the driver has memory for queues of 524288 packets at most",
        when = function(request) return request.txqlen and request.txqlen > 524288 end },
    },
  },
  addr = {
    word = "address", plural = "addresses", key = "address",
    verbs = "list each get add replace del flush", listed = true,
    shape = shape_address, tidy = tidy_address,
    errors = {
      { "EINVAL", function(request, socket)
          local link = link_of(request, socket)
          return ("IPv6 needs an MTU of 1280 or more, and %s has %d"):format(link.name, link.mtu)
        end, when = function(request, socket)
          local link = is_inet6(request) and link_of(request, socket)
          return link and link.mtu < 1280
        end },
      { "EACCES", "IPv6 is off on this link (sysctl net.ipv6.conf.*.disable_ipv6)",
        when = is_inet6 },
    },
  },
  route = {
    word = "route", plural = "routes", key = "dst",
    verbs = "list each get add replace append change del flush",
    default = { table = "main" }, recheck = { dev = true, type = false },
    shape = shape_route,
    hints = {
      { "EINVAL", function(request, socket)
          local found = tentative_source(request, socket)
          return ("prefsrc %s: %s"):format(request.prefsrc, explain.tentative(found.dev))
        end, when = tentative_source },
    },
    errors = {
      { "EEXIST", function(request, socket)
          local route = route_in_the_way(request, socket)
          return ("%s is there already; give this one another metric =, or take its place with "
            .. "tun.route.replace"):format(route and ("%s%s dev %s"):format(route.dst,
              route.via and " via " .. tostring(route.via) or "", tostring(route.dev)) or "one")
        end },
    },
  },
  neigh = {
    word = "neighbour", plural = "neighbours", key = "dst",
    verbs = "list each get add replace del flush",
    default = { state = is_cached }, flushed = { state = is_passing },
    recheck = { flags = true }, shape = shape_neighbour,
  },
  nexthop = {
    word = "nexthop", plural = "nexthops", key = "id", number = "id",
    verbs = "list each get add replace del flush",
    recheck = { fdb = true }, shape = shape_nexthop,
  },
  rule = {
    word = "rule", plural = "rules", key = "priority", number = "priority",
    verbs = "list each get add del flush", listed = true,
    default = { family = is_unicast }, shape = shape_rule, tidy = tidy_rule,
  },
}

-- The fields of a list by their keys, with those inside of them. A flag that has the name of no
-- key stands there as well: { flag_of = the key of its set }.
local function by_key(list)
  local fields = {}
  for _, field in ipairs(list) do
    for _, name in ipairs(field.kind:find "flags" and field.names or {}) do
      fields[name] = fields[name] or { flag_of = field.key }
    end
  end
  for _, field in ipairs(list) do
    field.fields = field.fields and by_key(field.fields)
    fields[field.key] = field
  end
  return fields
end

-- object: what the core calls it; fields: the keys that it knows, as core.fields tells them.
for name, row in entries(noun) do
  row.object, row.fields, row.default = name, by_key(core.fields(name)), row.default or {}
  for key in entries(row.recheck or {}) do
    row.fields[key].filter = false
  end
  for _, key in ipairs(row.links or {}) do
    row.fields[key] = { key = key, kind = "interface" }
  end
end

return noun
