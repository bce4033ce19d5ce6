-- Every public function with every wrong kind of argument: misuse.lua does it, in a child,
-- which may crash or hang.
local process = dofile "spec/process.lua"

-- By the slowest of the Luas under the slowest of the tools.
local SECONDS = 1800

describe("misuse", function()
  it("is raised at the caller's line or told", function()
    local label = os.tmpname()
    local output, status = process.run(("timeout %d %s spec/misuse.lua %s")
      :format(SECONDS, process.interpreter, label))
    local file = assert(io.open(label))
    local last = file:read()
    file:close()
    os.remove(label)
    print("\n" .. (output:match "[^\n]*$"))
    assert(status == 0, ("status %d in %s\n%s"):format(status, tostring(last), output))
  end)
end)
