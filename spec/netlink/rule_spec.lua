-- tun.rule against the kernel, held against what ip(8) says.
local tun = require "tun"
local check = dofile "spec/netlink/check.lua"
local process = dofile "spec/process.lua"
local ip, column, refused, raises = check.ip, check.column, check.refused, check.raises

-- What each means to ip(8), and the same in our words.
local RULES = {
  { "from 10.0.0.0/8 to 10.1.0.0/16 iif lo oif lo fwmark 5/7 uidrange 1000-2000 ipproto tcp " ..
      "sport 80-90 dport 443 lookup 77 proto static tos 0x10",
    { from = "10.0.0.0/8", to = "10.1.0.0/16", iif = "lo", oif = "lo", fwmark = 5, fwmask = 7,
      uidrange = "1000-2000", ipproto = "tcp", sport = "80-90", dport = 443, table = 77,
      proto = "static", tos = 16 } },
  { "not from 10.9.0.0/16 iif nope lookup main suppress_prefixlength 0 suppress_ifgroup 7 " ..
      "realms 5/7",
    { from = "10.9.0.0/16", invert = true, iif = "nope", suppress_prefixlength = 0,
      suppress_ifgroup = 7, realm = 5 * 65536 + 7 } },
  { "from all tun_id 5 lookup default", { tun_id = 5, table = "default" } },
  { "from all goto 32767", { ["goto"] = 32767 } },
  { "from all nop", { action = "nop" } },
  { "from all blackhole", { action = "blackhole" } },
  { "from all unreachable", { action = "unreachable" } },
  { "from all prohibit", { action = "prohibit" } },
  { "from all lookup [l3mdev-table]", { l3mdev = true } },
  { "from fd00::/64 lookup main", { from = "fd00::/64" } },
  { "from all to fd01::1 ipproto ipv6-icmp lookup 100000",
    { to = "fd01::1", ipproto = "ipv6-icmp", table = 100000 } },
  { "from all fwmark 0x9 lookup 1000", { family = "inet6", fwmark = 9, table = 1000 } },
}

-- The line of ip for a priority, without it, in ip's own order of words.
local function line(priority)
  for _, version in ipairs { "-4", "-6" } do
    for text in (process.must("ip " .. version .. " rule") .. "\n"):gmatch "(.-)\n" do
      local found, rest = text:match "^(%d+):%s+(.*)"
      if tonumber(found) == priority then
        return rest:gsub(" %[detached%]", ""):gsub("0x(%x+)/0x(%x+)", "%1/%2")
      end
    end
  end
end

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do
    list[#list + 1] = word
  end
  table.sort(list)
  return table.concat(list, " ")
end

describe("a rule", function()
  before_each(function() assert(tun.sandbox()) end)

  for i, row in ipairs(RULES) do
    it("is added as ip(8) shows it, listed, deleted: " .. row[1], function()
      local t = { priority = 100 + i }
      for key, value in pairs(row[2]) do
        t[key] = value
      end
      assert.is_true(tun.rule.add(t))
      assert.equal(words(row[1]), words(line(100 + i)))
      local told = assert(tun.rule.get(100 + i))
      for key, value in pairs(row[2]) do
        local found = told[key]
        if key == "invert" then
          found = told.flags.invert
        elseif key == "to" and not value:find "/" then
          value = value .. "/128"
        end
        assert.equal(value, found, key)
      end
      refused(("rule %d: File exists"):format(100 + i), "EEXIST", tun.rule.add(told))
      assert.is_true(tun.rule.del(told))
      assert.is_nil((line(100 + i)))
      assert.is_true(tun.rule.add(told))
      assert.same(told, tun.rule.get(100 + i))
    end)
  end

  it("is in the order of ip(8), of both families", function()
    local all = assert(tun.rule.list())
    assert.same({ "default", "local", "local", "main", "main" }, column(all, "table"))
    assert.equal(#ip "rule", #tun.rule.list { family = "inet" })
    assert.equal(#ip "-6 rule", #tun.rule.list { family = "inet6" })
    assert.equal(0, all[1].priority)
  end)

  it("takes a link by name, index or object, and the name of one that is to come", function()
    assert(tun.rule.add { iif = 1, priority = 5 })
    assert(tun.rule.add { oif = tun.link.get "lo", priority = 6 })
    assert(tun.rule.add { iif = "later", priority = 7 })
    assert.same({ "lo", "lo", "later" },
      { tun.rule.get(5).iif, tun.rule.get(6).oif, tun.rule.get(7).iif })
    assert.is_true(tun.rule.get(7).flags.iif_detached)
    local device = assert(tun.open { name = "later" })
    assert.is_nil(tun.rule.get(7).flags)
    assert.same({ 7 }, column(tun.rule.list { iif = device }, "priority"))
    refused("rule 8: No such device (iif 99)", "ENODEV", tun.rule.add { iif = 99, priority = 8 })
    device:close()
  end)

  it("is filtered and flushed by what a list tells", function()
    for i = 1, 3 do
      assert(tun.rule.add { from = ("10.%d.0.0/16"):format(i), table = 100, priority = i })
      assert(tun.rule.add { from = ("fd0%d::/16"):format(i), table = 101, priority = i })
    end
    assert.equal(3, #tun.rule.list { table = 100 })
    assert.equal(2, #tun.rule.list { priority = 2 })
    assert.equal(1, #tun.rule.list { from = "fd02::/16" })
    assert.equal(3, tun.rule.flush { table = 100 })
    assert.equal(3, tun.rule.flush { family = "inet6", table = 101 })
    assert.equal(5, #tun.rule.list())
    raises("rules: flush needs a filter", tun.rule.flush, {})
  end)

  it("says what is wrong", function()
    refused("rule 7: No such file or directory", "ENOENT", tun.rule.del(7))
    refused("rule 7: there is none", "ENOENT", tun.rule.get(7))
    refused("rule 1: Invalid argument: Invalid dport range", "EINVAL",
      tun.rule.add { dport = 0, priority = 1 })
    raises('rule.sport: "90-80" is not a number that fits, or two', tun.rule.add,
      { sport = "90-80" })
    raises('rule.from: "fd00::/8" is not an IPv4 address', tun.rule.add,
      { family = "inet", from = "fd00::/8" })
    raises('no rule.action "blackhol"; there are: blackhole, lookup, goto', tun.rule.add,
      { action = "blackhol" })
    raises('rule: no key "lookup"; there are: ', tun.rule.add,
      { lookup = "main" })
  end)
end)
