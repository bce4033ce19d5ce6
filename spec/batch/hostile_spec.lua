-- Hostile frames through the data plane, in a child, which may crash: `make hostile` puts
-- through many more.
local process = dofile "spec/process.lua"

describe("hostile frames and virtio-net headers", function()
  it("go through everything that a batch and its ends can do", function()
    local seed = os.time()
    local output, status = process.run(("timeout 600 %s spec/batch/hostile.lua %d 200")
      :format(process.interpreter, seed))
    assert(status == 0, ("seed %d, status %d: %s"):format(seed, status, output))
  end)
end)
