-- Inputs that once broke something: each goes through its target again, see spec/fuzz/run.sh.
-- `make spec` builds the targets as the module is built; under `make asan`, a byte that is
-- touched beyond ends them.
local build = os.getenv "BUILD" or "build/" .. (os.getenv "LUA" or "luajit")

-- What a command prints, errors too.
local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("an input that was a finding", function()
  for path in run "ls spec/fuzz/*/*":gmatch "[^\n]+" do
    it("is none any more: " .. path, function()
      local target = path:match "spec/fuzz/([^/]+)/"
      assert.equal("1 inputs\n",
        run(("ASAN_OPTIONS=detect_leaks=0 %s/fuzz/%s %s"):format(build, target, path)))
    end)
  end
end)
