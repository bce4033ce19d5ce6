-- Rows that the compiler takes and no kind can read: a debug build refuses to load with them.
-- Each is compiled with the real kinds into a module that verifies it.
local process = dofile "spec/process.lua"

-- Declarations, rows, and what is said of them; HEADER: rows of a header of 8 bytes.
local ROWS = {
  { 'ATTR("x", u32, 1), ATTR("y", string, 2, .most = 16), ATTR("z", mac, 3, .is = READ)' },
  { 'ATTR("x", scaled, 1)', "thing.x: needs .divisor" },
  { 'ATTR("x", prefix, 1)', "thing.x: needs .length_at" },
  { 'ATTR("x", enum8, 1)', "thing.x: needs .labels" },
  { 'ATTR("x", flags32, 1)', "thing.x: needs .labels" },
  { 'ATTR("x", nest, 1)', "thing.x: needs .rows" },
  { 'ATTR("x", nest, 1, .labels = labels)', "thing.x: needs .rows" },
  { 'ATTR("x", record, 1, .rows = inner)', "thing.x: needs .size" },
  { 'ATTR("x", hops, 1, .rows = inner)', "thing.x: needs .layout" },
  { 'ATTR("k", string, 1), ATTR("", choice, 2, .is = INLINE)', "thing.(inline): needs .choices" },
  { 'ATTR("x", u32, 1, .labels = labels)', "thing.x: its kind has no use for .labels" },
  { 'ATTR("x", enum8, 1, .labels = labels, .rows = inner)',
    "thing.x: its kind has no use for .rows" },
  { 'ATTR("x", enum8, 1, .labels = labels, .readonly = 1)',
    "thing.x: its kind has no use for .readonly" },
  { 'ATTR("x", u32, 1, .filter = 1)', "thing.x: its kind has no use for .filter" },
  { 'ATTR("x", flags8, 1,  .labels = wide)',
    "thing.x: its kind cannot hold y" },
  { 'ATTR("x", string, 1, .size = 16)', "thing.x: its kind has no use for .size" },
  { 'ATTR("x", string, 1, .most = 257)', "thing.x: longer than a value can be" },
  { 'ATTR("x", u32, 1), ATTR("y", u8, 1)', "thing.y: its type is taken by x" },
  { 'ATTR("x", some, 1)', "thing.x: can only be READ: kind some" },
  { 'ATTR("", u32, 1, .is = INLINE)', "thing.(inline): cannot be INLINE: kind u32" },
  { 'ATTR("x", nest, 1, .is = INLINE, .rows = inner)',
    'thing.x: INLINE goes with a key that is ""' },
  { 'ATTR("", nest, 1, .rows = inner)', 'thing.(inline): INLINE goes with a key that is ""' },
  { 'ATTR("", choice, 1, .is = INLINE, .choices = &choices)',
    "thing.(inline): no text before it is kind" },
  { 'ATTR("kind", string, 1), ATTR("", choice, 2, .is = INLINE, .choices = &choices)',
    "thing.(inline).a.b: needs .labels", 'ATTR("b", enum8, 1)' },
  { 'ATTR("x", nest, 1, .rows = inner)', "thing.x.y.z: needs .divisor",
    'ATTR("y", nest, 1, .rows = deep)', 'ATTR("z", scaled, 1)' },
  { 'ATTR("x", record, 1, .size = 4, .rows = inner)',
    "thing.x.y: stands behind the end of its header",
    '{ .key = "y", .kind = &kind_u32, .where = 1, .size = 4 }' },
  { 'ATTR("x", list, 1, .rows = inner)', "thing.x: a list has elements of one row",
    'ATTR("y", u32, 1), ATTR("z", u32, 2)' },
  { 'ATTR("x", array, 1, .size = 6, .rows = inner)', "thing.x: elements that are not aligned",
    '{ .key = "y", .kind = &kind_u32, .size = 4 }' },
  { '{ .key = "x", .where = 1 }', "thing.x: has no kind" },
  { '{ .key = "x", .kind = &kind_u32, .size = 2 }',
    "thing.x: its size is not that of kind u32", header = true },
  { '{ .key = "x", .kind = &kind_u32, .where = 6, .size = 4 }',
    "thing.x: stands behind the end of its header", header = true },
  { '{ .key = "x", .kind = &kind_u32 }', "thing.x: needs .size", header = true },
  { '{ .key = "x", .kind = &kind_nest, .size = 4, .rows = inner }',
    "thing.x: in a header it can only be READ: kind nest", header = true },
}

local CODE = [[
static const char *try_%d(void)
{
	static const struct field deep[] = { %s END };
	static const struct field inner[] = { %s END };
	static const struct choice list[] = { { "a", "a", inner }, { NULL } };
	static const struct choices choices = { "kind", list };
	static const struct field rows[] = { %s END };
	static const struct field none[] = { END };
	static const struct object thing = { .name = "thing", .layout = { %s } };

	(void)deep, (void)inner, (void)choices, (void)none;
	return verify_object(&thing);
}
]]

local MODULE = [[
__attribute__((visibility("default"))) int luaopen_faults(lua_State *L)
{
	static const char *(*const tries[])(void) = { %s };
	const char *fault;
	int i, count = sizeof(tries) / sizeof *tries;

	(void)labels, (void)wide;
	lua_newtable(L);
	for (i = 0; i < count; i++) {
		fault = tries[i]();
		lua_pushstring(L, fault ? fault : "");
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}
]]

local function list(rows)
  return rows and rows .. "," or ""
end

-- The module, which is a list of what is wrong with each, false for nothing.
local function source()
  local parts = { '#include "nest.h"\n#include "number.h"\n#include "text.h"\n',
    '#include "verify.h"\n#include <lauxlib.h>\n',
    'static const struct label labels[] = { { "one", 1 }, { NULL, 0 } };\n',
    'static const struct label wide[] = { { "y", 256 }, { NULL, 0 } };\n' }
  local calls = {}
  for i, row in ipairs(ROWS) do
    parts[#parts + 1] = CODE:format(i, list(row[4]), list(row[3]), list(row[1]),
      row.header and "rows, 8, none" or "none, 8, rows")
    calls[i] = ("try_%d,"):format(i)
  end
  parts[#parts + 1] = MODULE:format(table.concat(calls))
  return table.concat(parts)
end

local SOURCES = [[csrc/core.c csrc/names.c csrc/netlink/codec.c csrc/netlink/ifname.c
  csrc/netlink/nest.c
  csrc/netlink/number.c csrc/netlink/path.c csrc/netlink/schema.c csrc/netlink/text.c
  csrc/netlink/verify.c]]

describe("a debug build", function()
  local faults

  setup(function()
    local name = os.tmpname()
    local file = assert(io.open(name .. ".c", "w"))
    assert(file:write(source()))
    file:close()
    process.must(("cc $FLAGS -DTUN_DEBUG -shared -Icsrc/netlink -o %s %s.c %s -lmnl"):format(name,
      name, SOURCES:gsub("%s+", " ")))
    faults = assert(package.loadlib(name, "luaopen_faults"))()
    os.remove(name)
    os.remove(name .. ".c")
  end)

  for i, row in ipairs(ROWS) do
    it((row[2] and "refuses " or "takes ") .. row[1], function()
      assert.equal(row[2] or "", faults[i])
    end)
  end
end)
