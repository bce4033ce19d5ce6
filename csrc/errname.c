/* errname.c -- the names of error numbers: strerrorname_np(3) is there in glibc
 * 2.32 and newer alone. */
#include "errname.h"

#include "core.h"

#include <errno.h>

#define ROW(error)                                                             \
	{                                                                      \
		.name = #error, .number = (error)                              \
	}

/* As in asm-generic/errno.h; the numbers are not the same on every machine. The
 * last three are second names on most. */
static const struct {
	const char *name;
	int number;
} errors[] = {
	ROW(EPERM),
	ROW(ENOENT),
	ROW(ESRCH),
	ROW(EINTR),
	ROW(EIO),
	ROW(ENXIO),
	ROW(E2BIG),
	ROW(ENOEXEC),
	ROW(EBADF),
	ROW(ECHILD),
	ROW(EAGAIN),
	ROW(ENOMEM),
	ROW(EACCES),
	ROW(EFAULT),
	ROW(ENOTBLK),
	ROW(EBUSY),
	ROW(EEXIST),
	ROW(EXDEV),
	ROW(ENODEV),
	ROW(ENOTDIR),
	ROW(EISDIR),
	ROW(EINVAL),
	ROW(ENFILE),
	ROW(EMFILE),
	ROW(ENOTTY),
	ROW(ETXTBSY),
	ROW(EFBIG),
	ROW(ENOSPC),
	ROW(ESPIPE),
	ROW(EROFS),
	ROW(EMLINK),
	ROW(EPIPE),
	ROW(EDOM),
	ROW(ERANGE),
	ROW(EDEADLK),
	ROW(ENAMETOOLONG),
	ROW(ENOLCK),
	ROW(ENOSYS),
	ROW(ENOTEMPTY),
	ROW(ELOOP),
	ROW(ENOMSG),
	ROW(EIDRM),
	ROW(ECHRNG),
	ROW(EL2NSYNC),
	ROW(EL3HLT),
	ROW(EL3RST),
	ROW(ELNRNG),
	ROW(EUNATCH),
	ROW(ENOCSI),
	ROW(EL2HLT),
	ROW(EBADE),
	ROW(EBADR),
	ROW(EXFULL),
	ROW(ENOANO),
	ROW(EBADRQC),
	ROW(EBADSLT),
	ROW(EBFONT),
	ROW(ENOSTR),
	ROW(ENODATA),
	ROW(ETIME),
	ROW(ENOSR),
	ROW(ENONET),
	ROW(ENOPKG),
	ROW(EREMOTE),
	ROW(ENOLINK),
	ROW(EADV),
	ROW(ESRMNT),
	ROW(ECOMM),
	ROW(EPROTO),
	ROW(EMULTIHOP),
	ROW(EDOTDOT),
	ROW(EBADMSG),
	ROW(EOVERFLOW),
	ROW(ENOTUNIQ),
	ROW(EBADFD),
	ROW(EREMCHG),
	ROW(ELIBACC),
	ROW(ELIBBAD),
	ROW(ELIBSCN),
	ROW(ELIBMAX),
	ROW(ELIBEXEC),
	ROW(EILSEQ),
	ROW(ERESTART),
	ROW(ESTRPIPE),
	ROW(EUSERS),
	ROW(ENOTSOCK),
	ROW(EDESTADDRREQ),
	ROW(EMSGSIZE),
	ROW(EPROTOTYPE),
	ROW(ENOPROTOOPT),
	ROW(EPROTONOSUPPORT),
	ROW(ESOCKTNOSUPPORT),
	ROW(EOPNOTSUPP),
	ROW(EPFNOSUPPORT),
	ROW(EAFNOSUPPORT),
	ROW(EADDRINUSE),
	ROW(EADDRNOTAVAIL),
	ROW(ENETDOWN),
	ROW(ENETUNREACH),
	ROW(ENETRESET),
	ROW(ECONNABORTED),
	ROW(ECONNRESET),
	ROW(ENOBUFS),
	ROW(EISCONN),
	ROW(ENOTCONN),
	ROW(ESHUTDOWN),
	ROW(ETOOMANYREFS),
	ROW(ETIMEDOUT),
	ROW(ECONNREFUSED),
	ROW(EHOSTDOWN),
	ROW(EHOSTUNREACH),
	ROW(EALREADY),
	ROW(EINPROGRESS),
	ROW(ESTALE),
	ROW(EUCLEAN),
	ROW(ENOTNAM),
	ROW(ENAVAIL),
	ROW(EISNAM),
	ROW(EREMOTEIO),
	ROW(EDQUOT),
	ROW(ENOMEDIUM),
	ROW(EMEDIUMTYPE),
	ROW(ECANCELED),
	ROW(ENOKEY),
	ROW(EKEYEXPIRED),
	ROW(EKEYREVOKED),
	ROW(EKEYREJECTED),
	ROW(EOWNERDEAD),
	ROW(ENOTRECOVERABLE),
	ROW(ERFKILL),
	ROW(EHWPOISON),
	ROW(EWOULDBLOCK),
	ROW(EDEADLOCK),
	ROW(ENOTSUP),
};

/* The first name of a number is the one that it has. */
static void push_names(lua_State *L)
{
	size_t i = LENGTH(errors);

	lua_newtable(L);
	while (i-- > 0) {
		lua_pushstring(L, errors[i].name);
		lua_rawseti(L, -2, errors[i].number);
		lua_pushinteger(L, errors[i].number);
		lua_setfield(L, -2, errors[i].name);
	}
}

/* core.failure(message, errno): raise what the world said to who cannot return
 * it, such as an iterator, at the first line outside of the library: a sentence
 * that ends in the name of the errno. Upvalue 1 is core.errno. */
static int core_failure(lua_State *L)
{
	const char *message = luaL_checkstring(L, 1);

	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (!lua_isstring(L, -1))
		lua_pushvalue(L, 2);
	raise_misuse(L, "%s (%s)", message, lua_tostring(L, -1));
}

void open_errno(lua_State *L)
{
	push_names(L);
	lua_pushvalue(L, -1);
	lua_pushcclosure(L, core_failure, 1);
	lua_setfield(L, -3, "failure");
	lua_setfield(L, -2, "errno");
}
