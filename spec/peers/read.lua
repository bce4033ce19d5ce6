-- read.lua: read the packets that scapy built, field by field the same, with nothing wrong
-- in them, and rebuild them from their own source.
-- Run: lua spec/peers/read.lua FILE, as `make peers` does
local compare = dofile "spec/peers/compare.lua"

local count, wrong = 0, 0

for expected in compare.lines(arg[1]) do
  local differences = {}
  local function say(words)
    differences[#differences + 1] = words
  end
  local text = compare.unhex(expected.bytes)
  local ok, why = pcall(function()
    local p = compare.parse(text, expected.kind)
    compare.packet(expected, p, say)
    compare.verified(p, say)
    compare.rebuilt(p, say)
  end)
  if not ok then
    say("raised: " .. tostring(why))
  end
  count = count + 1
  if differences[1] then
    wrong = wrong + 1
    print(("packet %d (%s): %s"):format(count, expected.kind, expected.bytes))
    print("  " .. table.concat(differences, "\n  "))
  end
end

print(("%d packets of scapy read by %s, %d of them not the same"):format(count,
  jit and jit.version or _VERSION, wrong))
os.exit(wrong == 0 and count > 0 and 0 or 1)
