-- What a table is as bytes and back, for links, addresses and routes: pure, needs no root.
local core = require "tun.core"
local spec = require "tun.spec"
local golden = dofile "spec/netlink/golden.lua"
local EBADMSG = core.errno.EBADMSG
local unpack = unpack or table.unpack -- luacheck: ignore

local OBJECTS = core.nouns()

local function unhex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(byte)
    return string.char(tonumber(byte, 16))
  end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

-- A number of some bytes in the order of this machine, which is little-endian.
local function number(value, size)
  local bytes = {}
  for i = 1, size do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

local function padded(bytes)
  return bytes .. ("\0"):rep(-#bytes % 4)
end

local function attr(type, payload)
  return padded(number(4 + #payload, 2) .. number(type, 2) .. payload)
end

-- A message of a type, its flags, and what is behind the header.
local function message(type, flags, body)
  return number(16 + #body, 4) .. number(type, 2) .. number(flags, 2) .. ("\0"):rep(8) .. body
end

-- The same message with more behind it.
local function extended(bytes, more)
  return number(#bytes + #more, 4) .. bytes:sub(5) .. more
end

-- Every part of `part` is in `whole`.
local function contains(whole, part)
  if type(part) ~= "table" then
    return whole == part
  end
  for key, value in pairs(part) do
    if value and not contains(whole and whole[key], value) then
      return false
    end
  end
  return true
end

describe("a request", function()
  for _, row in ipairs(golden) do
    it("has known bytes: " .. row[1], function()
      assert.equal(row.bytes:gsub("%s", ""), hex(core.encode(row.object, row.verb, row.table)))
    end)

    if row.ip then
      it("says what ip(8) says: " .. row[1], function()
        local ours, theirs = unhex(row.bytes), unhex(row.ip)
        assert.equal(hex(theirs:sub(5, 8)), hex(ours:sub(5, 8)))
        assert.same(core.decode(row.object, theirs), core.decode(row.object, ours))
      end)
    end

    it("is read as it was written: " .. row[1], function()
      local read = core.decode(row.object, unhex(row.bytes))
      local written = row.table
      if row.object == "addr" and not written.address:find "/" then
        written = { peer = written.peer }
      elseif written.master == false then
        written = {}
      end
      if written.dst == "default" then
        read.dst = "default"
      end
      assert.is_true(contains(read, written))
    end)
  end

  it("leaves nothing of the last one in the padding", function()
    local name = { index = 3, name = "abcdefgh" }
    local before = core.encode("link", "set", { index = 3, name = "x" })
    core.encode("link", "set", name)
    assert.equal(before, core.encode("link", "set", { index = 3, name = "x" }))
    assert.equal("78000000", hex(before:sub(-4)))
  end)

  it("to list is made of what the kernel can filter by, and of nothing else", function()
    assert.equal(core.encode("route", "list", { table = 1000, dev = 7, type = "local" }),
      core.encode("route", "list", { table = 1000, dev = 7, type = "local", metric = 5, tos = 4,
        dst = "10.0.0.0/8", metrics = { mtu = 1400 } }))
    assert.equal(core.encode("link", "list", { kind = "vlan", master = 3 }),
      core.encode("link", "list", { kind = "vlan", master = 3, mtu = 5, vlan = { id = 3 } }))
  end)
end)

-- Values of a kind, at the ends of what it holds; of a row with names, each of them.
local SAMPLES = {
  u8 = { 0, 1, 255 }, u16 = { 0, 1, 65535 }, u32 = { 0, 1, 4294967295 }, u64 = { 0, 2 ^ 53 },
  s32 = { -2147483648, -1, 2147483647 }, be16 = { 0, 1, 65535 }, scaled = { 0, 0.25, 100 },
  weight = { 1, 256 }, bool = { true, false }, flag = { true }, forever = { 0, 1, 4294967294 },
  string = { "x", "" }, mac = { "02:00:00:00:00:01", "0a" }, interface = { 1, 2147483647 },
  ip = { "10.0.0.1", "255.255.255.255", "fd00::1", "::", "::ffff:10.0.0.1" },
  be64 = { 0, 1, 2 ^ 53 }, range16 = { 0, 65535, "80-90" }, ifname = { "lo", "x" },
  range32 = { 0, 4294967295, "1000-4294967295" },
  prefix = { "0.0.0.0/0", "10.0.0.0/8", "192.168.69.1/32", "fd00::/64", "::/0", "fe80::1/128" },
  message = { { name = "x", mtu = 1400 } },
}

-- Names of the same bit.
local ALIAS = { temporary = "secondary" }

-- Names whose number a request sends.
local function each_name(field, value)
  local list, readonly = {}, {}
  for _, name in ipairs(field.readonly or {}) do
    readonly[name] = true
  end
  for _, name in ipairs(field.names) do
    if not readonly[name] then
      list[#list + 1] = value(ALIAS[name] or name)
    end
  end
  return list
end

-- Kinds whose value is a list of tables.
local LISTS = { hops = true, array = true }

local samples

-- A table with a first sample of everything that can be written.
local function whole(fields)
  local t = {}
  for _, field in ipairs(fields) do
    if not (field.read or field.dump) then
      t[field.key] = samples(field)[1]
    end
  end
  return t
end

function samples(field)
  if field.kind:find "enum" then
    return each_name(field, function(name) return name end)
  elseif field.names then
    return each_name(field, function(name) return { [name] = true } end)
  elseif field.kind == "list" then
    return { { samples(field.fields[1])[1] } }
  elseif LISTS[field.kind] then
    return { { whole(field.fields) } }
  elseif field.fields then
    return { whole(field.fields) }
  end
  return assert(SAMPLES[field.kind], field.kind)
end

-- The key that tells which kind of link a nest belongs to.
local function beside(key)
  if key == "bridge_slave" then
    return "slave_kind", "bridge"
  end
  return "kind", key
end

-- Calls visit(field, wrap, find) for every row that holds a value and can be written:
-- wrap(t) is the table around the one of the row, find(whole) gets at that again.
local function leaves(object, fields, wrap, find, visit)
  for _, field in ipairs(fields) do
    if field.fields and not field.read and field.kind ~= "list" and field.kind ~= "record" then
      leaves(object, field.fields, function(t)
        local outer = { [field.key] = LISTS[field.kind] and { t } or t }
        if object == "link" and field.key ~= "xdp" then
          local key, kind = beside(field.key)
          outer[key] = kind
        end
        return wrap(outer)
      end, function(t)
        local inner = (find(t) or {})[field.key] or {}
        return LISTS[field.kind] and inner[1] or inner
      end, visit)
    elseif not field.read then
      visit(field, wrap, find)
    end
  end
end

local function same(t)
  return t
end

describe("every row that can be written", function()
  for _, object in ipairs(OBJECTS) do
    leaves(object, core.fields(object), same, same, function(field, wrap, find)
      it(("comes back as it was given: %s, %s"):format(object, field.key), function()
        if field.dump then
          local filter = wrap { [field.key] = samples(field)[1] }
          assert.is_true(#core.encode(object, "list", filter) > #core.encode(object, "list", {}))
          return
        end
        for _, value in ipairs(samples(field)) do
          local bytes = core.encode(object, "add", wrap { [field.key] = value })
          local read = assert(core.decode(object, bytes))
          local left_out = field.sparse and value == 0
          assert.is_true(contains(find(read), { [field.key] = not left_out and value }))
        end
      end)
    end)
  end

  it("refuses what does not fit its kind", function()
    local wrong = {
      u8 = { -1, 256, 1.5, "1" }, u16 = { -1, 65536, true }, u32 = { -1, 2 ^ 32, 0 / 0, {} },
      u64 = { -1, 2 ^ 64, 1 / 0 },
      ifname = { "", ("x"):rep(16), 1, true, {} },
      be64 = { -1, 2 ^ 64, 1 / 0 },
      range = { -1, 2 ^ 32, "", "-", "1-", "-1", "2-1", "1-2-3", "x",
        "1-4294967296", " 1", "1 - 2", "99999999999999999999", true, {} },
      s32 = { 2 ^ 31, -2 ^ 31 - 1 }, be16 = { -1, 65536 },
      scaled = { -1, 2 ^ 32, "1", 0 / 0 }, weight = { 0, 257 }, bool = { 1, "true" },
      flag = { 1 }, forever = { -1, 2 ^ 32, true }, string = { 1, "a\0b", ("x"):rep(600) },
      mac = { "", ":", "0", "02:00:00:00:00:0g", "002:00", "02:00:", ":02", "02-00",
              "2:0:0:0:0:0:", 5, ("02:"):rep(32) .. "02", "02\0" },
      interface = { 1.5, 2 ^ 31, {}, true, "lo" }, ip = { "", "10.0.0", "10.0.0.1/8", "x", 5 },
      prefix = { 5 }, message = { 5, "x" }, list = { 5, { x = 1 }, { "a", n = 1 } },
      record = { 5, { no = 1 } }, flags = { "up", { up = 1 }, { no = true }, { [0.5] = true },
              { [2 ^ 32] = true }, { [-1] = true }, { "up" } }, enum = { "no", -1, 2 ^ 32, true },
    }
    wrong.mac[3] = nil
    wrong.masked, wrong.addrflags = wrong.flags, wrong.flags
    for _, object in ipairs(OBJECTS) do
      leaves(object, core.fields(object), same, same, function(field, wrap)
        local kind = field.kind:gsub("^be_", ""):gsub("%d+$", "")
        for _, value in pairs(assert(wrong[field.kind] or wrong[kind], field.kind)) do
          local t = wrap { [field.key] = value }
          assert.has_error(function() core.encode(object, field.dump and "list" or "add", t) end)
        end
      end)
    end
  end)

  it("takes a number for a name, and gives the number when it has no name", function()
    local route = core.decode("route", core.encode("route", "add", { type = 1, proto = 99,
      flags = { [2 ^ 30] = true, onlink = true } }))
    assert.same({ "unicast", 99 }, { route.type, route.proto })
    assert.same({ [2 ^ 30] = true, onlink = true }, route.flags)
  end)

  it("calls one bit by two names, secondary of IPv4 and temporary of IPv6", function()
    for family, name in pairs { inet = "secondary", inet6 = "temporary" } do
      local t = { family = family, flags = { secondary = true } }
      assert.same({ [name] = true }, core.decode("addr", core.encode("addr", "add", t)).flags)
    end
  end)

  it("does not send flags that only the kernel sets", function()
    local count = 0
    for _, object in ipairs(OBJECTS) do
      leaves(object, core.fields(object), same, same, function(field, wrap)
        for _, name in ipairs(field.readonly or {}) do
          assert.equal(core.encode(object, "add", wrap { [field.key] = {} }),
            core.encode(object, "add", wrap { [field.key] = { [name] = true } }))
          count = count + 1
        end
      end)
    end
    assert.is_true(count > 10)
  end)

  it("may be false where that has a meaning", function()
    local forever = { dev = 1, valid_lft = false, preferred_lft = 5 }
    assert.equal(core.encode("addr", "add", { dev = 1, preferred_lft = 5 }),
      core.encode("addr", "add", forever))
    assert.equal(core.encode("link", "set", { master = 0 }),
      core.encode("link", "set", { master = false }))
    assert.equal(core.encode("nexthop", "add", {}),
      core.encode("nexthop", "add", { blackhole = false }))
  end)
end)

describe("a prefix", function()
  local wrong = {
    "", "/", "/8", "10", "10.0.0", "10.0.0/8", "10.0.0.0.0", "256.0.0.0", "10.0.0.0/",
    "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ", " 10.0.0.0/8",
    "10.0.0.0/8/8", "10.0.0.0/08", "10.0.0.0/00", "10.0.0.0/x", "10.0.0.0/1e1", "10.0.0.0/8.0",
    "0x0a.0.0.0/8", "010.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/99999999999999999999",
    "fd00::/129", "fd00:::/64", "fd00::1::/64", ":/64", "fd00/64", "g::/64", "fe80::1%lo/64",
    "12345::/16", "::ffff:10.0.0/96", "10.0.0.0\0/8", "10.0.0.0/8\0", "default/0", "Default",
    "any", "localhost", ("1"):rep(300), ("0:"):rep(40) .. ":/64", "10.0.0.0/\255",
  }
  for _, text in ipairs(wrong) do
    it("is refused: " .. ("%q"):format(text), function()
      local ok, why = pcall(core.encode, "route", "add", { dst = text })
      assert.is_false(ok)
      assert.is_truthy(why:find("is not a prefix such as", 1, true))
    end)
  end

  it("without a length is one address", function()
    for text, length in pairs { ["10.0.0.1"] = 32, ["fd00::1"] = 128 } do
      assert.equal(core.encode("route", "add", { dst = text .. "/" .. length }),
        core.encode("route", "add", { dst = text }))
    end
  end)

  it("tells the family of a message, which the others have to be of", function()
    local function family(t)
      return core.decode("route", core.encode("route", "add", t)).family
    end
    assert.equal("inet", family { dst = "10.0.0.0/8" })
    assert.equal("inet6", family { dst = "fd00::/8" })
    assert.equal("inet6", family { dst = "default", via = "fd00::1" })
    assert.equal("inet", family { dst = "default", nexthops = { { via = "10.0.0.1" } } })
    assert.equal("inet6", family { dst = "default", family = "inet6", dev = 1 })
    for _, t in ipairs { { dst = "10.0.0.0/8", prefsrc = "fd00::1" },
                         { dst = "10.0.0.0/8", from = "fd00::/8" },
                         { dst = "10.0.0.0/8", family = "inet6" } } do
      assert.has_error(function() core.encode("route", "add", t) end)
    end
  end)
end)

describe("what can never be right", function()
  local rows = {
    { "route", { dsst = "10.0.0.0/8" }, '^route: no key "dsst"; there are: .*dst, ' },
    { "route", { metrics = { mtuu = 5 } }, '^route.metrics: no key "mtuu"; there are: .*mtu, ' },
    { "route", { nexthops = { {}, { vai = 5 } } }, '^route.nexthops%[2%]: no key "vai"; ' },
    { "route", { nexthops = { { via = "x" } } },
      '^route.nexthops%[1%].via: "x" is not an IPv4 or ' },
    { "route", { nexthops = { { flags = { notify = true } } } },
      '^no route.nexthops%[1%].flags "notify"; there are: dead, pervasive, onlink, ' },
    { "route", { nexthops = { 5 } }, "^route.nexthops%[1%]: a number is not a table$" },
    { "route", { nexthops = {}, [1] = 5 }, "^route: a key is a number$" },
    { "route", { type = "unicats" }, '^no route.type "unicats"; there are: unicast, anycast, ' },
    { "route", { metrics = 5 }, "^route.metrics: a number is not a table$" },
    { "route", { metric = "5" }, '^route.metric: "5" is not an integer from 0 to 4294967295$' },
    { "route", { metric = {} }, "^route.metric: a table is not an integer " },
    { "link", { flags = { upp = true } }, '^no link.flags "upp"; there are: up, broadcast, ' },
    { "link", { mtu = -1 }, "^link.mtu: %-1 is not an integer from 0 to 4294967295$" },
    { "link", { name = ("x"):rep(16) }, '^link.name: "x+" is not at most 15 bytes$' },
    { "link", { alias = ("x"):rep(256) }, '^link.alias: "x+..." is not at most 255 bytes$' },
    { "link", { altnames = { ("x"):rep(128) } },
      '^link.altnames%[1%]: "x+..." is not at most 127 ' },
    { "link", { altnames = { a = "x" } }, "^link.altnames: a table with names is not a list$" },
    { "link", { kind = "vlan", vlan = { idd = 5 } }, '^link.vlan: no key "idd"; there are: id, ' },
    { "link", { vlan = { protocol = "x" } }, '^no link.vlan.protocol "x"; there are: 802.1Q, ' },
    { "link", { veth = { peer = { mtuu = 5 } } }, '^link.veth.peer: no key "mtuu"; there are: ' },
    { "link", { master = "br0" }, '^link.master: "br0" is not an index; names need a socket$' },
    { "addr", { address = "10.0.0.1/24", peer = "fd00::1/64" }, "^addr.peer: .* as the others$" },
    { "addr", { valid_lft = -1 }, "^addr.valid_lft: %-1 is not an integer from 0 to 42949672" },
    { "adr", {}, '^no object "adr"; there are: addr, link, route' },
  }
  for _, row in ipairs(rows) do
    it("is raised in the caller's line: " .. row[3], function()
      local here = debug.getinfo(1, "Sl")
      local ok, why = pcall(function() core.encode(row[1], "add", row[2]) end)
      assert.is_false(ok)
      local where = ("%s:%d: "):format(here.short_src, here.currentline + 1)
      assert.equal(where, why:sub(1, #where))
      assert.matches(row[3], why:sub(#where + 1))
    end)
  end

  it("is raised too when it is deep, or without an end", function()
    local loop = { kind = "veth" }
    loop.veth = { peer = loop }
    assert.has_error(function() core.encode("link", "add", loop) end)
  end)

  it("is raised when it does not fit in a message", function()
    local hops = {}
    for i = 1, 5000 do
      hops[i] = { dev = i, via = "10.0.0.1" }
    end
    local ok, why = pcall(core.encode, "route", "add", { nexthops = hops })
    assert.is_false(ok)
    assert.is_truthy(why:find("route.nexthops", 1, true))
    assert.is_true(#core.encode("route", "add", { nexthops = { hops[1] } }) > 0)
  end)

  it("is raised when it does not fit in an attribute, or one behind it in the message", function()
    local names = {}
    for i = 1, 600 do
      names[i] = ("x"):rep(100)
    end
    assert.is_true(#core.encode("link", "add", { altnames = names }) > 64000)
    for i = 601, 620 do
      names[i] = ("x"):rep(100)
    end
    assert.error_matches(function() core.encode("link", "add", { altnames = names }) end,
      "link.altnames: longer than an attribute can be$")
    -- Another list, up to every word at the end of the room.
    for i = 601, 620 do
      names[i] = nil
    end
    local fits, others = 0, {}
    for i = 1, 43 do
      others[i] = ("x"):rep(100)
    end
    for last = 1, 124, 4 do
      others[44] = ("x"):rep(last)
      local t = { altnames = names, veth = { peer = { altnames = others, xdp = { fd = 1 } } } }
      local ok, why = pcall(core.encode, "link", "add", t)
      fits = fits + (ok and 1 or 0)
      assert.is_true(ok and #why <= 69632
        or why:find ": the request is longer than 69632 bytes$" ~= nil, why)
    end
    assert.is_true(fits > 0 and fits < 31, fits)
  end)

  it("is raised for a verb that there is not, or that a noun has not", function()
    assert.has_error(function() core.encode("link", "ad", {}) end)
    assert.has_error(function() core.encode("route", "addproperty", {}) end)
    assert.has_error(function() core.encode("link", "add") end)
  end)
end)

-- A link as a newer kernel might tell it.
local LINK = ("\0"):rep(4) .. number(7, 4) .. ("\0"):rep(8)

describe("a message of the kernel", function()
  local function decode(...)
    return core.decode("link", message(16, 0, LINK .. table.concat { ... }))
  end

  local function is_bad(...)
    local t, why, code = ...
    assert.is_nil(t)
    assert.equal(EBADMSG, code)
    assert.is_truthy(why:find ": Bad message$")
  end

  it("is read past attributes that we do not know, in any order", function()
    local link = decode(attr(999, "what"), attr(4, number(1400, 4)), attr(16383, ""),
      attr(3, "tun0\0"), attr(18, attr(99, "x") .. attr(1, "tun\0") .. attr(2, attr(77, "y"))))
    assert.same({ 7, 1400, "tun0", "tun" }, { link.index, link.mtu, link.name, link.kind })
    assert.same({}, link.tun)
  end)

  it("tells what the kernel tells of a TUN device", function()
    local link = decode(attr(18, attr(1, "tun\0") .. attr(2, attr(1, number(1000, 4)) ..
      attr(2, number(100, 4)) .. attr(3, "\2") .. attr(4, "\1") .. attr(5, "\0") ..
      attr(6, "\1") .. attr(7, "\1") .. attr(8, number(3, 4)) .. attr(9, number(1, 4)))))
    assert.same({ owner = 1000, group = 100, type = "tap", pi = true, vnet_hdr = false,
      persist = true, multi_queue = true, num_queues = 3, num_disabled_queues = 1 }, link.tun)
  end)

  it("is bad when what we know has another size", function()
    for _, payload in ipairs { "", "x", "xxx", "xxxxx", "xxxxxxxx" } do
      is_bad(decode(attr(4, payload)))
      is_bad(decode(attr(18, attr(1, "tun\0") .. attr(2, attr(1, payload)))))
    end
    is_bad(decode(attr(1, ("x"):rep(33))))
    is_bad(core.decode("addr", message(20, 0, ("\0"):rep(8) .. attr(1, "xxx"))))
    is_bad(core.decode("route", message(24, 0, ("\0"):rep(12) .. attr(18, "x"))))
    is_bad(core.decode("route", message(24, 0, ("\0"):rep(12) .. attr(18, "\2\0xxxxx"))))
    for _, hops in ipairs { "\8\0\0", "\7\0\0\0\1\0\0\0", "\9\0\0\0\1\0\0\0", ("\0"):rep(8) } do
      is_bad(core.decode("route", message(24, 0, ("\0"):rep(12) .. attr(9, hops))))
    end
  end)

  it("may have a record that is longer, or shorter, than ours", function()
    local short, long = decode(attr(23, number(5, 8))), decode(attr(23, number(6, 8):rep(40)))
    assert.same({ rx_packets = 5 }, short.stats)
    assert.same({ 6, 6 }, { long.stats.rx_packets, long.stats.rx_otherhost_dropped })
  end)

  it("is bad when it is nested without an end", function()
    local peer = LINK
    for _ = 1, 1000 do
      peer = LINK .. attr(18, attr(1, "veth\0") .. attr(2, attr(1, peer)))
      if #peer > 65000 then
        break
      end
    end
    is_bad(core.decode("link", message(16, 0, peer)))
  end)

  it("is bad when it ends too early, wherever that is", function()
    for _, row in ipairs(golden) do
      local bytes = unhex(row.bytes)
      for length = 0, #bytes - 1 do
        is_bad(core.decode(row.object, bytes:sub(1, length)))
        local shorter = number(length, 4) .. bytes:sub(5, length)
        local cut = length >= 16 and core.decode(row.object, shorter)
        assert.is_true(not cut or type(cut) == "table")
      end
    end
  end)

  it("can be anything: it is read or it is bad", function()
    local seed = os.time()
    math.randomseed(seed)
    local bases = {}
    for _, row in ipairs(golden) do
      bases[#bases + 1] = { row.object, unhex(row.bytes) }
    end
    for _, object in ipairs(OBJECTS) do
      local t = whole(core.fields(object))
      if object == "link" then
        t.kind, t.slave_kind = "bridge", "bridge"
      end
      for _, kind in ipairs { "bridge", "vlan", "veth" } do
        t.kind = t.kind and kind
        bases[#bases + 1] = { object, core.encode(object, "add", t) }
      end
    end
    for _ = 1, 20000 do
      local base = bases[math.random(#bases)]
      local bytes = base[2]
      for _ = 1, math.random(8) do
        local at = math.random(17, #bytes)
        bytes = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)
      end
      local t, _, code = core.decode(base[1], bytes)
      assert.is_true(type(t) == "table" or code == EBADMSG, "seed " .. seed)
    end
  end)

  it("is read with more behind it than it says", function()
    local bytes = core.encode("link", "set", { index = 3, mtu = 1400 })
    assert.same(core.decode("link", bytes), core.decode("link", bytes .. "more"))
    assert.equal(1400, core.decode("link", extended(bytes, attr(200, "more"))).mtu)
  end)
end)

describe("an extended ack", function()
  local ERROR, DONE, CAPPED, TLVS = 2, 3, 0x100, 0x200
  local TEXT, OFFSET, POLICY, MISSING, NEST = 1, 2, 4, 5, 6

  -- What an answer with a code says of a request.
  local function ack(object, request, code, ...)
    local body = number(-code % 2 ^ 32, 4) .. request:sub(1, 16)
    return spec.ack(object, request, message(ERROR, CAPPED + TLVS, body .. table.concat { ... }))
  end

  local vlan = core.encode("link", "add", { kind = "vlan", link = 3, vlan = { id = 5 } })
  -- Where an attribute begins in it, by a part of its bytes.
  local function at(bytes)
    return number(vlan:find(bytes, 1, true) - 1, 4)
  end
  local kind, data, id = at(attr(1, "vlan\0")), at "\12\0\2\128", at(attr(1, "\5\0"))

  local rows = {
    { "is an ack", 0, {}, true },
    { "is a warning", 0, { attr(TEXT, "beware\0") }, true, "beware" },
    { "is a warning of an attribute", 0, { attr(TEXT, "beware\0"), attr(OFFSET, id) }, true,
      "beware (vlan.id)" },
    { "is an errno", 17, {}, nil, "File exists" },
    { "has a text", 22, { attr(TEXT, "no\0") }, nil, "Invalid argument: no" },
    { "names an attribute", 22, { attr(OFFSET, kind) }, nil, "Invalid argument (kind)" },
    { "has both", 22, { attr(OFFSET, data), attr(TEXT, "no\0") }, nil,
      "Invalid argument: no (vlan)" },
    { "names one in a nest", 34, { attr(TEXT, "no\0"), attr(OFFSET, id) }, nil,
      "Numerical result out of range: no (vlan.id)" },
    { "names one by its payload", 22, { attr(OFFSET, number(id:byte() + 4, 4)) }, nil,
      "Invalid argument (vlan.id)" },
    { "tells bounds", 34, { attr(OFFSET, id), attr(POLICY, attr(2, number(1, 8)) ..
      attr(3, number(4094, 8)) .. attr(1, number(8, 4))) }, nil,
      "Numerical result out of range (vlan.id: at least 1, at most 4094)" },
    { "tells the bound of a length", 34, { attr(OFFSET, kind), attr(POLICY, attr(7, "\15\0\0\0")) },
      nil, "Numerical result out of range (kind: at most 15 bytes)" },
    { "tells as many bounds as there is room for", 34, { attr(OFFSET, id), attr(POLICY,
      attr(2, number(1, 8)):rep(20)) }, nil, "Numerical result out of range (vlan.id: " ..
      ("at least 1, "):rep(5) .. "at least 1)" },
    { "tells a shorter one where a long one has no room", 34, { attr(OFFSET, id), attr(POLICY,
      attr(5, ("\255"):rep(8)):rep(3) .. attr(4, number(1, 8))) }, nil,
      "Numerical result out of range (vlan.id: " .. ("at most 18446744073709551615, "):rep(2)
      .. "at least 1)" },
    { "tells what is missing", 22, { attr(MISSING, number(5, 4)) }, nil,
      "Invalid argument (missing: link)" },
    { "tells what is missing in a nest", 22, { attr(MISSING, number(1, 4)), attr(NEST, data) },
      nil, "Invalid argument (missing: vlan.id)" },
    { "tells of something that we do not know", 22, { attr(MISSING, number(999, 4)) }, nil,
      "Invalid argument" },
    { "has a text that does not end", 22, { attr(TEXT, "nono") }, nil, "Invalid argument" },
    { "points outside", 22, { attr(OFFSET, number(9999, 4)) }, nil, "Invalid argument" },
    { "points to the header", 22, { attr(OFFSET, number(20, 4)) }, nil, "Invalid argument" },
    { "has parts of a wrong size", 22, { attr(OFFSET, "x"), attr(MISSING, "yy") }, nil,
      "Invalid argument" },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local ok, why, code = ack("link", vlan, row[2], unpack(row[3]))
      assert.equal(row[4], ok)
      assert.equal(row[5], why)
      assert.equal(row[2] ~= 0 and row[2] or nil, code)
    end)
  end

  -- Requests for a kind of link that are none of ours: what stands in IFLA_LINKINFO, 18,
  -- and, at offset 32 of the request, in its IFLA_INFO_DATA, 2.
  local data_of = attr(2, attr(1, "\5\0"))
  local foreign = {
    { "data without a kind", data_of, 36 + 4, "" },
    { "data behind a kind that does not end", attr(1, "vlan") .. data_of, 36 + 8 + 4, "" },
    { "data of a kind behind what we do not know", attr(99, "") .. attr(1, "vlan\0") .. data_of,
      36 + 4 + 12 + 4, " (vlan.id)" },
    { "data of a kind that we do not know", attr(1, "foo\0") .. data_of, 36 + 8 + 4, " (foo)" },
    { "data of a kind with a long name", attr(1, ("k"):rep(200) .. "\0") .. data_of,
      36 + 208 + 4, " (" .. ("k"):rep(95) .. ")" },
    { "what we do not know", attr(99, "") .. data_of, 36, "" },
    { "what is between attributes", attr(1, "vlan\0") .. data_of, 34, "" },
  }
  for _, row in ipairs(foreign) do
    it("names, of " .. row[1] .. ", what can be told", function()
      local request = message(16, 0, ("\0"):rep(16) .. attr(18, row[2]))
      assert.equal("Invalid argument" .. row[4],
        select(2, ack("link", request, 22, attr(OFFSET, number(row[3], 4)))))
    end)
  end

  it("is malformed when the request is", function()
    assert.same({ nil, "no whole messages: Bad message", core.errno.EBADMSG },
      { spec.ack("link", vlan:sub(1, -2), message(ERROR, 0, number(0, 4) .. vlan)) })
  end)

  -- Each is malformed: nothing behind its end is looked at.
  local malformed = {
    { "is longer than its bytes", number(2 ^ 32 - 4, 4) .. message(ERROR, 0, ("0"):rep(9)):sub(5) },
    { "is shorter than its header", number(15, 4) .. message(ERROR, 0, ("0"):rep(9)):sub(5) },
    { "is cut in its code", message(DONE, TLVS, "\0\0\0") },
    { "has no number of an error", message(ERROR, CAPPED, number(2 ^ 31, 4) .. vlan:sub(1, 16)) },
    { "is cut in the request", message(ERROR, TLVS, number(0, 4) .. vlan:sub(1, -5)) },
    { "has a request without a header", message(ERROR, TLVS, number(0, 4) .. ("\0"):rep(60)) },
  }
  for _, row in ipairs(malformed) do
    it("is malformed when it " .. row[1], function()
      local ok, why, code = spec.ack("link", vlan, row[2])
      assert.same({ nil, core.errno.EBADMSG }, { ok, code })
      assert.truthy(why:find("Bad message$"), why)
    end)
  end

  it("ends where its length says, not at the next whole word", function()
    local body = number(-22 % 2 ^ 32, 4) .. vlan:sub(1, 16) .. attr(TEXT, "no\0"):sub(1, -3)
    assert.equal("Invalid argument", select(2,
      spec.ack("link", vlan, message(ERROR, CAPPED + TLVS, body))))
  end)

  it("is found behind the request, when that is sent back", function()
    local body = number(-22 % 2 ^ 32, 4) .. vlan .. attr(TEXT, "no\0")
    assert.equal("Invalid argument: no", select(2,
      spec.ack("link", vlan, message(ERROR, TLVS, body))))
  end)

  it("comes at the end of a dump too", function()
    local get = core.encode("route", "list", { table = 77 })
    local body = number(-2 % 2 ^ 32, 4) .. attr(TEXT, "no table\0") .. attr(OFFSET, number(28, 4))
    assert.equal("No such file or directory: no table (table)", select(2,
      spec.ack("route", get, message(DONE, TLVS, body))))
  end)

  it("can be anything", function()
    math.randomseed(os.time())
    local full = message(ERROR, TLVS + CAPPED, number(-22 % 2 ^ 32, 4) .. vlan:sub(1, 16) ..
      attr(TEXT, "no\0") .. attr(OFFSET, id) .. attr(POLICY, attr(3, number(9, 8))))
    for _ = 1, 20000 do
      local bytes = full
      for _ = 1, math.random(4) do
        local place = math.random(5, #bytes)
        bytes = bytes:sub(1, place - 1) .. string.char(math.random(0, 255)) .. bytes:sub(place + 1)
      end
      local ok, why = spec.ack("link", vlan, bytes)
      assert.is_true(ok == true or type(why) == "string")
    end
  end)
end)
