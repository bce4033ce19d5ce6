/* fork.h -- whether this is still the process that opened something. */
#ifndef TUN_FORK_H
#define TUN_FORK_H

#pragma GCC visibility push(hidden)

/* A number that is another one in the child of a fork(2), however deep. Makes
 * no system call. */
unsigned int fork_generation(void);

/* Before the first fork_generation(). May be called by several threads. */
void fork_watch(void);

#pragma GCC visibility pop

#endif
