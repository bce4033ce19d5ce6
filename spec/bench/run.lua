-- run.lua -- compares each row of rows.lua with its yardstick. The two take
-- turns in one network namespace, so that what disturbs the machine disturbs
-- both; the ratio is taken within each round.
-- Usage: make bench [ONLY=pattern], a Lua pattern for names of rows
local tun = require "tun"
local rows = require "spec.bench.rows"

local WARM_UP = 5

--- Start a program that takes turns. The fifo gives a pipe to each direction.
local function start(command)
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local output = assert(io.popen(command .. " <" .. fifo))
  local input = assert(io.open(fifo, "w"))
  os.remove(fifo)
  return { command = command, input = input, output = output }
end

local function take_turn(program)
  program.input:write("\n")
  program.input:flush()
  return tonumber(program.output:read "*l") or error(program.command .. " failed", 0)
end

local function stop(program)
  program.input:close()
  program.output:close()
end

--- The value below which a share of the values lies.
local function quantile(values, share)
  table.sort(values)
  return values[math.floor(share * (#values - 1) + 0.5) + 1]
end

--- Figures and ratios of all rounds of a row.
local function measure(row)
  local measured, yardstick = start(row.measured), row.yardstick and start(row.yardstick)
  local figures, ratios = {}, {}
  for round = 1 - (row.warm_up or WARM_UP), row.rounds do
    local figure = take_turn(measured)
    local bar = yardstick and take_turn(yardstick) or figure
    if round > 0 then
      figures[round] = figure
      ratios[round] = row.at_least and bar / figure or figure / bar
    end
  end
  -- The later one also holds the input of the earlier one: it must go first.
  if yardstick then stop(yardstick) end
  stop(measured)
  return figures, ratios
end

-- Whether a row keeps its bounds: of the ratio, of the figure itself; and in words.
local function judge(row, figure, ratio)
  local bounds, ok = {}, true
  local function bound(words, limit, kept)
    if limit then
      bounds[#bounds + 1] = words:format(limit)
      ok = ok and kept(limit)
    end
  end
  bound("ratio at most %.2f", row.at_most, function(limit) return ratio <= limit end)
  bound("ratio at least %.2f", row.at_least, function(limit) return ratio >= limit end)
  bound("at most %.2f " .. row.unit, row.within, function(limit) return figure <= limit end)
  return ok, bounds[1] and table.concat(bounds, ", ") or "for information"
end

local function report(row, figures, ratios)
  local ratio, figure = quantile(ratios, 0.5), quantile(figures, 0.5) * row.scale
  local ok, bounds = judge(row, figure, ratio)
  print(("%-54s %8.2f %-2s  ratio %6.2f (p10 %6.2f, p90 %6.2f)  %s: %s"):format(
    row.name, figure, row.unit, ratio, quantile(ratios, 0.1), quantile(ratios, 0.9),
    bounds, ok and "ok" or "short"))
  io.flush()
  return ok
end

local short = 0
for _, row in ipairs(rows) do
  if row.name:find(arg[1] or "") then
    assert(tun.sandbox())
    if row.prepare then row.prepare() end
    local ran, figures, ratios = pcall(measure, row)
    if not ran then
      print(("%-54s %s: short"):format(row.name, figures))
    end
    if not ran or not report(row, figures, ratios) then short = short + 1 end
  end
end
os.exit(short == 0 and 0 or 1)
