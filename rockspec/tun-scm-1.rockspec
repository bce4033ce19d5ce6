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
        "csrc/ack.c",
        "csrc/addr.c",
        "csrc/address.c",
        "csrc/arena.c",
        "csrc/attr.c",
        "csrc/batch.c",
        "csrc/batchio.c",
        "csrc/checksum.c",
        "csrc/coalesce.c",
        "csrc/core.c",
        "csrc/device.c",
        "csrc/editing.c",
        "csrc/endpoint.c",
        "csrc/filter.c",
        "csrc/headers.c",
        "csrc/ifname.c",
        "csrc/joining.c",
        "csrc/link.c",
        "csrc/linkinfo.c",
        "csrc/member.c",
        "csrc/nest.c",
        "csrc/netlink.c",
        "csrc/netns.c",
        "csrc/number.c",
        "csrc/object.c",
        "csrc/offload.c",
        "csrc/option.c",
        "csrc/packetio.c",
        "csrc/poll.c",
        "csrc/request.c",
        "csrc/rewrite.c",
        "csrc/route.c",
        "csrc/segment.c",
        "csrc/slots.c",
        "csrc/sysfs.c",
        "csrc/udp.c",
        "csrc/udpreceive.c",
        "csrc/udpsend.c",
        "csrc/vnet.c",
        "csrc/walk.c",
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
