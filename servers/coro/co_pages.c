// co_pages.c - what the kernel is told about many pages at once.

#include "co_pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; the C library may be older.
#endif

#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)  // Linux 6.14: this process, to itself.
#endif

enum { GUARDS_AT_ONCE = 64 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

// One call for all: the kernel locks the memory map, and makes the processor
// forget what it knows of it, once instead of each time. Returns false where it
// cannot do that.
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

int co_pages_advise(const struct iovec *ranges, size_t count, int advice)
{
    if (advise_all(ranges, count, advice))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (madvise(ranges[i].iov_base, ranges[i].iov_len, advice) != 0)
            return -1;
    return 0;
}

// Whether the kernel knows guard markers, tried on a page that is to have one.
// Emulators take any advice for done, so have a system call write to the page,
// no matter which: it must fail.
static bool has_markers(char *page)
{
    static atomic_int known;  // 0: not yet; 1: it does; -1: it does not
    if (known == 0)
        known = madvise(page, page_size(), MADV_GUARD_INSTALL) == 0 &&
                        getrandom(page, 1, GRND_NONBLOCK) < 0 && errno == EFAULT
                    ? 1
                    : -1;
    return known > 0;
}

static int install_markers(char *page, size_t stride, size_t count)
{
    struct iovec guards[GUARDS_AT_ONCE];
    while (count > 0) {
        size_t now = count < GUARDS_AT_ONCE ? count : GUARDS_AT_ONCE;
        for (size_t i = 0; i < now; i++, page += stride) {
            guards[i].iov_base = page;
            guards[i].iov_len = page_size();
        }
        if (co_pages_advise(guards, now, MADV_GUARD_INSTALL) != 0)
            return -1;
        count -= now;
    }
    return 0;
}

static int forbid_access(char *page, size_t stride, size_t count)
{
    static const char text[] =
        "coroutines: no more guard pages, as the process has as many mappings"
        " as vm.max_map_count allows\n";
    static atomic_flag said = ATOMIC_FLAG_INIT;
    for (size_t i = 0; i < count; i++, page += stride) {
        if (mprotect(page, page_size(), PROT_NONE) == 0)
            continue;
        if (errno == ENOMEM && !atomic_flag_test_and_set(&said))
            (void)!write(STDERR_FILENO, text, sizeof text - 1);
        return -1;
    }
    return 0;
}

// LESSON guard-page: a stack that overflows would silently overwrite its
// neighbour. A page that must not be touched turns that into a crash on the
// spot. mprotect() splits the mapping in two, of which a process may have
// vm.max_map_count (65,530): enough for 32,000 stacks. A guard marker inside
// the page table has no such limit.
int co_pages_guard(char *first, size_t stride, size_t count)
{
    return has_markers(first) ? install_markers(first, stride, count)
                              : forbid_access(first, stride, count);
}
