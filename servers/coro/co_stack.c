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
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; the C library may be older.
#endif

#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)  // Linux 6.14: this process, to itself.
#endif

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

// madvise() for many ranges in one call: the kernel locks the memory map, and
// makes the processor forget what it knows of it, once instead of each time.
// Returns false where it cannot do that; some of it may be done then.
static bool advise_all(const struct iovec *ranges, size_t count, int advice)
{
    static atomic_bool unknown;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += ranges[i].iov_len;
    long done = unknown ? -1
                        : syscall(SYS_process_madvise, PIDFD_SELF_THREAD,
                                  ranges, count, advice, 0);
    unknown = unknown || (done < 0 && (errno == ENOSYS || errno == EBADF));
    return done == (long)size;
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
    if (errno != EINVAL || mprotect(page, pool.page_size, PROT_NONE) == 0)
        return errno == EINVAL ? 0 : -1;
    static const char text[] =
        "coroutines: no more guard pages, as the process has as many mappings"
        " as vm.max_map_count allows\n";
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (errno == ENOMEM && !atomic_flag_test_and_set(&said))
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
    return -1;
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

static bool install_guards(char *slab)
{
    struct iovec guards[SLAB_STACKS];
    for (size_t i = 0; i < SLAB_STACKS; i++)
        guards[i] = (struct iovec){slab + i * pool.stride, pool.page_size};
    if (advise_all(guards, SLAB_STACKS, MADV_GUARD_INSTALL))
        return true;
    for (size_t i = 0; i < SLAB_STACKS; i++)
        if (install_guard(slab + i * pool.stride) != 0)
            return false;
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
    if (!install_guards(slab) || !grow()) {
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
    if (advise_all(coldest, COOL_STACKS, MADV_DONTNEED))
        return;
    for (size_t i = 0; i < COOL_STACKS; i++)
        madvise(coldest[i].iov_base, coldest[i].iov_len, MADV_DONTNEED);
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
