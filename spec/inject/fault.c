/* fault.c -- what fails on demand, for the searches of this folder: one system
 * call of this thread, or one allocation of this Lua state.
 *
 * A system call goes to a handler of ours by syscall user dispatch, prctl(2):
 * it costs a signal, no other process, and ends with the selector. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* What the system calls of the scenarios are, and the registers they come in,
 * is known of x86-64 alone. Elsewhere fault.calls and fault.call are missing.
 */
#ifdef __x86_64__

/* -- System calls ------------------------------------------------------------
 */

/* A system call, and with which errnos it can fail: its man page and, for the
 * ioctls, drivers/net/tun.c. With a request it is that ioctl, an mmap with
 * that flag, an mprotect for that access. No errnos: it is none of ours, but of
 * the C library or of Lua. */
static const struct call {
	const char *name;
	long number;
	unsigned long request;
	const char *errnos;
	bool happens; /* the kernel does it although it tells an error */
} calls[] = {
	{ "openat", SYS_openat, 0,
	  "EACCES EINTR EMFILE ENFILE ENODEV ENOENT ENOMEM ENXIO EPERM",
	  false },
	{ "close", SYS_close, 0, "EINTR EIO", true },
	{ "read", SYS_read, 0, "EAGAIN EBADFD EFAULT EINTR EINVAL EIO ENOMEM",
	  false },
	{ "write", SYS_write, 0,
	  "EAGAIN EBADFD EFAULT EINTR EINVAL EIO EMSGSIZE ENOBUFS ENOMEM "
	  "ENOSPC EPERM",
	  false },
	{ "writev", SYS_writev, 0,
	  "EAGAIN EBADFD EFAULT EINTR EINVAL EIO EMSGSIZE ENOMEM", false },
	/* Without /proc a device has sockets of its own, which are no leak. */
	{ "readlink", SYS_readlink, 0, "", false },
	{ "fstat", SYS_newfstatat, 0, "EACCES ENOMEM", false },
	{ "ppoll", SYS_ppoll, 0, "EINTR EINVAL ENOMEM", false },
	{ "poll", SYS_poll, 0, "EINTR EINVAL ENOMEM", false },
	{ "mmap", SYS_mmap, MAP_NORESERVE, "EAGAIN ENOMEM EPERM", false },
	{ "mprotect for code", SYS_mprotect, PROT_READ, "", false },
	{ "mprotect", SYS_mprotect, 0, "EACCES ENOMEM", false },
	{ "munmap", SYS_munmap, 0, "ENOMEM", true },
	{ "socket", SYS_socket, 0,
	  "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
	  false },
	{ "bind", SYS_bind, 0, "EACCES EADDRINUSE EADDRNOTAVAIL EINVAL ENOMEM",
	  false },
	{ "connect", SYS_connect, 0,
	  "EACCES EADDRNOTAVAIL EAGAIN EINTR ENETUNREACH ENOMEM EPERM", false },
	{ "getsockname", SYS_getsockname, 0, "ENOBUFS", false },
	{ "getpeername", SYS_getpeername, 0, "ENOBUFS ENOTCONN", false },
	{ "setsockopt", SYS_setsockopt, 0,
	  "EINVAL ENODEV ENOMEM ENOPROTOOPT EPERM", false },
	{ "getsockopt", SYS_getsockopt, 0, "EACCES ENOPROTOOPT", false },
	{ "sendto", SYS_sendto, 0,
	  "EACCES EAGAIN ECONNREFUSED EHOSTUNREACH EINTR EINVAL EMSGSIZE "
	  "ENETUNREACH ENOBUFS ENOMEM EPERM",
	  false },
	{ "sendmsg", SYS_sendmsg, 0,
	  "EACCES EAGAIN ECONNREFUSED EHOSTUNREACH EINTR EINVAL EIO EMSGSIZE "
	  "ENETUNREACH ENOBUFS ENOMEM EPERM",
	  false },
	{ "sendmmsg", SYS_sendmmsg, 0,
	  "EACCES EAGAIN ECONNREFUSED EHOSTUNREACH EINTR EINVAL EIO EMSGSIZE "
	  "ENETUNREACH ENOBUFS ENOMEM EPERM",
	  false },
	{ "recvfrom", SYS_recvfrom, 0,
	  "EAGAIN ECONNREFUSED EINTR ENOBUFS ENOMEM", false },
	{ "recvmsg", SYS_recvmsg, 0, "EAGAIN ECONNREFUSED EINTR ENOBUFS ENOMEM",
	  false },
	{ "recvmmsg", SYS_recvmmsg, 0,
	  "EAGAIN ECONNREFUSED EINTR ENOBUFS ENOMEM", false },
	{ "getdents", SYS_getdents64, 0, "EINVAL ENOENT", false },
	{ "statfs", SYS_statfs, 0, "EACCES EIO ENOMEM", false },
	{ "unshare", SYS_unshare, 0, "EINVAL ENOMEM ENOSPC EPERM EUSERS",
	  false },
	{ "setns", SYS_setns, 0, "EINVAL ENOMEM EPERM", false },
	{ "faccessat2", SYS_faccessat2, 0, "EACCES ENOENT ENOMEM", false },
	{ "capget", SYS_capget, 0, "EPERM", false },
	{ "fsopen", SYS_fsopen, 0, "EMFILE ENFILE ENODEV ENOMEM ENOSYS EPERM",
	  false },
	{ "fsconfig", SYS_fsconfig, 0, "EBUSY ENOMEM EPERM", false },
	{ "fsmount", SYS_fsmount, 0, "EBUSY EMFILE ENOMEM EPERM", false },
	{ "TUNSETIFF", SYS_ioctl, TUNSETIFF, "E2BIG EBUSY EINVAL ENOMEM EPERM",
	  false },
	{ "TUNGETIFF", SYS_ioctl, TUNGETIFF, "EBADFD", false },
	{ "TUNSETIFINDEX", SYS_ioctl, TUNSETIFINDEX, "EINVAL EPERM", false },
	{ "TUNSETQUEUE", SYS_ioctl, TUNSETQUEUE,
	  "E2BIG EBADFD EINVAL ENOMEM EPERM", false },
	{ "TUNGETFEATURES", SYS_ioctl, TUNGETFEATURES, "EBADFD", false },
	{ "TUNSETNOCSUM", SYS_ioctl, TUNSETNOCSUM, "EBADFD", false },
	{ "TUNSETDEBUG", SYS_ioctl, TUNSETDEBUG, "EBADFD EINVAL", false },
	{ "TUNSETPERSIST", SYS_ioctl, TUNSETPERSIST, "EBADFD", false },
	{ "TUNSETOWNER", SYS_ioctl, TUNSETOWNER, "EBADFD EINVAL", false },
	{ "TUNSETGROUP", SYS_ioctl, TUNSETGROUP, "EBADFD EINVAL", false },
	{ "TUNSETLINK", SYS_ioctl, TUNSETLINK, "EBADFD EBUSY", false },
	{ "TUNSETOFFLOAD", SYS_ioctl, TUNSETOFFLOAD, "EBADFD EINVAL", false },
	{ "TUNSETTXFILTER", SYS_ioctl, TUNSETTXFILTER,
	  "EBADFD EFAULT EINVAL ENOMEM", false },
	{ "TUNATTACHFILTER", SYS_ioctl, TUNATTACHFILTER,
	  "EBADFD EINVAL ENOMEM EPERM", false },
	{ "TUNDETACHFILTER", SYS_ioctl, TUNDETACHFILTER, "EBADFD EINVAL",
	  false },
	{ "TUNGETFILTER", SYS_ioctl, TUNGETFILTER, "EBADFD EINVAL", false },
	{ "TUNGETSNDBUF", SYS_ioctl, TUNGETSNDBUF, "EBADFD", false },
	{ "TUNSETSNDBUF", SYS_ioctl, TUNSETSNDBUF, "EBADFD EINVAL", false },
	{ "TUNGETVNETHDRSZ", SYS_ioctl, TUNGETVNETHDRSZ, "EBADFD", false },
	{ "TUNSETVNETHDRSZ", SYS_ioctl, TUNSETVNETHDRSZ, "EBADFD EINVAL",
	  false },
	{ "TUNGETVNETLE", SYS_ioctl, TUNGETVNETLE, "EBADFD", false },
	{ "TUNSETVNETLE", SYS_ioctl, TUNSETVNETLE, "EBADFD", false },
	{ "TUNGETVNETBE", SYS_ioctl, TUNGETVNETBE, "EBADFD EINVAL", false },
	{ "TUNSETVNETBE", SYS_ioctl, TUNSETVNETBE, "EBADFD EINVAL", false },
	{ "TUNSETSTEERINGEBPF", SYS_ioctl, TUNSETSTEERINGEBPF,
	  "EBADFD EINVAL ENOMEM", false },
	{ "TUNSETFILTEREBPF", SYS_ioctl, TUNSETFILTEREBPF,
	  "EBADFD EINVAL ENOMEM", false },
	{ "TUNSETCARRIER", SYS_ioctl, TUNSETCARRIER, "EBADFD EPERM", false },
	{ "TUNGETDEVNETNS", SYS_ioctl, TUNGETDEVNETNS,
	  "EBADFD EMFILE ENOMEM EPERM", false },
	{ "NS_GET_NSTYPE", SYS_ioctl, NS_GET_NSTYPE, "EINVAL", false },
	{ "SIOCGSKNS", SYS_ioctl, SIOCGSKNS, "EMFILE ENOMEM EPERM", false },
	{ "SIOCGIFHWADDR", SYS_ioctl, SIOCGIFHWADDR, "EBADFD", false },
	{ "SIOCSIFHWADDR", SYS_ioctl, SIOCSIFHWADDR,
	  "EADDRNOTAVAIL EBADFD EBUSY EINVAL EOPNOTSUPP", false },
	{ "SIOCETHTOOL", SYS_ioctl, SIOCETHTOOL, "ENODEV EOPNOTSUPP", false },
	{ "SIOCGIFINDEX", SYS_ioctl, SIOCGIFINDEX, "ENODEV", false },
	{ "SIOCGIFNAME", SYS_ioctl, SIOCGIFNAME, "ENODEV ENXIO", false },
	{ "brk", SYS_brk, 0, "", false },
	{ "mmap of an allocator", SYS_mmap, 0, "", false },
	{ "mremap", SYS_mremap, 0, "", false },
	{ "madvise", SYS_madvise, 0, "", false },
	{ "futex", SYS_futex, 0, "", false },
	{ "getrandom", SYS_getrandom, 0, "", false },
	{ "geteuid", SYS_geteuid, 0, "", false },
	{ "getegid", SYS_getegid, 0, "", false },
};

enum { TRACE = 8192 };

/* What the handler works with. */
static struct {
	volatile char selector;	 /* SYSCALL_DISPATCH_FILTER_* */
	const struct call *call; /* which is to fail; NULL for none */
	int countdown;		 /* at which of its occurrences */
	int code;		 /* with what */
	long unlisted;		 /* a system call without a row; 0 */
	int n;
	unsigned char trace[TRACE]; /* the rows of what was called */
} faults;

/* What may call the kernel while the selector says otherwise: from here to
 * passed. */
__asm__(".pushsection .text.pass, \"ax\", @progbits\n"
	".globl fault_pass\n"
	".hidden fault_pass\n"
	"fault_pass:\n" /* (number, args), args of 6 */
	"	mov %rdi, %rax\n"
	"	mov %rsi, %r11\n"
	"	mov (%r11), %rdi\n"
	"	mov 8(%r11), %rsi\n"
	"	mov 16(%r11), %rdx\n"
	"	mov 24(%r11), %r10\n"
	"	mov 32(%r11), %r8\n"
	"	mov 40(%r11), %r9\n"
	"	syscall\n"
	"	ret\n"
	".globl fault_return\n"
	".hidden fault_return\n"
	"fault_return:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"	nop\n" /* the kernel looks at where a call comes back to */
	".globl fault_passed\n"
	".hidden fault_passed\n"
	"fault_passed:\n"
	".popsection\n");
long fault_pass(long number, const long *args);
void fault_return(void);
void fault_passed(void);

/* Whether the arguments are those that a row is about. */
static bool concerns(const struct call *call, const long *args)
{
	switch (call->request ? call->number : 0) {
	case SYS_ioctl:
		return (unsigned int)args[1] == call->request;
	case SYS_mmap:
		return (unsigned long)args[3] & call->request;
	case SYS_mprotect:
		return (unsigned long)args[2] & call->request;
	}
	return true;
}

static const struct call *find(long number, const long *args)
{
	const struct call *call;

	for (call = calls; call < calls + LENGTH(calls); call++)
		if (call->number == number && concerns(call, args))
			return call;
	return NULL;
}

/* Whether this is the call that is to fail. */
static bool is_due(const struct call *call)
{
	return call && call == faults.call && --faults.countdown == 0;
}

static void dispatch(int signal, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	long args[] = { r[REG_RDI], r[REG_RSI], r[REG_RDX],
			r[REG_R10], r[REG_R8],	r[REG_R9] };
	const struct call *call = find(r[REG_RAX], args);
	bool due = is_due(call);

	(void)signal;
	(void)info;
	if (!call)
		faults.unlisted =
			r[REG_RAX] == SYS_ioctl ? -args[1] : r[REG_RAX];
	else if (faults.n < TRACE)
		faults.trace[faults.n++] = (unsigned char)(call - calls);
	if (!due || call->happens)
		r[REG_RAX] = fault_pass(r[REG_RAX], args);
	if (due)
		r[REG_RAX] = -faults.code;
}

/* What rt_sigaction(2) takes: the C library would put a return of its own. */
static void catch (void)
{
	const struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} action = { dispatch, SA_SIGINFO | 0x04000000, fault_return, 0 };

	syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, sizeof(action.mask));
}

/* fault.calls() -> list of { name, errnos }: what can fail */
static int fault_calls(lua_State *L)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < LENGTH(calls); i++) {
		lua_createtable(L, 2, 0);
		lua_pushstring(L, calls[i].name);
		lua_rawseti(L, -2, 1);
		lua_pushstring(L, calls[i].errnos);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* fault.call(row, nth, errno): until fault.stop(), the nth occurrence of the
 * system call at a place of fault.calls() fails; row 0: none */
static int fault_call(lua_State *L)
{
	lua_Integer row = luaL_checkinteger(L, 1);

	luaL_argcheck(L, row >= 0 && row <= (lua_Integer)LENGTH(calls), 1,
		      "no such row");
	faults.call = row ? calls + row - 1 : NULL;
	faults.countdown = (int)luaL_optinteger(L, 2, 0);
	faults.code = (int)luaL_optinteger(L, 3, 0);
	faults.unlisted = 0;
	faults.n = 0;
	catch ();
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
		  (uintptr_t)fault_pass,
		  (uintptr_t)fault_passed - (uintptr_t)fault_pass,
		  &faults.selector) < 0)
		return luaL_error(L, "syscall user dispatch: %s",
				  strerror(errno));
	faults.selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	return 0;
}

/* Stop, and push the list of the rows that were called, whether what was to
 * fail did, and a system call that has no row, or nil. */
static void stop_calls(lua_State *L)
{
	int i;

	faults.selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	lua_newtable(L);
	for (i = 0; i < faults.n; i++) {
		lua_pushinteger(L, faults.trace[i] + 1);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushboolean(L, faults.call && faults.countdown <= 0);
	if (faults.unlisted)
		lua_pushinteger(L, faults.unlisted);
	else
		lua_pushnil(L);
}

#else

static void stop_calls(lua_State *L)
{
	lua_newtable(L);
	lua_pushboolean(L, false);
	lua_pushnil(L);
}

#endif

/* -- Allocations -------------------------------------------------------------
 */

static struct {
	lua_Alloc next;
	void *ud;
	long n, from, to; /* those from `from` up to `to` fail */
} heap;

static void *allocate(void *ud, void *block, size_t old, size_t size)
{
	(void)ud;
	if (size && (!block || size > old)) {
		heap.n++;
		if (heap.n >= heap.from && heap.n <= heap.to)
			return NULL;
	}
	return heap.next(heap.ud, block, old, size);
}

/* fault.allocation(nth, times): until fault.stop(), the nth allocation from
 * now fails, so many times: Lua collects its garbage and tries once more, but
 * for LuaJIT and Lua 5.1 */
static int fault_allocation(lua_State *L)
{
	lua_Integer nth = luaL_checkinteger(L, 1);

	if (!heap.next) {
		heap.next = lua_getallocf(L, &heap.ud);
		lua_setallocf(L, allocate, NULL);
	}
	heap.n = 0;
	heap.to = (long)(nth + luaL_checkinteger(L, 2) - 1);
	heap.from = (long)nth;
	return 0;
}

/* -- Both --------------------------------------------------------------------
 */

/* fault.stop() -> list of the rows that were called in order, whether what was
 * to fail did, a system call that has no row or nil, number of allocations */
static int fault_stop(lua_State *L)
{
	bool hit = heap.from && heap.n >= heap.from;
	long n = heap.n;

	heap.from = heap.to = 0;
	stop_calls(L);
	alarm(0);
	if (hit) {
		lua_pushboolean(L, true);
		lua_replace(L, -3);
	}
	lua_pushinteger(L, n);
	return 4;
}

/* fault.alarm(seconds): then this process is killed, unless fault.stop() comes
 * before */
static int fault_alarm(lua_State *L)
{
	alarm((unsigned int)luaL_checkinteger(L, 1));
	return 0;
}

/* fault.descriptors() -> how many are open */
static int fault_descriptors(lua_State *L)
{
	int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	lua_pushinteger(L, n);
	return 1;
}

/* The child of fault_child(): what the function at 1 returns, goes to fd. */
static _Noreturn void be_child(lua_State *L, int fd)
{
	const char *text;
	size_t n;
	ssize_t done;

	alarm(60);
	lua_pushvalue(L, 1);
	lua_pcall(L, 0, 1, 0);
	text = lua_tolstring(L, -1, &n);
	for (; text && n; text += done, n -= (size_t)done) {
		done = write(fd, text, n);
		if (done <= 0)
			break;
	}
	_exit(text ? 0 : 1);
}

/* fault.child(f) -> the string that f returns, or its error, when called in a
 * child | nil, the signal that ended it: SIGALRM when it hangs */
static int fault_child(lua_State *L)
{
	luaL_Buffer all;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return luaL_error(L, "child: %s", strerror(errno));
	if (pid == 0)
		be_child(L, ends[1]);
	close(ends[1]);
	luaL_buffinit(L, &all);
	while ((n = read(ends[0], luaL_prepbuffer(&all), LUAL_BUFFERSIZE)) > 0)
		luaL_addsize(&all, (size_t)n);
	luaL_pushresult(&all);
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	lua_pushnil(L);
	if (WIFSIGNALED(status))
		lua_pushstring(L, strsignal(WTERMSIG(status)));
	else
		lua_pushfstring(L, "exit status %d", WEXITSTATUS(status));
	return 2;
}

/* fault.drop(id): be this user and group for good, without privilege */
static int fault_drop(lua_State *L)
{
	uid_t id = (uid_t)luaL_checkinteger(L, 1);

	if (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		return luaL_error(L, "drop: %s", strerror(errno));
	return 0;
}

static const luaL_Reg functions[] = {
	{ "drop", fault_drop },
#ifdef __x86_64__
	{ "calls", fault_calls },
	{ "call", fault_call },
#endif
	{ "allocation", fault_allocation },
	{ "stop", fault_stop },
	{ "alarm", fault_alarm },
	{ "descriptors", fault_descriptors },
	{ "child", fault_child },
	{ NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_fault(lua_State *L)
{
	const luaL_Reg *f;

	lua_newtable(L);
	for (f = functions; f->name; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
	return 1;
}
