-- The examples that use packets do what they say, with the kernel and its tools.
local lua = os.getenv "LUA" or "luajit"

describe("the example", function()
  for _, name in ipairs { "sniff", "nat", "dns_responder", "ndp_and_ping6", "my_protocol" } do
    it(name .. " exits with success", function()
      local program = io.popen(("timeout 30 %s examples/%s.lua 2>&1; echo $?"):format(lua, name))
      local said = program:read "*a"
      program:close()
      assert.equal("0", said:match "(%d+)\n$", said)
    end)
  end
end)
