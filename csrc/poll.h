/* poll.h -- waiting for descriptors, which Ctrl-C ends. */
#ifndef TUN_POLL_H
#define TUN_POLL_H

#include <lua.h>
#include <poll.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* Argument as a timeout in seconds. None and nil are INFINITY; what is below 0
 * is a time already past, 0. */
double arg_seconds(lua_State *L, int at);

/* The time of the monotonic clock in seconds. */
double poll_now(void);

/* As poll(2), until poll_now() reaches a time. Returns how many descriptors are
 * ready, or 0 with an errno: EAGAIN when it is late, EINTR after a signal. */
int poll_await(lua_State *L, struct pollfd *fds, nfds_t n, double until);

/* After a call on a descriptor failed: wait until it can be read, if EAGAIN is
 * what it failed with, for so many seconds from the first time, when *until is
 * 0. False, with an errno, when there is no use in trying again. */
bool poll_retry(lua_State *L, int fd, double seconds, double *until);

/* The thread on which an interpreter sets its hook for Ctrl-C, or NULL. */
lua_State *poll_mainthread(lua_State *L);

/* Let Ctrl-C stop the running thread at its next instruction. Interpreters set
 * a hook for that, but on the main thread only; in PUC Lua a coroutine has a
 * hook of its own, would run on, and gets that one here. */
void poll_interrupt(lua_State *L, lua_State *from);

/* Push nil, a word and errno, and return 3, where errno is one that every
 * script meets: "timeout", "interrupted", "closed", "deleted", "down". Else
 * push nothing and return 0, with errno as it was. */
int fail_word(lua_State *L);

/* Add core.poll and core.now to the module table on top of the stack. */
void open_poll(lua_State *L);

#pragma GCC visibility pop

#endif
