/* fork.c -- whether this is still the process that opened something: what is
 * shared with a parent or a child cannot be read from, as each would take what
 * the other waits for. */
#include "fork.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the child of a fork this is zero, whatever called fork(2), and the count
 * is what it was. Source: madvise(2), MADV_WIPEONFORK of Linux 4.14 */
static _Atomic(atomic_uint *) page;
static atomic_uint generations;

void fork_watch(void)
{
	const size_t size = sizeof(atomic_uint);
	atomic_uint *none = NULL, *mine;

	if (atomic_load(&page))
		return;
	mine = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine == MAP_FAILED)
		return;
	if (madvise(mine, size, MADV_WIPEONFORK) < 0 ||
	    !atomic_compare_exchange_strong(&page, &none, mine))
		munmap(mine, size);
}

unsigned int fork_generation(void)
{
	atomic_uint *own = atomic_load(&page);
	unsigned int zero = 0;

	if (!own)
		return (unsigned int)getpid();
	if (atomic_load(own) == 0)
		atomic_compare_exchange_strong(
			own, &zero, atomic_fetch_add(&generations, 1) + 1);
	return atomic_load(own);
}
