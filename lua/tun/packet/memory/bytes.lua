-- bytes.lua: the bytes of packets, the one leaf that differs between Luas: loads and
-- stores of the FFI on LuaJIT, bounds-checked C accessors elsewhere. Everything else is
-- generated once from the source that read() and write() return here.
local core = require "tun.core"
local jitted, ffi = pcall(require, "ffi")

local bytes = { little = core.little_endian, jitted = jitted }

--- Whether a JIT compiler is there, and on.
bytes.compiled = jitted and jit.status()

-- Generated code counts as part of the library where an error looks for its caller.
local HERE = debug.getinfo(1, "S").source:match "^(.*/)memory/[^/]*$" or "=tun.packet."

-- Whose source is shown.
local SHOWN = os.getenv "TUN_SOURCE"

-- How many bytes hold width bits behind skip others, and the bits that are left over.
local function span(skip, width)
  local n = math.ceil((skip + width) / 8)
  return n, 8 * n - skip - width
end

-- Where the last of width bits begin: so many of them, in the last whole bytes at best. What
-- is read or written at once has to fit in 32 bits, even with those beside it.
local function tail(at, skip, width)
  local n = (skip + width) % 8 == 0 and 32 or 24
  local first = skip + width - n
  return n, ("%s+%d"):format(at, math.floor(first / 8)), first % 8
end

-- A number of more bits than can be read at once.
local function read_long(at, skip, width)
  local n, low, low_skip = tail(at, skip, width)
  return ("(%s*%.0f+%s)"):format(bytes.read(at, skip, width - n), 2 ^ n,
    bytes.read(low, low_skip, n))
end

local function write_long(at, skip, width, value)
  local n, low, low_skip = tail(at, skip, width)
  local unit = ("%.0f"):format(2 ^ n)
  local rest = ("(%s%%%s)"):format(value, unit)
  return bytes.write(at, skip, width - n, ("((%s-%s)/%s)"):format(value, rest, unit)) .. "; "
    .. bytes.write(low, low_skip, n, rest)
end

--- As read(), of whole bytes, the lowest of which is the first.
function bytes.read_little(at, width)
  local list = {}
  for i = 0, width / 8 - 1 do
    list[#list + 1] = ("%s*%.0f"):format(bytes.read(("%s+%d"):format(at, i), 0, 8), 256 ^ i)
  end
  return "(" .. table.concat(list, "+") .. ")"
end

--- As write(), of whole bytes, the lowest of which is the first.
function bytes.write_little(at, width, value)
  local list = {}
  for i = 0, width / 8 - 1 do
    local part = ("((%s-%s%%%.0f)/%.0f%%256)"):format(value, value, 256 ^ i, 256 ^ i)
    list[#list + 1] = bytes.write(("%s+%d"):format(at, i), 0, 8, i > 0 and part or value .. "%256")
  end
  return table.concat(list, "; ")
end

local names, values

if jitted then
  local bit = require "bit"
  names = "band, bor, rshift, lshift"
  values = { bit.band, bit.bor, bit.rshift, bit.lshift }
  local copy, fill, string = ffi.copy, ffi.fill, ffi.string
  local sum = ffi.cast("uint32_t (*)(const uint8_t *, size_t, uint64_t)",
    ffi.cast("uintptr_t", core.checksum_address()))
  local crc32c = ffi.cast("uint32_t (*)(const uint8_t *, size_t)",
    ffi.cast("uintptr_t", core.crc32c_address()))

  function bytes.pointer(arena)
    return ffi.cast("uint8_t *", ffi.cast("uintptr_t", arena:address()))
  end

  -- Source of the i-th byte behind an offset: few sums make short traces.
  local function byte_at(at, i)
    local base, more = at, i
    local number = base:match "%+(%d+)$"
    while number do
      base, more = base:sub(1, -#number - 2), more + tonumber(number)
      number = base:match "%+(%d+)$"
    end
    return ("p[%s%s]"):format(base, more > 0 and ("+%d"):format(more) or "")
  end

  -- By how many bits a byte can be shifted and stay a positive integer, which is quicker to
  -- compute with than the floating point of products.
  local WHOLE = 16

  --- Source of a number of width bits, skip bits behind an offset, which is source too.
  function bytes.read(at, skip, width)
    local n, shift = span(skip, width)
    local sum_of, low = "", {}
    if n > 4 and (shift > 0 or width > 48) then
      return read_long(at, skip, width)
    end
    for i = 0, n - 1 do
      local byte, bits = byte_at(at, i), 8 * (n - 1 - i)
      if i == 0 and skip > 0 then
        byte = ("band(%s, %d)"):format(byte, 2 ^ (8 - skip) - 1)
      end
      if bits > WHOLE then
        sum_of = sum_of .. ("%s*%.0f+"):format(byte, 2 ^ bits)
      else
        low[#low + 1] = bits > 0 and ("lshift(%s, %d)"):format(byte, bits) or byte
      end
    end
    sum_of = sum_of .. (#low > 1 and ("bor(%s)"):format(table.concat(low, ", ")) or low[1])
    return shift > 0 and ("rshift(%s, %d)"):format(sum_of, shift) or "(" .. sum_of .. ")"
  end

  --- Source of a statement that stores the number in a variable there.
  function bytes.write(at, skip, width, value)
    local n, shift = span(skip, width)
    local lines = {}
    if n > 4 and (shift > 0 or width > 48) then
      return write_long(at, skip, width, value)
    end
    for i = 0, n - 1 do
      local bits = 8 * (n - 1 - i) - shift -- of the value, below this byte
      local high = ("band((%s-%s%%%.0f)/%.0f, 255)"):format(value, value, 2 ^ bits, 2 ^ bits)
      local part = bits >= 32 and high
        or bits > 0 and ("band(rshift(%s, %d), 255)"):format(value, bits)
        or bits < 0 and ("band(lshift(%s, %d), 255)"):format(value, -bits)
        or ("band(%s, 255)"):format(value)
      local first, last = i == 0 and skip or 0, i == n - 1 and shift or 0
      local keep = (2 ^ first - 1) * 2 ^ (8 - first) + 2 ^ last - 1
      local byte = byte_at(at, i)
      lines[#lines + 1] = keep > 0 and ("%s = bor(band(%s, %d), %s)"):format(byte, byte, keep, part)
        or ("%s = %s"):format(byte, part)
    end
    return table.concat(lines, "; ")
  end

  --- Source of the bits of a word below 2^31 that a mask has, all from its lowest on: both
  -- are source too.
  function bytes.part(word, mask)
    return ("band(%s, %s)"):format(word, mask)
  end

  --- A number for each of 65536, which are 0 at first: quicker to look up than a table.
  function bytes.ports()
    return ffi.new "uint8_t[65536]"
  end

  --- Source of several numbers that are used together: of rows { at, skip, width }.
  function bytes.load(rows)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = bytes.read(row[1] > 0 and "o+" .. row[1] or "o", row[2], row[3])
    end
    return table.concat(list, ", ")
  end

  function bytes.byte(p, at)
    return p[at]
  end

  --- The ones' complement sum of n bytes at an offset and an initial number.
  function bytes.sum(p, at, n, initial)
    return sum(p + at, n, initial)
  end

  --- CRC32c of n bytes at an offset.
  function bytes.crc32c(p, at, n)
    return crc32c(p + at, n)
  end

  function bytes.fill(p, at, text)
    copy(p + at, text, #text)
  end

  function bytes.zero(p, at, n)
    fill(p + at, n)
  end

  function bytes.string(p, at, n)
    return string(p + at, n)
  end

  --- Copy n bytes to an offset from an offset behind another pointer.
  function bytes.copy(p, at, from, source, n)
    copy(p + at, from + source, n)
  end
else
  local get8, get16, get32 = core.bytes.get8, core.bytes.get16, core.bytes.get32
  names = "get8, get16, get32, getbits, setbits, load"
  values = { get8, get16, get32, core.bytes.getbits, core.bytes.setbits, core.bytes.load }

  function bytes.pointer(arena)
    return arena
  end

  function bytes.read(at, skip, width)
    if skip == 0 and (width == 8 or width == 16 or width == 32) then
      return ("get%d(p, %s)"):format(width, at)
    elseif width > 40 then
      return read_long(at, skip, width)
    end
    return ("getbits(p, %s, %d, %d)"):format(at, skip, width)
  end

  function bytes.write(at, skip, width, value)
    if width > 40 then
      return write_long(at, skip, width, value)
    end
    return ("setbits(p, %s, %d, %d, %s)"):format(at, skip, width, value)
  end

  function bytes.part(word, mask, lowest)
    if math.type then -- from Lua 5.3 on there is an operator for this
      return ("(%s & %s)"):format(word, mask)
    end
    return ("(%s %% (%s + %s) - %s %% %s)"):format(word, mask, lowest, word, lowest)
  end

  function bytes.load(rows)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = ("\\%d\\%d\\%d"):format(row[1], row[2], row[3])
    end
    return ('load(p, o, "%s")'):format(table.concat(list))
  end

  --- A function(p, o) that reads a number: here C does it quicker than source.
  bytes.getter = core.bytes.getter

  bytes.byte, bytes.sum, bytes.crc32c = get8, core.bytes.sum, core.bytes.crc32c
  bytes.fill, bytes.zero, bytes.string = core.bytes.write, core.bytes.zero, core.bytes.bytes
  bytes.copy = core.bytes.copy
end

--- Compile source in which the leaf's functions and the given values have names.
-- With the environment variable TUN_SOURCE, the source of the chunks whose names have it in
-- them is written to standard error: TUN_SOURCE=ip4/parse.
-- @param chunk  a name, as ip4/parse, which traces and errors tell
-- @param source  of a chunk, as a rule "return function ... end"
-- @param given  optional map: name to value
function bytes.compile(chunk, source, given)
  local list, all = { names }, {}
  for i, value in ipairs(values) do
    all[i] = value
  end
  for name, value in pairs(given or {}) do
    list[#list + 1] = name
    all[#values + #list - 1] = value
  end
  local text = ("local %s = ...\n%s"):format(table.concat(list, ", "), source)
  local load_text = loadstring or load -- luacheck: ignore
  if SHOWN and chunk:find(SHOWN, 1, true) then
    io.stderr:write(("-- %s\n%s\n"):format(chunk, text))
  end
  local run = assert(load_text(text, HERE .. chunk))
  return run((unpack or table.unpack)(all, 1, #values + #list - 1)) -- luacheck: ignore
end

return bytes
