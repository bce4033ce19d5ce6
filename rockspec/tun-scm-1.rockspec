rockspec_format = "3.0"
package = "tun"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "TUN/TAP devices and rtnetlink for LuaJIT and Lua on Linux",
  detailed = [[
    Complete control of Linux TUN/TAP devices: open a device, declare its link,
    addresses and routes, and read, change, build and print packets by the names
    of their fields, one by one or in batches of super-packets. One C module over
    libmnl; nothing shells out to ip(8).
  ]],
  homepage = "https://example.org/tun",
  issues_url = "https://example.org/tun/issues",
  labels = { "network", "linux", "luajit" },
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.6" }
external_dependencies = {
  LIBMNL = { header = "libmnl/libmnl.h", library = "mnl" },
}
build = {
  -- Not "builtin", which has no place for flags of compiler and linker.
  type = "make",
  build_target = "module",
  variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    CPPFLAGS = "-I$(LIBMNL_INCDIR)",
    LDFLAGS = "-L$(LIBMNL_LIBDIR)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    BUILD = "build/rock$(LUA_INCDIR)",
  },
  install_variables = {
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    DOCDIR = "$(DOCDIR)",
  },
  copy_directories = { "examples" },
}
test = { type = "command", command = "make test" }
