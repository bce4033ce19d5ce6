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

-- What the kernel tells of each descriptor, and how many there are.
local function look()
  local found, count = {}, 0
  for fd = 0, 1023 do
    local file = io.open("/proc/self/fdinfo/" .. fd)
    if file then
      found[fd], count = file:read "*a", count + 1
      file:close()
    end
  end
  return found, count
end

-- The same without those that are garbage: a socket goes some cycles after its devices, so
-- it collects until none went for a while.
local function settled()
  local same, found, count = 0
  repeat
    collectgarbage()
    local before = count
    found, count = look()
    same = before == count and same + 1 or 0
  until same == 4
  return found, count
end

--- How many descriptors this process has open, without those that are garbage.
function process.descriptors()
  local _, count = settled()
  return count
end

--- What leaked() compares with.
function process.opened()
  return (settled())
end

--- The descriptors that are open now and were not before. What a stack still refers to goes
-- when it likes, so that there may be less in all.
-- @param before  of opened()
-- @return list of what the kernel tells of them
function process.leaked(before)
  local list = {}
  for fd, told in pairs(process.opened()) do
    if before[fd] ~= told then
      list[#list + 1] = ("%d: %s"):format(fd, told)
    end
  end
  return list
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
