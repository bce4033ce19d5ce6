/* module.c -- luaopen_tun_core: what each room adds to the module. */
#include "batch/arena.h"
#include "batch/batch.h"
#include "batch/coalesce.h"
#include "batch/dissect.h"
#include "batch/edit.h"
#include "batch/peer.h"
#include "batch/segment.h"
#include "batch/walk.h"
#include "core.h"
#include "device/device.h"
#include "device/file.h"
#include "device/io.h"
#include "device/option.h"
#include "device/sysfs.h"
#include "errname.h"
#include "names.h"
#include "netlink/noun.h"
#include "netlink/socket.h"
#include "netlink/watch.h"
#include "netns.h"
#include "poll.h"
#include "udp/option.h"
#include "udp/receive.h"
#include "udp/send.h"
#include "udp/socket.h"

__attribute__((visibility("default"))) int luaopen_tun_core(lua_State *L);

/* What makes a type comes before what adds methods to it. */
static void (*const rooms[])(lua_State *L) = {
	open_core,	  open_errno,	 open_device,  open_option,
	open_device_io,	  open_sysfs,	 open_poll,    open_netns,
	open_arena,	  open_batch,	 open_segment, open_coalesce,
	open_edit,	  open_peer,	 open_udp,     open_udp_option,
	open_udp_receive, open_udp_send, open_walk,    open_dissect,
	open_noun,	  open_netlink,	 open_watch,   open_names,
	open_device_file,
};

int luaopen_tun_core(lua_State *L)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(rooms); i++)
		rooms[i](L);
	return 1;
}
