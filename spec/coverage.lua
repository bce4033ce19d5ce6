-- What the specs ran of csrc/, from what gcov(1) tells of objects compiled for it: per folder
-- and in total. Run: lua spec/coverage.lua FOLDER-OF-OBJECTS LINES BRANCHES, the least percents
local objects, least_lines, least_branches = ...

-- A header is told with each file that includes it: the most that any of them ran counts.
local files = {}
local file, seen
for line in assert(io.popen("gcov -bn $(find " .. objects .. " -name '*.gcda')")):lines() do
  local path = line:match "^File '(.*)'"
  local what, percent, n = line:match "^(%a[%a ]*):([%d.]+)%% of (%d+)"
  if path then
    seen = { path = path }
    file = path:find "^csrc/" and path
  elseif line == "" then
    file = nil
  elseif file and what then
    seen[what] = { math.floor(percent * n / 100 + 0.5), tonumber(n) }
    local known = files[file]
    if not known or known["Lines executed"][1] <= seen["Lines executed"][1] then
      files[file] = seen
    end
  end
end

local rooms, names, total = {}, {}, {}
local kinds = { "Lines executed", "Taken at least once" }
for path, ran in pairs(files) do
  local name = path:match "^csrc/(.-)/" or "."
  if not rooms[name] then
    rooms[name] = {}
    names[#names + 1] = name
  end
  for _, kind in ipairs(kinds) do
    for _, sum in ipairs { rooms[name], total } do
      local of = ran[kind] or { 0, 0 }
      local known = sum[kind] or { 0, 0 }
      sum[kind] = { known[1] + of[1], known[2] + of[2] }
    end
  end
end

local function percents(sum)
  local lines, branches = sum[kinds[1]], sum[kinds[2]]
  return 100 * lines[1] / lines[2], 100 * branches[1] / math.max(branches[2], 1)
end

table.sort(names)
for _, name in ipairs(names) do
  print(("%-8s lines %5.1f %%  branches %5.1f %%"):format(name, percents(rooms[name])))
end
assert(next(files), "gcov tells of no file")
local lines, branches = percents(total)
print(("%-8s lines %5.1f %%  branches %5.1f %%"):format("total", lines, branches))
if lines < tonumber(least_lines) or branches < tonumber(least_branches) then
  print(("fewer than %s %% of the lines or %s %% of the branches"):format(
    least_lines, least_branches))
  os.exit(false)
end
