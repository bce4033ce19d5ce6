local core = require "tun.core"
local process = dofile "spec/process.lua"
local errno = core.errno

describe("a network namespace", function()
  setup(process.sandbox)

  local function current()
    return process.must "readlink /proc/$PPID/ns/net"
  end

  it("is named as the kernel names it", function()
    local ns = assert(core.netns())
    assert.equal(current(), tostring(ns))
    assert.equal(current(), ("net:[%d]"):format(ns:id()))
    ns:close()
  end)

  it("is found by its path", function()
    local by_path, mine = core.netns "/proc/self/ns/net", core.netns()
    assert.equal(mine:id(), by_path:id())
    assert.are_not.equal(mine:fd(), by_path:fd())
    mine:close()
    by_path:close()
  end)

  it("is another one after unshare", function()
    local before = assert(core.netns())
    local old = current()
    process.sandbox()
    local after = assert(core.netns())
    assert.are_not.equal(old, current())
    assert.equal(current(), tostring(after))
    assert.equal(old, tostring(before))
    assert.are_not.equal(before:id(), after:id())
    before:close()
    after:close()
  end)

  it("is empty but for the loopback", function()
    assert.is_truthy(process.must("ip -br link"):find "^lo +DOWN[^\n]*$")
  end)

  it("that is missing is the world's no", function()
    local ns, why, code = core.netns "/run/netns/no such"
    assert.is_nil(ns)
    assert.equal("/run/netns/no such: No such file or directory", why)
    assert.equal(errno.ENOENT, code)
  end)

  it("can be closed twice, and tells that it is closed", function()
    local ns = assert(core.netns())
    assert.is_true(ns:close())
    assert.is_true(ns:close())
    assert.equal(-1, ns:fd())
    assert.equal("net:[closed]", tostring(ns))
    assert.has_error(function() ns:id() end, "network namespace is closed")
  end)

  it("refuses what is no path", function()
    local _, why = pcall(function() core.netns(3) end)
    assert.is_truthy(why:find "netns_spec.lua:%d+: netns: 3 is not a path or nil$")
    assert.has_error(function() core.netns {} end, "netns: a table is not a path or nil")
  end)

  it("keeps no descriptor when it is collected", function()
    local before = process.descriptors()
    local function forget()
      for _ = 1, 200 do
        assert(core.netns())
      end
    end
    forget()
    assert.equal(before, process.descriptors())
  end)
end)

-- Each of these needs a process that can be thrown away.
describe("entering a network namespace", function()
  local enter = [[
    local core = require "tun.core"
    local ok, why, code = core.unshare(%s)
    print(ok, core.errno[code], why)
  ]]

  -- Root with the only privilege that it takes to stay root by name.
  local unprivileged = "setpriv --bounding-set=-all%s --inh-caps=-all"

  -- Nobody has one in a chroot, nor where the administrator does not want it.
  local denied = select(2, process.run "unshare --user true") ~= 0
  local denial = "user namespaces are not allowed here"

  it("needs a privilege", function()
    local output = process.lua(enter:format "false", unprivileged:format "")
    assert.is_truthy(output:find("^nil%s+EPERM%s+new network namespace: needs root"))
  end)

  it("needs none in a user namespace of its own", function()
    local output, status = process.lua([[
      local core = require "tun.core"
      assert(core.unshare(true))
      local ids = io.popen "id -u; id -g; cat /proc/self/setgroups; ip link set lo up"
      local lines = ids:read "*a"
      assert(lines == "0\n0\ndeny\n", lines)
    ]], unprivileged:format ",+setfcap")
    if denied then
      assert.is_truthy(output:find(denial), output)
      return
    end
    assert.equal("", output)
    assert.equal(0, status)
  end)

  local CAPS = {
    { "sys_admin but not net_admin", ",+sys_admin,+setfcap", "true" },
    { "neither, nor setfcap", ",+sys_admin",
      "nil%s+new network namespace: needs CAP_NET_ADMIN and CAP_SYS_ADMIN, or CAP_SETFCAP for a " },
  }
  for _, row in ipairs(CAPS) do
    it("tries a user namespace by tun.sandbox() with " .. row[1], function()
      local output = process.lua([[
        print(require("tun").sandbox())
      ]], unprivileged:format(row[2]))
      assert.is_truthy(output:find(denied and denial or "^" .. row[3]), output)
    end)
  end

  it("has a limit, which the reason names", function()
    local output = process.lua([[
      local core = require "tun.core"
      assert(core.unshare(true))
      local limit = assert(io.open("/proc/sys/user/max_net_namespaces", "w"))
      limit:write "0"
      limit:close()
    ]] .. enter:format "false")
    assert.is_truthy(output:find(denied and denial
      or "^nil%s+ENOSPC%s+[^\n]*max_net_namespaces"), output)
  end)

  it("cannot be done to a process with threads, which the reason says", function()
    local output = process.lua([[
      local uv = require "luv"
      uv.fs_stat(".", function() end)
      uv.run()
    ]] .. enter:format "true")
    assert.is_truthy(output:find "^nil%s+EINVAL%s+[^\n]*threads")
  end)
end)
