-- Loops cannot return what the world says: they raise it, at the line of the loop, as a
-- sentence that ends in the errno's name.
local core = require "tun.core"
local process = dofile "spec/process.lua"
local tun = require "tun"

-- Have a function, or one that it calls, see a failure in the place of its upvalue `name`.
local function fail_in(f, name)
  for i = 1, 60 do
    local key, value = debug.getupvalue(f, i)
    if key == name then
      debug.setupvalue(f, i, function()
        return nil, "t0: No buffer space available", core.errno.ENOBUFS
      end)
      return function() debug.setupvalue(f, i, value) end
    elseif key == "wait" then
      return fail_in(value, name)
    end
  end
  error("no upvalue " .. name)
end

describe("a failure of the world", function()
  setup(process.sandbox)

  local loops = {
    { "dev:each()", "read", function() return tun.open {} end, "each" },
    { "dev:packets()", "receive", function() return tun.open {} end, "packets" },
    { "udp:each()", "read", function() return tun.udp { bind = "127.0.0.1:0" } end, "each" },
  }
  for _, loop in ipairs(loops) do
    it("is raised by " .. loop[1], function()
      local it = assert(loop[3]())
      local step, state = it[loop[4]](it)
      local restore = fail_in(step, loop[2])
      local ok, why = pcall(function()
        for _ in step, state do
          error "there was nothing"
        end
      end)
      restore()
      it:close()
      assert.is_false(ok)
      assert.is_truthy(why:find("failure_spec.lua:%d+: "
        .. "t0: No buffer space available %(ENOBUFS%)$"), why)
    end)
  end

  it("has its number where no errno has a name for it", function()
    assert.error_matches(function() core.failure("odd", 4095) end, "odd %(4095%)$")
  end)
end)
