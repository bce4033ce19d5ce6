-- process.lua: commands and child scripts for the specs, and a network
-- namespace of their own, so that they can touch nothing else.
local core = require "tun.core"

local process = {}

--- Move to a new network namespace; without privilege to a user namespace too.
function process.sandbox()
  local ok, why, code = core.unshare(false)
  if code == core.errno.EPERM then
    ok, why = core.unshare(true)
  end
  assert(ok, why)
end

--- Run a shell command.
-- @return what it printed (without the last newline), its exit status
function process.run(command)
  local pipe = assert(io.popen("(" .. command .. "\n) 2>&1; printf '\\n%d' $?"))
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)\n(%d+)$")
  return (output:gsub("\n$", "")), tonumber(status)
end

--- Run a shell command that has to succeed.
-- @return what it printed
function process.must(command)
  local output, status = process.run(command)
  assert(status == 0, command .. ": " .. output)
  return output
end

--- Set numbers as sysctl(8) does: "net/ipv4/ip_forward" and the like, each followed by one.
function process.sysctl(...)
  local list = { ... }
  for i = 1, #list, 2 do
    local file = assert(io.open("/proc/sys/" .. list[i], "w"))
    assert(file:write(list[i + 1]))
    assert(file:close())
  end
end

--- Let the kernel of this network namespace be a router.
function process.route()
  process.sysctl("net/ipv4/ip_forward", 1, "net/ipv4/conf/default/rp_filter", 0,
    "net/ipv4/conf/all/rp_filter", 0, "net/ipv6/conf/all/forwarding", 1)
end

local function count_descriptors()
  local count = 0
  for fd = 0, 1023 do
    local file = io.open("/proc/self/fdinfo/" .. fd)
    if file then
      file:close()
      count = count + 1
    end
  end
  return count
end

--- How many descriptors this process has open, without those that are garbage: a
-- socket goes some cycles after its devices, so it collects until none went for a while.
function process.descriptors()
  local count, same = nil, 0
  repeat
    collectgarbage()
    local now = count_descriptors()
    same = now == count and same + 1 or 0
    count = now
  until same == 4
  return count
end

--- Shell words that run Lua code in a child of the running interpreter, as a
-- script, which is what the interpreter does Ctrl-C for.
function process.script(code)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(("package.path, package.cpath = %q, %q; os.remove(%q)\n"):format(
    package.path, package.cpath, name))
  file:write(code)
  file:close()
  return process.interpreter .. " " .. name
end

--- Run Lua code in a child, behind a command such as setpriv if there is one.
-- @return what it printed, its exit status
function process.lua(code, before)
  return process.run((before or "") .. " " .. process.script(code))
end

-- The running interpreter and its options, as shell words.
process.interpreter = ""
for i = -1, -math.huge, -1 do
  if not arg[i] then break end
  process.interpreter = ("'%s' "):format(arg[i]) .. process.interpreter
end

--- Whether this is root, and not only so in a user namespace of its own.
process.is_root = select(2, process.run "grep -q 4294967295 /proc/self/uid_map") == 0
  and process.must "id -u" == "0"

return process
