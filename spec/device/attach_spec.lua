-- Opening a device that exists: what it has stays, what it would not take is refused, and
-- what is believed of it is what is.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local tun = require "tun"
local errno = tun.errno

local function refused(why, code, ...)
  local ok, message, number = ...
  assert.is_nil(ok)
  assert.equal(why, message)
  assert.equal(code, number)
end

describe("a device that exists", function()
  local open -- what a spec opened

  local function opened(t)
    local dev = assert(tun.open(t))
    table.insert(open, dev)
    return dev
  end

  -- Leave a persistent device behind.
  local function kept(t)
    t.name, t.persist = "t0", true
    assert(tun.open(t)):close()
  end

  before_each(function()
    assert(tun.sandbox())
    open = {}
  end)
  after_each(function()
    for _, dev in ipairs(open) do
      dev:close()
    end
  end)

  -- What the first queue is opened with, what the second one, and which key is in the way.
  local others = {
    { {}, { vnet_hdr = true }, "vnet_hdr = false" },
    { {}, { offload = true }, "vnet_hdr = false" },
    { { vnet_hdr = true }, { vnet_hdr = false }, "vnet_hdr = true" },
    { { offload = true }, { vnet_hdr = false }, "vnet_hdr = true" },
    { {}, { pi = true }, "pi = false" },
    { { pi = true }, { pi = false }, "pi = true" },
  }
  for _, row in ipairs(others) do
    it("does not take another queue but with " .. row[3], function()
      row[1].name, row[1].multi_queue = "t0", true
      local dev = opened(row[1])
      local was, flags = dev:get "offload", dev:flags()
      row[2].name, row[2].multi_queue = "t0", true
      refused(("t0: a queue of it is open with %s, which all of them share"):format(row[3]),
        errno.EEXIST, tun.open(row[2]))
      assert.same(was, dev:get "offload")
      assert.same(flags, dev:flags())
      assert.equal(1, dev:link().tun.num_queues)
    end)
  end

  it("gives another queue what was not named", function()
    local dev = opened { name = "t0", multi_queue = true, offload = true, pi = true }
    local other = opened { name = "t0", multi_queue = true }
    assert.same(dev:flags(), other:flags())
    assert.same(dev:get "offload", other:get "offload")
  end)

  it("keeps its index", function()
    local dev = opened { name = "t0", index = 70, multi_queue = true }
    refused("t0: it exists, and has index 70", errno.EEXIST,
      tun.open { name = "t0", index = 4000, multi_queue = true })
    assert.equal(70, opened { name = "t0", index = 70, multi_queue = true }:index())
    assert.equal(70, dev:index())
  end)

  it("keeps napi and napi_frags unless they are named", function()
    kept { mode = "tap", napi = true, napi_frags = process.is_root }
    local dev = assert(tun.open { name = "t0" })
    local flags = dev:flags()
    assert.is_true(flags.napi)
    assert.equal(process.is_root or nil, flags.napi_frags)
    dev:close()
    dev = assert(tun.open { name = "t0", napi = true, napi_frags = false })
    assert.is_nil(dev:flags().napi_frags)
    dev:close()
    dev = assert(tun.open { name = "t0", napi = false })
    assert.is_nil(dev:flags().napi)
    dev:close()
    assert.is_nil(opened { name = "t0" }:flags().napi)
  end)

  it("tells the offloads that somebody else turned on", function()
    kept { offload = { "csum", "tso4" } }
    local dev = opened { name = "t0" }
    assert.same({ csum = true, tso4 = true }, dev:get "offload")
  end)

  it("tells the offloads that another process sets meanwhile", function()
    local dev = opened { name = "t0", multi_queue = true, offload = { "csum", "tso6" } }
    local output = process.lua [[
      local dev = assert(require("tun").open { name = "t0", multi_queue = true })
      for name in pairs(dev:get "offload") do io.write(name, " ") end
      assert(dev:set { offload = { "csum" } })
    ]]
    assert.is_truthy(output:find "tso6")
    assert.same({ csum = true }, dev:get "offload")
  end)

  it("has no offload without a virtio-net header to tell of it", function()
    kept { offload = true }
    local dev = opened { name = "t0", vnet_hdr = false }
    assert.is_false(dev:get "offload")
  end)

  it("has its offloads again when opening it without the header fails", function()
    kept { offload = { "csum", "tso4" } }
    local dev, _, code = tun.open { name = "t0", vnet_hdr = false, up = true,
                                    routes = { dst = "10.1.0.0/16", via = "10.2.0.1" } }
    assert.is_nil(dev)
    assert.equal(errno.ENETUNREACH, code)
    assert.same({ csum = true, tso4 = true }, opened { name = "t0" }:get "offload")
  end)
end)

describe("core.kept_flags", function()
  setup(process.sandbox)

  it("tells the flags of a device that nobody has open", function()
    local dev = assert(core.open { name = "t0", mode = "tun", vnet_hdr = true, napi = true })
    assert(core.setoption(dev, "persist", true))
    local socket = assert(core.netlink())
    local index = socket:index "t0"
    dev:close()
    local sysfs = assert(core.sysfs())
    assert.same({ tun = true, vnet_hdr = true, napi = true, persist = true },
      core.kept_flags(sysfs:fd(), index, "t0"))
    refused("lo: tun_flags: No such file or directory", errno.ENOENT,
      core.kept_flags(sysfs:fd(), 1, "lo"))
    refused("t0: tun_flags: No such file or directory", errno.ENOENT,
      core.kept_flags(sysfs:fd(), index + 1, "t0"))
    sysfs:close()
    socket:close()
  end)

  it("refuses what is no link", function()
    for _, name in ipairs { 1, "t0\0", ("x"):rep(16) } do
      assert.error_matches(function() core.kept_flags(0, 1, name) end, "is not the name of a link")
    end
    assert.error_matches(function() core.kept_flags(0, 0, "t0") end,
      "0 is not the index of a link")
    assert.error_matches(function() core.kept_flags(nil, 1, "t0") end, "descriptor of a sysfs")
  end)
end)
