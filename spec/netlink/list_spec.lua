-- What list() tells of a namespace full of odd objects, held against what ip(8) tells of it in
-- JSON, key by key. A word of ip that has no row here fails.
local core = require "tun.core"
local json = require "dkjson"
local process = dofile "spec/process.lua"

-- Whether this kernel does what some commands ask for, in a namespace of their own.
local function can(commands)
  return select(2, process.run(("unshare -rn sh -c 'ip link set lo up;" ..
    "ip link add p0 type veth peer name p1; %s'"):format(commands))) == 0
end

local function has(link)
  return not link.needs or can("ip link add probe " .. link.needs)
end

-- Links, and the commands that make them; without `needs` every kernel has them.
local LINKS = {
  { "lo", "ip link set lo up" },
  { "tun0", "ip tuntap add tun0 mode tun && ip link set tun0 up mtu 1280" },
  { "tap0", "ip tuntap add tap0 mode tap user 0 group 0 multi_queue vnet_hdr pi" },
  { "tun1", "ip tuntap add tun1 mode tun pi user 0 && ip link set tun1 txqueuelen 3" },
  { "veth0", "ip link add veth0 type veth peer name veth1 && ip link set veth0 up" },
  { "veth1", [[ip link set veth1 up mtu 1400 alias 'with "words"' group 77 txqueuelen 17 &&
     ip link property add dev veth1 altname other altname one-that-is-longer-than-15-bytes &&
     ip link set veth1 addrgenmode none && ip link set veth1 promisc on allmulticast on]] },
  { "br0", [[ip link add br0 type bridge forward_delay 300 hello_time 300 max_age 700
     ageing_time 60000 stp_state 1 priority 4096 group_fwd_mask 8
     group_address 01:80:c2:00:00:0f no_linklocal_learn 1 && ip link set br0 up]] },
  { "br1", "ip link add br1 type bridge nf_call_iptables 1 nf_call_ip6tables 1 nf_call_arptables 1",
    needs = "type bridge nf_call_iptables 1" },
  { "br2", [[ip link add br2 type bridge vlan_filtering 1 vlan_protocol 802.1ad
     vlan_default_pvid 7 vlan_stats_enabled 1 vlan_stats_per_port 1 mcast_vlan_snooping 1]],
    needs = "type bridge vlan_filtering 1" },
  { "br3", [[ip link add br3 type bridge mcast_router 2 mcast_query_use_ifaddr 1 mcast_querier 1
     mcast_hash_max 1024 mcast_last_member_count 3 mcast_startup_query_count 4
     mcast_last_member_interval 200 mcast_membership_interval 27000
     mcast_querier_interval 26000 mcast_query_interval 13000 mcast_query_response_interval 1100
     mcast_startup_query_interval 3200 mcast_stats_enabled 1 mcast_igmp_version 3
     mcast_mld_version 2]], needs = "type bridge mcast_querier 1" },
  { "port0", [[ip link add port0 type veth peer name port1 && ip link set port0 master br0 up &&
     ip link set port1 up && ip link set port0 type bridge_slave cost 5 priority 9 hairpin on
     guard on root_block on fastleave on learning off flood off proxy_arp on proxy_arp_wifi on
     mcast_router 2 mcast_flood off bcast_flood off mcast_to_unicast on neigh_suppress on
     group_fwd_mask 8 vlan_tunnel on isolated on locked on]] },
  { "port1" },
  { "tap1", [[ip tuntap add tap1 mode tap && ip link set tap1 master br0 &&
     ip link set tap1 type bridge_slave backup_port port0]] },
  { "dummy0", "ip link add dummy0 type dummy && ip link set dummy0 up", needs = "type dummy" },
  { "vlan0", [[ip link add vlan0 link veth0 type vlan id 5 protocol 802.1ad gvrp on
     loose_binding on reorder_hdr off ingress-qos-map 1:2 3:4 egress-qos-map 5:6]],
    needs = "link p0 type vlan id 5" },
  { "mac0", "ip link add mac0 link veth1 type macvlan mode bridge",
    needs = "link p0 type macvlan" },
  { "vx0", "ip link add vx0 type vxlan id 5 dstport 4789 dev veth1",
    needs = "type vxlan id 5 dstport 4789 dev p0" },
  { "ifb0", "ip link add ifb0 type ifb", needs = "type ifb" },
}

-- Behind them, one each: addresses, next hop objects, routes, neighbours.
local COMMANDS = [[
addr add 10.0.0.1/24 dev veth1 label veth1:a
addr add 10.0.0.2/24 dev veth1 metric 7 valid_lft 1000 preferred_lft 500
addr add 10.1.0.1 peer 10.1.0.2/30 dev veth1 scope link noprefixroute
addr add 10.2.0.1/24 broadcast 10.2.0.200 dev veth1 scope 200
addr add 10.3.0.1/32 dev lo scope host
addr add 239.1.1.1/32 dev veth1 autojoin
addr add fd00::1/64 dev veth1 nodad home
addr add fd00::2/64 dev veth1 optimistic
addr add fd00::3 peer fd00::4/64 dev veth1 metric 99
addr add fd01::1/64 dev veth1 nodad valid_lft 100 preferred_lft 0 noprefixroute
addr add fd02::1/64 dev veth0 nodad mngtmpaddr valid_lft 90000 preferred_lft 80000
addr add ff05::77/128 dev veth1 autojoin
nexthop add id 7 via 10.0.0.55 dev veth1
route add 10.9.0.0/16 via 10.0.0.99 metric 5 mtu lock 1300 advmss 1000 rtt 100ms rttvar 50ms
  rto_min 200ms window 1000 cwnd lock 10 initcwnd 11 initrwnd 12 hoplimit 3 ssthresh 5
  quickack 1 reordering 4 features ecn congctl lock reno fastopen_no_cookie 1 src 10.0.0.1
route add 10.10.0.0/16 nexthop via 10.0.0.98 weight 3 nexthop via inet6 fd00::9 dev veth1 onlink
route add 10.11.0.0/16 via inet6 fd00::99 dev veth1
route add blackhole 10.12.0.0/16
route add unreachable 10.13.0.0/16 metric 4278198272
route add prohibit 10.14.0.0/16 proto 186
route add throw 10.15.0.0/16 table 77
route add 10.16.0.0/16 via 99.0.0.1 dev veth1 onlink proto 111
route add 10.17.0.0/16 dev veth1 tos 0x10
route add 10.18.0.0/16 dev veth1 table 1000
route add 10.18.0.0/16 dev veth1 table 100 scope global
route add 10.19.0.0/16 dev tun0 scope 200
route add 10.20.0.0/16 nhid 7
route add local 10.21.0.0/16 dev lo
route add broadcast 10.22.0.1 dev veth1 table local
route add default via 10.0.0.1 dev veth1
-6 route add fd10::/64 dev veth1 pref high expires 1000
-6 route add fd11::/64 nexthop via fd00::8 weight 2 nexthop via fd00::7 dev veth1
-6 route add blackhole fd13::/64
-6 route add unreachable fd15::/64 metric 77
-6 route add prohibit fd16::/64
-6 route add throw fd17::/64
-6 route add local fd18::1 dev lo
-6 route add default via fd00::5 dev veth1 table 5000 pref low
-6 route add fd14::/64 via fd00::5 metric 1000 mtu 1300 hoplimit 7 src fd00::1
-6 route add fd19::/64 via fd00::6 dev veth1 onlink
neigh add 10.0.0.50 lladdr 02:00:00:00:00:01 dev veth1 router protocol static
neigh add 10.0.0.51 lladdr 02:00:00:00:00:02 dev veth1 nud stale extern_learn
neigh add fd00::50 lladdr 02:00:00:00:00:03 dev veth1 nud noarp
neigh add fd00::51 lladdr 02:00:00:00:00:04 dev veth0 nud stale router
neigh add proxy 10.0.0.52 dev veth1
neigh add proxy fd00::52 dev veth0 protocol 77
]]

-- As COMMANDS, of bridge(8).
local ENTRIES = [[
fdb add 02:00:00:00:00:11 dev port0 master static sticky
fdb add 02:00:00:00:00:12 dev port0 master dynamic extern_learn
fdb add 02:00:00:00:00:13 dev veth0 self
]]

-- As COMMANDS, where the kernel has what is on the left.
local OPTIONAL = {
  ["-6 route add fd12::/64 from fd00::/64 dev lo"] =
    { "-6 route add fd12::/64 from fd00::/64 dev veth1" },
  ["route add 127.9.0.0/16 dev lo realm 5/7"] =
    { "route add 10.30.0.0/16 dev veth1 realm 5/7",
      "route add 10.31.0.0/16 nexthop via 10.0.0.98 realm 3 nexthop via 10.0.0.97 realm 2/4" },
  ["link add probe type vxlan id 5 dstport 4789 dev p0"] =
    { "-s neigh show; bridge fdb add 02:00:00:00:00:14 dev vx0 dst 10.0.0.7 port 4000 vni 7" ..
      " via veth1" },
  ["route add 127.9.0.0/16 dev lo congctl bbr"] =
    { "-6 route add fd1a::/64 dev veth1 congctl bbr" },
}

local function set_up()
  process.sandbox()
  -- The other end of one pair stays in another namespace.
  local outside = assert(core.netns())
  assert(core.unshare(false))
  process.must "echo 2 >/proc/sys/net/ipv6/conf/default/use_tempaddr"
  process.must "echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries"
  for _, link in ipairs(LINKS) do
    if link[2] and has(link) then
      process.must((link[2]:gsub("\n", " ")))
    end
  end
  local socket = assert(core.netlink())
  assert(socket:request("link", "add", { name = "far0", kind = "veth",
    veth = { peer = { name = "far1", netns_fd = outside:fd() } } }))
  for command in COMMANDS:gsub("\n +", " "):gmatch "[^\n]+" do
    process.must("ip " .. command)
  end
  for command in ENTRIES:gmatch "[^\n]+" do
    process.must("bridge " .. command)
  end
  for probe, commands in pairs(OPTIONAL) do
    if can("ip " .. probe) then
      for _, command in ipairs(commands) do
        process.must("ip " .. command)
      end
    end
  end
  assert(socket:request("addr", "add", { dev = "veth1", proto = 5,
    address = "10.4.0.1/24", peer = "10.4.0.1/24" }))
  return socket, outside
end

-- Words: what ip calls a thing -> our key; true when that is the same; false when it is told
-- elsewhere; or a function(value, object) that puts what we should tell into a table.
local function words(text, more)
  local map = more or {}
  for word in text:gmatch "%S+" do
    map[word] = true
  end
  return map
end

local translate

local function each(key, map)
  return function(list, t)
    t[key] = {}
    for i, value in ipairs(list) do
      t[key][i] = translate(value, map)
    end
  end
end

function translate(object, map)
  local t = {}
  for word, value in pairs(object) do
    local key = map[word]
    assert(key ~= nil, "ip says \"" .. word .. "\", and there is no row for it")
    if type(key) == "function" then
      key(value, t, object, word)
    elseif key then
      t[key == true and word or key] = value
    end
  end
  return t
end

local function lower(key)
  return function(value, t)
    t[key] = value:lower()
  end
end

-- ip divides timers by 100.
local function timer(key)
  return function(value, t)
    t[key] = math.floor(100 * value + 0.5)
  end
end

local function set(list, t)
  t.flags = {}
  for _, name in ipairs(list) do
    t.flags[name:lower()] = true
  end
end

-- Of routes an empty set is left out.
local function some(list, t)
  if list[1] then
    set(list, t)
  end
end

local function account(key)
  return function(value, t)
    t[key] = value == "root" and 0 or value
  end
end

-- ip leaves the first zero of a byte out.
local function bridge_id(value, t, _, key)
  t[key] = value:gsub("%f[%x](%x)%f[%X]", "0%1")
end

local function option(name)
  return function(value, t)
    t.options = t.options or {}
    t.options[name] = value ~= 0
  end
end

-- Of flags ip invents two, which others tell, and one it does not show.
local function link_flags(list, t)
  set(list, t)
  t.flags["no-carrier"], t.flags["m-down"], t.flags.running = nil, nil, nil
end

local rx = words("", { bytes = "rx_bytes", packets = "rx_packets", errors = "rx_errors",
  dropped = "rx_dropped", over_errors = "rx_over_errors", multicast = "multicast",
  length_errors = "rx_length_errors", crc_errors = "rx_crc_errors",
  frame_errors = "rx_frame_errors", fifo_errors = "rx_fifo_errors",
  missed_errors = "rx_missed_errors", nohandler = "rx_nohandler", compressed = "rx_compressed",
  otherhost_dropped = "rx_otherhost_dropped" })
local tx = words("collisions", { bytes = "tx_bytes", packets = "tx_packets", errors = "tx_errors",
  dropped = "tx_dropped", carrier_errors = "tx_carrier_errors", compressed = "tx_compressed",
  aborted_errors = "tx_aborted_errors", fifo_errors = "tx_fifo_errors",
  window_errors = "tx_window_errors", heartbeat_errors = "tx_heartbeat_errors",
  carrier_changes = false })

local function stats(value, t)
  t.stats = translate(value.rx, rx)
  for key, count in pairs(translate(value.tx, tx)) do
    t.stats[key] = count
  end
  t.carrier_changes = value.tx.carrier_changes
end

-- What is behind info_data, by info_kind; of other kinds we tell no more than the kind.
local KINDS = {
  tun = words("type pi vnet_hdr multi_queue persist", { numqueues = "num_queues",
    numdisabled = "num_disabled_queues", user = account "owner", group = account "group" }),
  bridge = words([[forward_delay hello_time max_age ageing_time stp_state priority vlan_filtering
    vlan_protocol root_port root_path_cost topology_change topology_change_detected
    vlan_default_pvid vlan_stats_enabled vlan_stats_per_port group_fwd_mask group_addr
    mcast_snooping mcast_router mcast_query_use_ifaddr mcast_querier mcast_hash_elasticity
    mcast_hash_max mcast_last_member_cnt mcast_startup_query_cnt mcast_last_member_intvl
    mcast_membership_intvl mcast_querier_intvl mcast_query_intvl mcast_query_response_intvl
    mcast_startup_query_intvl mcast_stats_enabled mcast_igmp_version mcast_mld_version
    nf_call_iptables nf_call_ip6tables nf_call_arptables]], {
    bridge_id = bridge_id, root_id = bridge_id,
    hello_timer = timer "hello_timer", tcn_timer = timer "tcn_timer",
    topology_change_timer = timer "topology_change_timer", gc_timer = timer "gc_timer",
    no_linklocal_learn = option "no_linklocal_learn",
    mcast_vlan_snooping = option "mcast_vlan_snooping",
  }),
  bridge_slave = words([[state priority cost hairpin guard root_block fastleave learning flood id
    no designated_port designated_cost topology_change_ack config_pending
    proxy_arp proxy_arp_wifi mcast_flood bcast_flood mcast_to_unicast neigh_suppress
    group_fwd_mask vlan_tunnel isolated locked backup_port]],
    { bridge_id = bridge_id, root_id = bridge_id, multicast_router = "mcast_router",
      group_fwd_mask_str = false,
      hold_timer = timer "hold_timer", message_age_timer = timer "message_age_timer",
      forward_delay_timer = timer "forward_delay_timer" }),
  vlan = words("protocol id", { flags = set, ingress_qos = each("ingress_qos", words "from to"),
    egress_qos = each("egress_qos", words "from to") }),
}

local linkinfo = { info_kind = "kind", info_slave_kind = "slave_kind" }
function linkinfo.info_data(value, t, info)
  local kind = info.info_kind
  t[kind] = KINDS[kind] and translate(value, KINDS[kind])
end
function linkinfo.info_slave_data(value, t, info)
  local kind = info.info_slave_kind .. "_slave"
  t[kind] = translate(value, KINDS[kind])
end

local link = words([[link mtu qdisc master txqlen link_type address broadcast permaddr link_netnsid
  promiscuity allmulti min_mtu max_mtu inet6_addr_gen_mode num_tx_queues num_rx_queues gso_max_size
  gso_max_segs tso_max_size tso_max_segs gro_max_size altnames group event parentbus parentdev]],
  { ifindex = "index", ifname = "name", link_index = "link", ifalias = "alias", flags = link_flags,
    operstate = lower "operstate", linkmode = lower "linkmode", link_pointtopoint = false,
    stats64 = stats, linkinfo = function(value, t)
      for key, inner in pairs(translate(value, linkinfo)) do
        t[key] = inner
      end
    end })

local function flag(value, t, name)
  t.flags = t.flags or {}
  t.flags[name] = value
end

local function lifetime(key)
  return function(value, t)
    t[key] = value ~= 4294967295 and value or false
  end
end

local addr = words("family broadcast anycast scope label metric", {
  ["local"] = function(value, t, object)
    t.own = value .. "/" .. object.prefixlen
  end,
  address = function(value, t, object)
    t.peer = value .. "/" .. object.prefixlen
  end,
  prefixlen = false, valid_life_time = lifetime "valid_lft",
  preferred_life_time = lifetime "preferred_lft",
  dynamic = function(_, t) flag(false, t, "permanent") end,
})
for name in ([[secondary temporary nodad optimistic dadfailed home deprecated tentative mngtmpaddr
  noprefixroute autojoin stable-privacy]]):gmatch "%S+" do
  addr[name] = function(value, t) flag(value, t, name) end
end

-- An address without a length is a whole one.
local function prefix(key)
  return function(value, t)
    local whole = value ~= "default" and not value:find "/"
    t[key] = whole and value .. (value:find ":" and "/128" or "/32") or value
  end
end

local function via(value, t)
  t.via = value.host
end

local function realm(value, t)
  t.realm = 65536 * (value.from or 0) + value.to
end

local hop = words("dev weight", { gateway = "via", via = via, flow = realm, flags = some })

local metrics = words([[mtu window rtt rttvar ssthresh cwnd advmss reordering hoplimit initcwnd
  rto_min initrwnd quickack fastopen_no_cookie]], { congestion = "congctl" })
-- The value is JSON's null.
function metrics.ecn(_, t)
  t.features = { ecn = true }
end

local route = words("type dev table scope prefsrc metric nhid tos pref expires mark uid iif", {
  dst = prefix "dst", from = prefix "from", gateway = "via", via = via, protocol = "proto",
  flags = some, flow = realm, nexthops = each("nexthops", hop), nh_info = false,
  ["ttl-propogate"] = "ttl_propagate", error = "error", cache = false,
  metrics = function(value, t)
    t.metrics = translate(value[1], metrics)
  end })

local function is_flag(_, t, _, name)
  flag(true, t, name)
end

local neigh = words("dst dev lladdr probes refcnt used confirmed updated", {
  router = is_flag, proxy = is_flag, extern_learn = is_flag, offload = is_flag,
  protocol = "proto", state = function(list, t)
    t.state = list[1]:lower()
  end })

local entry = words("dst port vni master used updated",
  { mac = "lladdr", ifname = "dev", viaIf = "via", flags = some, state = function(value, t)
    t.state = value == "" and "reachable" or value
  end })

-- A value of ip and ours: ip writes some booleans as numbers and many numbers as text, and
-- leaves false out. A timer that began anew meanwhile may have been above or below both.
local function agrees(key, theirs, first, last)
  if type(first) == "boolean" and type(theirs) == "number" then
    theirs = theirs ~= 0
  elseif type(first) == "number" then
    theirs = tonumber(theirs)
    return theirs and (math.min(first, last) <= theirs and theirs <= math.max(first, last)
      or first < last and (theirs >= last or theirs <= first) and key:find "_timer$" ~= nil)
  end
  return theirs == (first or false) or theirs == (last or false)
end

-- What ip told, between what we told before and after it: counters, timers and the state of
-- an address change meanwhile.
local function compare(theirs, first, last, path)
  for key, value in pairs(theirs) do
    local before, after = first[key], last[key]
    local here = path .. "." .. key
    if type(value) == "table" then
      assert(type(before) == "table", here .. " is missing")
      compare(value, before, after or before, here)
    elseif not agrees(key, value, before, after == nil and before or after) then
      error(("%s: ip says %s, we say %s"):format(here, tostring(value), tostring(before)))
    end
  end
end

-- What we tell and ip does not.
local OURS = {
  link = words([[carrier carrier_up_count carrier_down_count carrier_changes protodown xdp
    inet6_token stats flags running mcast_querier_state mrp_ring_open mrp_in_open
    mcast_eht_hosts_limit mcast_eht_hosts_cnt]]),
  addr = words "created updated proto dev flags permanent tentative",
  route = words "family flags lock",
  neigh = words "family refcnt flags flags_ext state confirmed",
}

-- Every key of ours is one of ip's or in that list.
local function covered(ours, theirs, known, path)
  for key, value in pairs(ours) do
    if type(value) == "table" and theirs[key] ~= nil then
      covered(value, theirs[key], known, path .. "." .. key)
    elseif theirs[key] == nil and not known[key] then
      error(("%s.%s: ip does not tell it"):format(path, key))
    end
  end
end

describe("a list", function()
  local socket, outside
  local links, before, after = {}, {}, {}

  local function ip(arguments)
    local command = arguments:gsub("^%a+", { bridge = "bridge -d -s -s -j" })
    command = command == arguments and "ip -d -s -s -j " .. arguments or command
    return assert(json.decode(process.must(command), 1, json.null))
  end

  -- What we tell before and after ip tells it; again while the kernel adds or removes any, as
  -- it does for a while with IPv6 addresses and their routes.
  local function around(object, filter, arguments)
    local limit = os.time() + 10
    repeat
      local first = assert(socket:list(object, filter))
      local theirs = ip(arguments)
      local last = assert(socket:list(object, filter))
      local same = #first == #last
      for i, one in ipairs(first) do
        local other = last[i] or {}
        same = same and one.dst == other.dst and one.lladdr == other.lladdr
          and one.peer == other.peer and one.name == other.name
      end
      if same then
        return first, theirs, last
      end
    until os.time() > limit
    error(object .. "s do not stop changing")
  end

  setup(function()
    socket, outside = set_up()
    local first, theirs, last = around("link", {}, "link show")
    for i, object in ipairs(first) do
      before[object.name], after[object.name] = object, last[i]
    end
    for _, object in ipairs(theirs) do
      links[object.ifname] = object
    end
  end)

  teardown(function()
    socket:close()
    outside:close()
  end)

  LINKS[#LINKS + 1] = { "far0" }
  for _, row in ipairs(LINKS) do
    local name = row[1]
    if has(row) then
      it("tells of the link " .. name .. " what ip link tells", function()
        local theirs = translate(assert(links[name]), link)
        compare(theirs, before[name], after[name], name)
        theirs.stats = nil
        covered(before[name], theirs, OURS.link, name)
      end)
    end
  end

  it("has all links, and no other", function()
    for name in pairs(before) do
      assert.is_table(links[name], name)
    end
    for name in pairs(links) do
      assert.is_table(before[name], name)
    end
  end)

  -- The keys of an address: what ip says in one word, we say in two.
  local function place(list)
    local placed = {}
    for _, object in ipairs(list) do
      object.own = object.address or object.peer
      local key = ("%s %s %s"):format(object.dev, object.own, object.peer)
      assert.is_nil(placed[key])
      placed[key] = object
    end
    return placed
  end

  it("of addresses tells what ip addr tells", function()
    local first, device, last = around("addr", {}, "addr show")
    first, last = place(first), place(last)
    local count = 0
    for _, object in ipairs(device) do
      for _, info in ipairs(object.addr_info) do
        local theirs = translate(info, addr)
        local key = ("%s %s %s"):format(object.ifname, theirs.own, theirs.peer or theirs.own)
        assert(first[key], key)
        compare(theirs, first[key], last[key], key)
        theirs.peer, theirs.address, theirs.flags = theirs.own, theirs.own, theirs.flags or {}
        covered(first[key], theirs, OURS.addr, key)
        first[key] = nil
        count = count + 1
      end
    end
    assert.same({}, first)
    assert.is_true(count > 12)
  end)

  for _, family in ipairs { "inet", "inet6" } do
    it("of routes tells what ip route tells, of " .. family, function()
      local version = family == "inet" and "-4" or "-6"
      local first, device, last = around("route", { family = family },
        version .. " route show table all")
      assert.equal(#device, #first)
      for i, object in ipairs(device) do
        local theirs = translate(object, route)
        local name = ("%s %s"):format(first[i].dst, first[i].table)
        theirs.tos = theirs.tos ~= 0 and theirs.tos or nil
        theirs.metric = theirs.metric or first[i].metric == 0 and 0 or nil
        compare(theirs, first[i], last[i], name)
        covered(first[i], theirs, OURS.route, name)
      end
    end)
  end

  -- What ip says in whole seconds, or in fewer words.
  local function rounded(list)
    for _, object in ipairs(list) do
      for _, key in ipairs { "used", "confirmed", "updated" } do
        object[key] = object[key] and math.floor(object[key])
      end
      object.state = object.family == "bridge"
        and ({ ["local"] = "permanent", noarp = "static" })[object.state] or object.state
    end
    return list
  end

  local NEIGHBOURS = {
    { "neighbours", {}, "neigh show nud all", neigh, 5 },
    { "proxies", { flags = { proxy = true } }, "neigh show proxy", neigh, 2 },
    { "entries of bridges", { family = "bridge" }, "bridge fdb", entry, 3 },
  }
  for _, row in ipairs(NEIGHBOURS) do
    it(("of %s tells what ip tells"):format(row[1]), function()
      local first, theirs, last = around("neigh", row[2], row[3])
      rounded(first)
      rounded(last)
      assert.equal(#theirs, #first)
      assert.is_true(#first >= row[5])
      for i, object in ipairs(theirs) do
        local name = ("%s %s"):format(first[i].dst or first[i].lladdr, first[i].dev)
        local translated = translate(object, row[4])
        compare(translated, first[i], last[i], name)
        covered(first[i], translated, OURS.neigh, name)
      end
    end)
  end

  it("of both families is the two one after the other", function()
    local inet, inet6, both
    for _ = 1, 5 do -- one may expire meanwhile
      inet = around("route", { family = "inet" }, "route")
      inet6 = around("route", { family = "inet6" }, "route")
      both = around("route", {}, "route")
      if #both == #inet + #inet6 then
        break
      end
    end
    assert.equal(#both, #inet + #inet6)
    assert.equal("inet", both[1].family)
    assert.equal("inet6", both[#both].family)
  end)

  it("tells locks, which ip does not", function()
    local list = assert(socket:list("route", { family = "inet", table = "main" }))
    for _, object in ipairs(list) do
      if object.dst == "10.9.0.0/16" then
        assert.same({ mtu = true, cwnd = true, rto_min = true, congctl = true },
          object.metrics.lock)
      end
    end
  end)

  it("can be given back: every route", function()
    local list = assert(socket:list("route", { table = "main" }))
    assert.is_true(#list > 20)
    for _, object in ipairs(list) do
      if object.proto ~= "kernel" then
        local name = object.dst .. ": "
        if object.nhid then
          object.via, object.dev = nil, nil
        end
        local ok, why = socket:request("route", "del", object)
        assert(ok, name .. tostring(why))
        ok, why = socket:request("route", "add", object)
        assert(ok, name .. tostring(why))
      end
    end
    local again = assert(socket:list("route", { table = "main" }))
    assert.equal(#list, #again)
  end)

  it("can be given back: every neighbour", function()
    for _, filter in ipairs { {}, { flags = { proxy = true } }, { family = "bridge" } } do
      for _, object in ipairs(assert(socket:list("neigh", filter))) do
        local shared = object.lladdr and object.lladdr:find "^[03][13]:" -- of a group
        if object.state ~= "none" and not shared and not object.master then
          local name = (object.dst or object.lladdr) .. ": "
          local ok, why = socket:request("neigh", "del", object)
          assert(ok, name .. tostring(why))
          ok, why = socket:request("neigh", "add", object)
          assert(ok, name .. tostring(why))
        end
      end
    end
  end)

  it("can be given back: every address", function()
    for _, object in ipairs(assert(socket:list("addr", { dev = "veth1" }))) do
      if object.scope ~= "link" or object.family == "inet" then
        local name = (object.address or object.peer) .. ": "
        local ok, why = socket:request("addr", "del", object)
        assert(ok, name .. tostring(why))
        ok, why = socket:request("addr", "add", object)
        assert(ok, name .. tostring(why))
      end
    end
  end)
end)
