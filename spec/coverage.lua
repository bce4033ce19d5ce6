-- What the specs ran of csrc/, from what gcov(1) tells of objects compiled for it: per folder
-- and in total; and what they did not, in the file `missing` beside the objects.
-- Run: lua spec/coverage.lua FOLDER LINES BRANCHES, the least percents.
--
-- The folder has the objects of several Luas, and a header is in many objects: what one of
-- them ran is run. Branches are told apart by their number in the line; where another Lua's
-- macros make another count of them, they are others.
local folder, least_lines, least_branches = ...

-- Lines and branches by name, as "csrc/core.c:12", with whether they were run.
local parts = { lines = {}, branches = {} }

local function note(kind, name, count)
  parts[kind][name] = parts[kind][name] or count ~= "0"
end

-- An object of gcov's JSON without what is nested in it under a key, and that.
local function take(object, key)
  local nested = object:match('"' .. key .. '": (%b[])')
  return object:gsub('"' .. key .. '": %b[]', ""), nested or ""
end

local function note_line(path, text)
  local line, branches = take(text, "branches")
  local name = ("%s:%06d"):format(path, line:match '"line_number": (%d+)')
  local counts = {}
  for count in branches:gmatch '"count": (%d+)' do
    counts[#counts + 1] = count
  end
  note("lines", name, line:match '"count": (%d+)')
  local within = line:match '"function_name": "(.-)"' or ""
  for i, count in ipairs(counts) do
    note("branches", ("%s: %s: branch %d of %d"):format(name, within, i, #counts), count)
  end
end

local command = "gcov -bjt $(find " .. folder .. " -name '*.gcda')"
for object in assert(io.popen(command)):lines() do
  local _, files = take(object, "files")
  for file in files:sub(2, -2):gmatch "%b{}" do
    local path = file:match '"file": "(csrc/.-)"'
    local _, lines = take(file, "lines")
    for line in (path and lines or "  "):sub(2, -2):gmatch "%b{}" do
      note_line(path, line)
    end
  end
end
assert(next(parts.lines), "gcov tells of no file")

-- { [folder] = { lines = { run, all }, branches = ... } }
local rooms, names, missing = {}, {}, {}
for kind, all in pairs(parts) do
  for name, run in pairs(all) do
    for _, room in ipairs { name:match "^csrc/(.-)/" or ".", "total" } do
      if not rooms[room] then
        rooms[room] = { lines = { 0, 0 }, branches = { 0, 0 } }
        names[#names + 1] = room
      end
      local sum = rooms[room][kind]
      sum[1], sum[2] = sum[1] + (run and 1 or 0), sum[2] + 1
    end
    if not run then
      missing[#missing + 1] = name .. "\n"
    end
  end
end

table.sort(missing)
assert(io.open(folder .. "/missing", "w")):write(table.concat(missing)):close()

local function percent(sum)
  return 100 * sum[1] / math.max(sum[2], 1)
end

table.sort(names, function(a, b)
  return a ~= "total" and (b == "total" or a < b)
end)
for _, name in ipairs(names) do
  local sum = rooms[name]
  print(("%-8s lines %5.1f %%  branches %5.1f %%"):format(name, percent(sum.lines),
    percent(sum.branches)))
end
if percent(rooms.total.lines) < tonumber(least_lines)
    or percent(rooms.total.branches) < tonumber(least_branches) then
  print(("fewer than %s %% of the lines or %s %% of the branches: what is missing stands in "
    .. "%s/missing"):format(least_lines, least_branches, folder))
  os.exit(false)
end
