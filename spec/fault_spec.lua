-- What goes wrong when one system call fails. spec/inject goes through all of them; these
-- are the cases that once were wrong.
local tun = require "tun"
local with = dofile "spec/failing.lua"

describe("with a system call that fails,", function()
  if not require("fault").calls then
    pending "system calls can be made to fail on x86-64 alone"
    return
  end

  before_each(function() assert(tun.sandbox()) end)

  it("an answer is waited for no longer than it takes", function()
    assert(tun.link.list())
    for _, code in ipairs { "EAGAIN", "EINTR", "ENOBUFS" } do
      assert.is_true(with("recvfrom", 1, code, function()
        return tun.link.set { name = "lo", mtu = 40000 }
      end))
      assert.equal(40000, tun.link.get("lo").mtu)
    end
  end)

  it("a device that cannot be looked over is not opened", function()
    for _, call in ipairs { "TUNGETVNETHDRSZ", "TUNGETVNETLE", "TUNGETVNETBE" } do
      assert.same({ nil, "t0: File descriptor in bad state", "EBADFD" },
        { with(call, 1, "EBADFD", function()
          return tun.open { name = "t0", vnet_hdr = true, offload = true }
        end) })
      assert.is_nil(tun.link.get "t0")
    end
  end)

  it("a link that was looked for in vain is not opened as a new one", function()
    assert(tun.open { name = "p0", mode = "tap", persist = true }):close()
    assert.same({ nil, "link p0: netlink: Cannot allocate memory", "ENOMEM" },
      { with("sendto", 1, "ENOMEM", function() return tun.open { name = "p0" } end) })
  end)

  it("a link whose name cannot be had is known by its index", function()
    local device = assert(tun.open { name = "t0", address = "10.0.0.1/24" })
    local count = #device:routes { table = "all" }
    assert.is_true(count >= 3)
    for nth = 1, 2 do
      assert.equal(count, #with("SIOCGIFNAME", nth, "ENODEV", function()
        return device:routes { table = "all" }
      end))
    end
  end)

  it("a sandbox says that the process has moved, and can be tried again", function()
    assert.same({ nil, "new network namespace, to which the process has moved: "
      .. "link lo: netlink: No buffer space available", "ENOBUFS" },
      { with("sendto", 1, "ENOBUFS", tun.sandbox) })
    assert.is_true(tun.sandbox())
  end)

  it("a link that is added in parts says what is left of it", function()
    local function add()
      return tun.link.add { name = "b1", kind = "bridge", altnames = { "lo" } }
    end
    assert.is_nil(add())
    assert.is_nil(tun.link.get "b1")
    assert.same({ nil, "link b1: File exists; not undone: "
      .. "link b1: netlink: No buffer space available", "EEXIST" },
      { with("sendto", 3, "ENOBUFS", add) })
    assert.is_truthy(tun.link.get "b1")
  end)
end)
