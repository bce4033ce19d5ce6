/* system.c -- a kernel that says what an input tells it to: packets, messages,
 * sizes and errors. Calls on /dev/net/tun, and all of those that only UDP
 * sockets make, come here (ld --wrap); every byte they are given is read, and
 * every one that they may write can be written. */
#include "system.h"

#include "../../csrc/batch/batch.h"
#include "../../csrc/core.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static struct input feed; /* what the calls are told; at its end: EAGAIN */
static int tun = -1;	  /* the descriptor that /dev/net/tun is */
static int vnet;	  /* bytes of the virtio-net header */
static struct ifreq told; /* by TUNSETIFF */

/* Whether a call fails, with an errno. */
static bool fails(void)
{
	static const int codes[] = { EAGAIN, EINVAL, EMSGSIZE, ENOBUFS,
				     EIO,    EINTR,  EBADFD,   EFAULT };
	uint8_t byte = input_byte(&feed);

	errno = feed.left ? codes[byte % LENGTH(codes)] : EAGAIN;
	return !feed.left || byte >= 224;
}

/* -- What is given and taken ------------------------------------------------
 */

/* Read all bytes, for AddressSanitizer to look at. */
static void look(const void *bytes, size_t n)
{
	static volatile unsigned char sum;
	const unsigned char *each = bytes;

	while (n--)
		sum = (unsigned char)(sum + *each++);
}

static size_t look_all(const struct iovec *parts, size_t n)
{
	size_t i, size = 0;

	for (i = 0; i < n; i++) {
		look(parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	return size;
}

/* Give the next packet, as far as there is room. Returns how much that is. */
static size_t give(void *room, size_t most)
{
	size_t n = input_half(&feed);
	unsigned char *packet = input_packet(&feed, &n);

	if (n > most)
		n = most;
	memcpy(room, packet, n);
	free(packet);
	return n;
}

/* -- TUN devices ------------------------------------------------------------
 */

int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_ioctl(int fd, unsigned long request, void *argument);

int __wrap_open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/net/tun") != 0)
		return __real_open(path, flags);
	return tun = __real_open("/dev/null", O_RDWR | O_CLOEXEC);
}

ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
	if (fd != tun || fd < 0)
		return __real_read(fd, bytes, n);
	return fails() ? -1 : (ssize_t)give(bytes, n);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	if (fd != tun || fd < 0)
		return __real_write(fd, bytes, n);
	look(bytes, n);
	return fails() ? -1 : (ssize_t)n;
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int n)
{
	size_t size = look_all(parts, (size_t)n);

	(void)fd;
	return fails() ? -1 : (ssize_t)size;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct sock_fprog *program;
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (fd != tun || fd < 0)
		return __real_ioctl(fd, request, argument);
	if (request == TUNSETIFF) {
		told = *(struct ifreq *)argument;
	} else if (request == TUNGETIFF) {
		memcpy(argument, &told, sizeof(told));
	} else if (request == TUNGETVNETHDRSZ) {
		*(int *)argument = vnet;
	} else if (request == TUNATTACHFILTER) {
		program = argument;
		look(program->filter, program->len * sizeof(*program->filter));
		return fails() ? -1 : 0;
	}
	return 0;
}

/* -- UDP sockets ------------------------------------------------------------
 */

/* Give a message: any sender, any control messages, any flags. */
static void give_message(struct mmsghdr *message)
{
	struct msghdr *msg = &message->msg_hdr;
	struct iovec *room = msg->msg_iov;

	message->msg_len = (unsigned int)give(room->iov_base, room->iov_len);
	msg->msg_flags = input_byte(&feed) & 7 ? 0 : MSG_TRUNC | MSG_CTRUNC;
	input_take(&feed, msg->msg_name, msg->msg_namelen);
	msg->msg_namelen = input_byte(&feed) % (msg->msg_namelen + 1);
	input_take(&feed, msg->msg_control, msg->msg_controllen);
	msg->msg_controllen = input_byte(&feed) % (msg->msg_controllen + 1);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags,
		    struct timespec *timeout)
{
	unsigned int i;

	(void)fd, (void)flags, (void)timeout;
	if (fails())
		return -1;
	n = input_byte(&feed) % n + 1;
	for (i = 0; i < n; i++)
		give_message(messages + i);
	return (int)n;
}

static void look_at(const struct msghdr *msg)
{
	look_all(msg->msg_iov, msg->msg_iovlen);
	look(msg->msg_name, msg->msg_namelen);
	look(msg->msg_control, msg->msg_controllen);
}

ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags,
		      const struct sockaddr *to, socklen_t size)
{
	(void)fd, (void)flags;
	look(bytes, n);
	look(to, size);
	return fails() ? -1 : (ssize_t)n;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	unsigned int i;

	(void)fd, (void)flags;
	for (i = 0; i < n; i++)
		look_at(&messages[i].msg_hdr);
	return fails() ? -1 : input_byte(&feed) % (int)n + 1;
}

/* Never waits. */
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const void *mask)
{
	(void)timeout, (void)mask;
	look(fds, n * sizeof(*fds));
	return fails() ? 0 : 1;
}

/* -- For scripts ------------------------------------------------------------
 */

/* system.feed(bytes): what the calls are told from now on. The bytes are lent.
 */
static int system_feed(lua_State *L)
{
	feed.bytes = (const uint8_t *)luaL_checklstring(L, 1, &feed.left);
	return 0;
}

/* system.vnet(n): devices that are opened have a virtio-net header of n bytes.
 */
static int system_vnet(lua_State *L)
{
	vnet = (int)luaL_checkinteger(L, 1);
	return 0;
}

enum { SLOTS = 64 }; /* at most, of a batch that is accounted for */

/* Count who needs a slot: itself, when it is listed, and those that lie in its
 * room. */
static void count_users(const struct batch *batch, uint32_t *users)
{
	const struct pool *pool = batch->pool;
	uint32_t i, number;

	MUST(batch->count <= listroom(pool));
	for (i = 0; i < batch->count; i++) {
		number = batch->list[i];
		if (number == NO_SLOT)
			continue;
		MUST(number < pool->slots &&
		     pool->of[number].home < pool->slots);
		users[number]++;
		if (pool->of[number].home != number)
			users[pool->of[number].home]++;
	}
}

static uint32_t free_slot(const struct pool *pool, uint32_t i)
{
	return pool->of[(pool->first + i) % pool->slots].free;
}

/* system.account(batches): all that there are over one memory. Every slot is
 * free once, or needed by as many as it says. */
static int system_account(lua_State *L)
{
	uint32_t users[SLOTS] = { 0 }, spare[SLOTS] = { 0 }, i;
	const struct pool *pool = NULL;

	for (i = 1; i <= lua_rawlen(L, 1); i++) {
		lua_rawgeti(L, 1, (int)i);
		pool = batch_check(L, -1)->pool;
		MUST(pool->slots <= SLOTS && pool->unused <= pool->slots);
		count_users(batch_check(L, -1), users);
		lua_pop(L, 1);
	}
	for (i = 0; pool && i < pool->unused; i++) {
		MUST(free_slot(pool, i) < pool->slots);
		spare[free_slot(pool, i)]++;
	}
	for (i = 0; pool && i < pool->slots; i++) {
		MUST(spare[i] == (users[i] == 0));
		MUST(spare[i] || users[i] == pool->of[i].users);
	}
	return 0;
}

/* Whether an error is one of Lua, or raised elsewhere than at the line of the
 * caller, which is in a script. */
static bool is_ours(const char *why)
{
	const char *words = why && strncmp(why, "spec/fuzz/", 10) == 0
				    ? strstr(why, ": ")
				    : NULL;

	return !words || strncmp(words, ": attempt to ", 13) == 0 ||
	       strncmp(words, ": bad argument ", 15) == 0;
}

/* system.attempt(function, ...): call it. It may raise, at the line of its
 * caller, what the caller did wrong; anything else is raised on. */
static int system_attempt(lua_State *L)
{
	if (lua_pcall(L, lua_gettop(L) - 1, 0, 0) &&
	    is_ours(lua_tostring(L, -1)))
		lua_error(L);
	return 0;
}

static const luaL_Reg functions[] = {
	{ "feed", system_feed },
	{ "vnet", system_vnet },
	{ "account", system_account },
	{ "attempt", system_attempt },
	{ NULL, NULL },
};

int luaopen_system(lua_State *L)
{
	lua_newtable(L);
	object_functions(L, functions);
	return 1;
}
