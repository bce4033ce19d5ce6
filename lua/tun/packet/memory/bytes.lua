-- bytes.lua: the bytes of packets, the one leaf that differs between Luas: loads and
-- stores of the FFI on LuaJIT, bounds-checked C accessors elsewhere. Everything else is
-- generated once from the source that read() and write() return here.
local core = require "tun.core"
local entries = require "tun.entries"
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
  names = "band, bor, rshift, lshift, bswap"
  values = { bit.band, bit.bor, bit.rshift, bit.lshift, bit.bswap }
  local copy, fill, string = ffi.copy, ffi.fill, ffi.string
  local sum = ffi.cast("uint32_t (*)(const void *, size_t, uint64_t)",
    ffi.cast("uintptr_t", core.checksum_address()))
  local crc32c = ffi.cast("uint32_t (*)(const void *, size_t)",
    ffi.cast("uintptr_t", core.crc32c_address()))

  -- What lies at an offset: numbers of several bytes, in the order of this machine.
  ffi.cdef [[
  struct __attribute__((packed)) tun_unit { uint16_t h[0]; int32_t w[0]; uint8_t b; };
  ]]
  local unit_type = ffi.typeof "struct tun_unit *"

  function bytes.pointer(arena)
    return ffi.cast(unit_type, ffi.cast("uintptr_t", arena:address()))
  end

  -- Source of the i-th byte's place behind an offset: few sums make short traces.
  local function place(at, i)
    local base, more = at, i
    local number = base:match "%+(%d+)$"
    while number do
      base, more = base:sub(1, -#number - 2), more + tonumber(number)
      number = base:match "%+(%d+)$"
    end
    return ("p[%s%s]"):format(base, more > 0 and ("+%d"):format(more) or "")
  end

  -- Sizes of the loads and stores that n bytes take: whole words where the machine does so at
  -- any place, which makes short traces, too.
  local ANYWHERE = { x86 = true, x64 = true, arm64 = true }
  local UNITS = { { 1 }, { 1, 1 }, { 1, 1, 1 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1, 1 },
                  { 1, 1, 1, 1, 1, 1 } }
  if bytes.little and ANYWHERE[jit.arch] then
    UNITS = { { 1 }, { 2 }, { 2, 1 }, { 4 }, { 1, 4 }, { 2, 4 } }
  end

  -- Source of such a load, an integer: of 4 bytes, a signed one.
  local LOAD = { "%s.b", "rshift(bswap(%s.h[0]), 16)", nil, "bswap(%s.w[0])" }
  local STORE = { "%s.b = %s", "%s.h[0] = rshift(bswap(%s), 16)", nil, "%s.w[0] = bswap(%s)" }

  -- The units of n bytes: { source of the place, size, bits that are below it }.
  local function units(at, n)
    local list, first = {}, 0
    for i, size in ipairs(UNITS[n]) do
      list[i] = { place(at, first), size, 8 * (n - first - size) }
      first = first + size
    end
    return list
  end

  -- Below so many bits an integer is positive, and quicker to compute with than the floating
  -- point of products.
  local WHOLE = 32

  --- Source of a number of width bits, skip bits behind an offset, which is source too.
  function bytes.read(at, skip, width)
    local n, shift = span(skip, width)
    if n > 4 and (shift > 0 or width > 48) then
      return read_long(at, skip, width)
    end
    local products, low = "", {}
    for i, unit in ipairs(units(at, n)) do
      local size, bits = unit[2], unit[3]
      local value, high = LOAD[size]:format(unit[1]), bits + 8 * size
      if i == 1 and skip > 0 then
        value, high = ("band(%s, %d)"):format(value, 2 ^ (8 * size - skip) - 1), high - skip
      end
      if high < WHOLE or high == WHOLE and shift > 0 then
        low[#low + 1] = bits > 0 and ("lshift(%s, %d)"):format(value, bits) or value
      elseif size == 4 then
        products = products .. ("rshift(%s, 16)*65536+"):format(value)
        low[#low + 1] = ("band(%s, 65535)"):format(value)
      else
        products = products .. ("%s*%.0f+"):format(value, 2 ^ bits)
      end
    end
    local sum_of = products .. (#low > 1 and ("bor(%s)"):format(table.concat(low, ", ")) or low[1])
    return shift > 0 and ("rshift(%s, %d)"):format(sum_of, shift) or "(" .. sum_of .. ")"
  end

  --- Source of a statement that stores the number in a variable there.
  function bytes.write(at, skip, width, value)
    local n, shift = span(skip, width)
    if n > 4 and (shift > 0 or width > 48) then
      return write_long(at, skip, width, value)
    end
    local lines, all = {}, units(at, n)
    for i, unit in ipairs(all) do
      local size, bits = unit[2], unit[3] - shift -- of the value, below this unit
      local part = bits >= 32 and ("((%s-%s%%%.0f)/%.0f)"):format(value, value, 2 ^ bits, 2 ^ bits)
        or bits > 0 and ("rshift(%s, %d)"):format(value, bits)
        or bits < 0 and ("lshift(%s, %d)"):format(value, -bits) or value
      local first, last = i == 1 and skip or 0, i == #all and shift or 0
      local keep = (2 ^ first - 1) * 2 ^ (8 * size - first) + 2 ^ last - 1
      if keep > 0 then
        part = ("bor(band(%s, %d), %s)"):format(LOAD[size]:format(unit[1]), keep, part)
      elseif size == 1 then
        part = ("band(%s, 255)"):format(part)
      end
      lines[i] = STORE[size]:format(unit[1], part)
    end
    return table.concat(lines, "; ")
  end

  --- Source of the bits of a word below 2^31 that a mask has, all from its lowest on: both
  -- are source too.
  function bytes.part(word, mask)
    return ("band(%s, %s)"):format(word, mask)
  end

  local kept = {} -- what a pointer, which is a constant to the compiler, does not keep

  --- A number for each of 65536, which are 0 at first: quicker to look up than a table. There
  -- is one more, for all numbers beyond.
  function bytes.ports()
    kept[#kept + 1] = ffi.new "uint8_t[65537]"
    return ffi.cast("uint8_t *", kept[#kept])
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
    return p[at].b
  end

  --- The ones' complement sum of n bytes at an offset and an initial number.
  function bytes.sum(p, at, n, initial)
    return sum(p + at, n, initial)
  end

  --- CRC32c of n bytes at an offset.
  function bytes.crc32c(p, at, n)
    return crc32c(p + at, n)
  end

  local printable = ffi.cast("int (*)(const char *, size_t)",
    ffi.cast("uintptr_t", core.printable_address()))

  --- Whether a terminal shows a text as it is: no control characters, ASCII.
  function bytes.printable(text)
    return printable(text, #text) ~= 0
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

  function bytes.printable(text)
    return not text:find "[%c\127-\255]"
  end
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
  for name, value in entries(given or {}) do
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
