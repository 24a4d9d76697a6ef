// co_stack.c - where the stacks of coroutines come from.
//
// Asking the kernel for every stack would cost a few microseconds each time
// (mmap, guard page, page fault, munmap), a thousand times the price of a
// switch. So they are mapped many at once, in slabs, and used again:
//
//     slab   [guard|stack][guard|stack][guard|stack] ...     SLAB_STACKS
//
//     idle   [cold ..... cold|warm ..... warm]               the last is taken
//                            ^ cold_count    ^ idle_count
//
// A stack costs only the pages it has touched. Slabs are never unmapped, but
// the pages of cold stacks belong to the system again.

#include "co_stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "co.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; the C library may be older.
#endif

enum {
    SLAB_STACKS = 64,
    WARM_STACKS = 256,  // idle stacks that keep their pages
};

struct pool {
    size_t page_size;
    size_t stride;  // from one stack to the next: its size with the guard page
    char *unused;   // the part of the newest slab that was never taken
    size_t unused_count;
    char **idle;  // stacks that were given back
    size_t idle_count, cold_count;
    size_t idle_size;  // there is room for all stacks ever mapped
};

static _Thread_local struct pool pool;

void co_stack_set_size(size_t size)
{
    if (pool.idle_size > 0)
        return;
    pool.page_size = (size_t)sysconf(_SC_PAGESIZE);
    pool.stride = (size + pool.page_size - 1) / pool.page_size * pool.page_size;
    if (pool.stride < 2 * pool.page_size)
        pool.stride = 2 * pool.page_size;
}

size_t co_stack_usable(void)
{
    return pool.stride - pool.page_size;
}

// LESSON guard-page: a stack that overflows would silently overwrite its
// neighbour. A page that must not be touched turns that into a crash on the
// spot. mprotect() splits the mapping in two, of which a process may have
// vm.max_map_count (65,530): enough for 32,000 stacks. A guard marker inside
// the page table has no such limit.
static int install_guard(char *page)
{
    if (madvise(page, pool.page_size, MADV_GUARD_INSTALL) == 0)
        return 0;
    return errno == EINVAL ? mprotect(page, pool.page_size, PROT_NONE) : -1;
}

// Makes room to remember that all stacks are idle, so that giving one back
// cannot fail.
static bool grow_idle(size_t size)
{
    char **idle = realloc(pool.idle, size * sizeof *idle);
    if (idle == NULL)
        return false;
    pool.idle = idle;
    pool.idle_size = size;
    return true;
}

static bool map_slab(void)
{
    if (pool.stride == 0)
        co_stack_set_size((size_t)CO_STACK_KIB * 1024);
    if (!grow_idle(pool.idle_size + SLAB_STACKS))
        return false;

    size_t size = pool.stride * SLAB_STACKS;
    char *slab =
        mmap(NULL, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab == MAP_FAILED)
        return false;
    for (size_t i = 0; i < SLAB_STACKS; i++)
        if (install_guard(slab + i * pool.stride) != 0) {
            munmap(slab, size);
            errno = ENOMEM;
            return false;
        }
    pool.unused = slab;
    pool.unused_count = SLAB_STACKS;
    return true;
}

void *co_stack_take(void)
{
    if (pool.idle_count > 0) {
        char *low = pool.idle[--pool.idle_count];
        if (pool.cold_count > pool.idle_count)
            pool.cold_count = pool.idle_count;
        return low;
    }
    if (pool.unused_count == 0 && !map_slab())
        return NULL;
    char *low = pool.unused + pool.page_size;
    pool.unused += pool.stride;
    pool.unused_count--;
    return low;
}

void co_stack_put(void *low)
{
    pool.idle[pool.idle_count++] = low;
    if (pool.idle_count - pool.cold_count > WARM_STACKS) {
        char *coldest = pool.idle[pool.cold_count++];
        madvise(coldest, co_stack_usable(), MADV_DONTNEED);
    }
}
