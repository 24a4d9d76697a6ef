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
// A stack costs only the pages it has touched. Slabs stay mapped until
// co_release_stacks(), but the pages of cold stacks belong to the system again.

#include "co_stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"
#include "co_pages.h"

enum {
    SLAB_STACKS = 64,
    WARM_STACKS = 256,  // idle stacks that keep their pages, at least
    COOL_STACKS = 64,   // how many lose them at once
};

struct pool {
    size_t page_size;
    size_t stride;  // from one stack to the next: its size with the guard page
    char *unused;   // the part of the newest slab that was never taken
    size_t unused_count;
    char **idle;  // stacks that were given back
    size_t idle_count, cold_count;
    size_t idle_size;  // there is room for all stacks ever mapped
    char **slabs;      // all that was mapped
    size_t slab_count;
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

// Makes room to remember one more slab, and that all stacks are idle, so that
// giving one back cannot fail.
static bool grow(void)
{
    size_t size = pool.idle_size + SLAB_STACKS;
    char **slabs = realloc(pool.slabs, (pool.slab_count + 1) * sizeof *slabs);
    if (slabs != NULL)
        pool.slabs = slabs;
    char **idle = realloc(pool.idle, size * sizeof *idle);
    if (idle != NULL)
        pool.idle = idle;
    if (slabs == NULL || idle == NULL)
        return false;
    pool.idle_size = size;
    return true;
}

static bool map_slab(void)
{
    if (pool.stride == 0)
        co_stack_set_size((size_t)CO_STACK_KIB * 1024);
    if (pool.slab_count == 0)
        co_catch_overflow();
    size_t size = pool.stride * SLAB_STACKS;
    char *slab =
        mmap(NULL, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab == MAP_FAILED)
        return false;
    if (co_pages_guard(slab, pool.stride, SLAB_STACKS) != 0 || !grow()) {
        munmap(slab, size);
        errno = ENOMEM;
        return false;
    }
    pool.slabs[pool.slab_count++] = slab;
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

// Gives the memory of the stacks that lie idle longest to the system.
static void cool_down(void)
{
    struct iovec coldest[COOL_STACKS];
    for (size_t i = 0; i < COOL_STACKS; i++)
        coldest[i] =
            (struct iovec){pool.idle[pool.cold_count++], co_stack_usable()};
    co_pages_advise(coldest, COOL_STACKS, MADV_DONTNEED);
}

void co_stack_put(void *low)
{
    pool.idle[pool.idle_count++] = low;
    if (pool.idle_count - pool.cold_count >= WARM_STACKS + COOL_STACKS)
        cool_down();
}

// Looks at pages that are in memory only: the others were never touched.
// AddressSanitizer would object to reading what nobody has declared.
__attribute__((no_sanitize("address"))) size_t co_stack_touched(void *low)
{
    const char *at = low, *top = at + co_stack_usable();
    unsigned char resident = 0;
    for (char *page = low; page < top && resident == 0;
         page += pool.page_size) {
        at = page;
        if (mincore(page, pool.page_size, &resident) != 0)
            break;
    }
    while (at < top && *at == 0)
        at++;
    return (size_t)(top - at);
}

int co_stack_release_all(void)
{
    if (pool.idle_count + pool.unused_count != pool.idle_size) {
        errno = EBUSY;
        return -1;
    }
    for (size_t i = 0; i < pool.slab_count; i++)
        munmap(pool.slabs[i], pool.stride * SLAB_STACKS);
    free(pool.slabs);
    free(pool.idle);
    pool = (struct pool){.page_size = pool.page_size, .stride = pool.stride};
    return 0;
}
