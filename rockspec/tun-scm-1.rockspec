rockspec_format = "3.0"
package = "tun"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "TUN/TAP devices and rtnetlink for LuaJIT and Lua on Linux",
  labels = { "network", "linux", "luajit" },
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.5" }
external_dependencies = {
  MNL = { header = "libmnl/libmnl.h", library = "mnl" },
}
build = {
  type = "builtin",
  -- The Lua files need no list: luarocks installs everything below lua/.
  modules = {
    ["tun.core"] = {
      sources = {
        "csrc/batch/arena.c",
        "csrc/batch/batch.c",
        "csrc/batch/coalesce.c",
        "csrc/batch/edit.c",
        "csrc/batch/endpoint.c",
        "csrc/batch/segment.c",
        "csrc/batch/slots.c",
        "csrc/batch/vnet.c",
        "csrc/batch/walk.c",
        "csrc/core.c",
        "csrc/device/batch.c",
        "csrc/device/device.c",
        "csrc/device/filter.c",
        "csrc/device/io.c",
        "csrc/device/open.c",
        "csrc/device/option.c",
        "csrc/device/sysfs.c",
        "csrc/module.c",
        "csrc/netlink/ack.c",
        "csrc/netlink/addr.c",
        "csrc/netlink/codec.c",
        "csrc/netlink/ifname.c",
        "csrc/netlink/label.c",
        "csrc/netlink/link.c",
        "csrc/netlink/linkinfo.c",
        "csrc/netlink/neigh.c",
        "csrc/netlink/nest.c",
        "csrc/netlink/nexthop.c",
        "csrc/netlink/noun.c",
        "csrc/netlink/number.c",
        "csrc/netlink/path.c",
        "csrc/netlink/route.c",
        "csrc/netlink/rule.c",
        "csrc/netlink/schema.c",
        "csrc/netlink/socket.c",
        "csrc/netlink/text.c",
        "csrc/netlink/verify.c",
        "csrc/netns.c",
        "csrc/poll.c",
        "csrc/udp/receive.c",
        "csrc/udp/send.c",
        "csrc/udp/socket.c",
        "csrc/wire/checksum.c",
        "csrc/wire/flow.c",
        "csrc/wire/gro.c",
        "csrc/wire/gso.c",
        "csrc/wire/headers.c",
        "csrc/wire/rewrite.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "$(MNL_INCDIR)" },
      libdirs = { "$(MNL_LIBDIR)" },
      libraries = { "mnl" },
    },
  },
  copy_directories = { "examples" },
}
test = { type = "command", command = "make test" }
