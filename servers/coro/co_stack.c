// co_stack.c - where the stacks of coroutines come from, and what happens to a
// coroutine that needs more stack than it has.
//
// Getting every stack from the kernel would take a few microseconds (mmap,
// guard page, page fault, munmap), a thousand times as long as a switch. So
// this file maps many stacks at once, in slabs, and uses each stack again and
// again:
//
//     slab   [guard|stack][guard|stack][guard|stack] ...     SLAB_STACKS
//
//     idle   [cold ..... cold|warm ..... warm]             taken from the end
//                            ^ cold_count    ^ idle_count
//
// A stack takes memory only for the pages that were touched. A slab stays
// mapped until the thread ends. But if a stack has been idle for long, it is
// cold: the system has taken back its pages.

#include "co_stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; the C library may be older.
#endif

#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)  // Linux 6.14: the calling thread.
#endif

enum {
    SLAB_STACKS = 64,
    WARM_STACKS = 256,  // at least this many idle stacks keep their pages
    COOL_STACKS = 64,   // this many idle stacks lose their pages together
};

struct pool {
    size_t page_size;
    size_t stride;  // bytes from one stack to the next, with the guard page
    char *unused;   // the part of the newest slab that was never taken
    size_t unused_count;
    char **idle;  // stacks that co_stack_put() was given
    size_t idle_count, cold_count;
    size_t idle_size;  // entries in `idle`, one for each mapped stack
    char **slabs;      // all slabs that were mapped
    size_t slab_count;
    void *signal_stack;      // on which the handler of SIGSEGV runs
    char overflow_text[96];  // the end of the message about an overflow
};

static _Thread_local struct pool pool;

// ---- Advice to the kernel, about many pages at once

// Gives the advice for all ranges in one system call. Then the kernel takes the
// lock of the memory map, and flushes the TLB, only once instead of once per
// range. Returns false if the kernel cannot do this.
static bool advise_at_once(const struct iovec *ranges, size_t count, int advice)
{
    static atomic_bool unsupported;
    if (unsupported)
        return false;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += ranges[i].iov_len;
    long done = syscall(SYS_process_madvise, PIDFD_SELF_THREAD, ranges, count,
                        advice, 0);
    if (done < 0 && (errno == ENOSYS || errno == EBADF))
        unsupported = true;
    return done == (long)size;
}

// Gives the advice, as madvise(2) does, for `count` ranges of whole pages.
// Returns 0, or -1 with errno set: then the kernel may have followed the advice
// for a part of the ranges.
static int advise(const struct iovec *ranges, size_t count, int advice)
{
    if (advise_at_once(ranges, count, advice))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (madvise(ranges[i].iov_base, ranges[i].iov_len, advice) != 0)
            return -1;
    return 0;
}

// ---- Guard pages

// Returns true if the kernel has guard markers, which forbid access to a page
// (see guard() below). To find out, tries to set a marker on `page`, which
// needs a guard in any case. A successful madvise() is no proof, because an
// emulator may accept any advice and ignore it. So this function then makes a
// system call that writes to the page. If the page has a marker, this call
// fails.
static bool has_markers(char *page)
{
    static atomic_int known;  // 0: not tried yet; 1: markers; -1: no markers
    if (known == 0)
        known = madvise(page, pool.page_size, MADV_GUARD_INSTALL) == 0 &&
                        getrandom(page, 1, GRND_NONBLOCK) < 0 && errno == EFAULT
                    ? 1
                    : -1;
    return known > 0;
}

// Makes the guard pages of a slab without markers. Returns 0, or -1 with errno
// set. Reports the limit on mappings once, because its remedy is not obvious.
static int forbid_access(const struct iovec *pages)
{
    static const char text[] =
        "coroutines: no more guard pages, as the process has as many mappings"
        " as vm.max_map_count allows\n";
    static atomic_flag reported = ATOMIC_FLAG_INIT;
    for (size_t i = 0; i < SLAB_STACKS; i++) {
        if (mprotect(pages[i].iov_base, pages[i].iov_len, PROT_NONE) == 0)
            continue;
        if (errno == ENOMEM && !atomic_flag_test_and_set(&reported))
            (void)!write(STDERR_FILENO, text, sizeof text - 1);
        return -1;
    }
    return 0;
}

// LESSON guard-page: without a guard page, a stack that overflows would
// silently overwrite the stack below it. With a guard page below it, the
// program crashes at once instead. mprotect() can make such a page, but splits
// the mapping in two. A process may have only vm.max_map_count (65,530)
// mappings, enough for 32,000 stacks. A guard marker (MADV_GUARD_INSTALL) is an
// entry in the page table, and has no such limit.
static int guard(char *slab)
{
    struct iovec pages[SLAB_STACKS];
    for (size_t i = 0; i < SLAB_STACKS; i++)
        pages[i] = (struct iovec){slab + i * pool.stride, pool.page_size};
    return has_markers(slab) ? advise(pages, SLAB_STACKS, MADV_GUARD_INSTALL)
                             : forbid_access(pages);
}

// ---- The message about an overflow
//
// Touching the guard page raises SIGSEGV. The handler cannot run on the stack
// that has just overflowed, so it runs on another one (see sigaltstack(2)).

static void write_text(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

// Handles SIGSEGV. If the address is in the guard page of the running
// coroutine, reports an overflow and aborts. Otherwise restores the default, so
// that the instruction faults again and ends the program.
static void on_fault(int signo, siginfo_t *info, void *context)
{
    const struct co *c = co_self();
    (void)context;

    if (c == NULL ||
        (uintptr_t)c->stack.low - (uintptr_t)info->si_addr > pool.page_size) {
        signal(signo, SIG_DFL);  // Not an overflow: crash on return.
        return;
    }
    write_text("coroutine ");
    write_text(c->name != NULL ? c->name : "without a name");
    write_text(pool.overflow_text);
    abort();
}

// Installs the handler, unless the program already has one. The handler of a
// sanitizer, for example, reports more.
static void install_fault_handler(void)
{
    const struct sigaction action = {.sa_sigaction = on_fault,
                                     .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction present;
    if (sigaction(SIGSEGV, NULL, &present) == 0 &&
        present.sa_handler == SIG_DFL)
        sigaction(SIGSEGV, &action, NULL);
}

// Gives the thread another stack for signal handlers, and writes the end of the
// message about an overflow.
static void open_signal_stack(void)
{
    stack_t stack;
    // This text is prepared here, because a signal handler must not call
    // snprintf().
    snprintf(pool.overflow_text, sizeof pool.overflow_text,
             ": ran over the end of its stack of %zu KiB"
             " (co_set_stack_size() sets it)\n",
             co_stack_usable_size() / 1024);
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE))
        return;  // The thread already has one.

    stack = (stack_t){.ss_size = (size_t)SIGSTKSZ};
    stack.ss_sp = calloc(1, stack.ss_size);
    if (stack.ss_sp == NULL || sigaltstack(&stack, NULL) != 0)
        free(stack.ss_sp);
    else
        pool.signal_stack = stack.ss_sp;
}

static void close_signal_stack(void)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    if (pool.signal_stack != NULL)
        sigaltstack(&none, NULL);
    free(pool.signal_stack);
}

// ---- Slabs

void co_stack_set_size(size_t size)
{
    if (pool.idle_size > 0)
        return;
    pool.page_size = (size_t)sysconf(_SC_PAGESIZE);
    pool.stride = (size + pool.page_size - 1) / pool.page_size * pool.page_size;
    if (pool.stride < 2 * pool.page_size)
        pool.stride = 2 * pool.page_size;
}

size_t co_stack_usable_size(void)
{
    return pool.stride - pool.page_size;
}

static void unmap_all(void)
{
    for (size_t i = 0; i < pool.slab_count; i++)
        munmap(pool.slabs[i], pool.stride * SLAB_STACKS);
    close_signal_stack();
    free(pool.slabs);
    free(pool.idle);
    pool = (struct pool){.page_size = pool.page_size, .stride = pool.stride};
}

int co_stack_release_all(void)
{
    if (pool.idle_count + pool.unused_count != pool.idle_size)
        return co_fail(EBUSY);
    unmap_all();
    return 0;
}

// When a thread that has set a value for this key ends, the destructor of the
// key runs.
static pthread_key_t at_thread_end;
static bool has_key;

bool co_tools_in_valgrind;

static void unmap_at_thread_end(void *arg)
{
    (void)arg;
    unmap_all();
}

static void set_up_process(void)
{
    co_tools_start();
    has_key = pthread_key_create(&at_thread_end, unmap_at_thread_end) == 0;
    install_fault_handler();
}

static void set_up_thread(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pool.stride == 0)
        co_stack_set_size((size_t)CO_STACK_KIB * 1024);
    pthread_once(&once, set_up_process);
    if (has_key)
        pthread_setspecific(at_thread_end, &pool);
    open_signal_stack();
}

// Enlarges the two lists of the pool, of slabs and of idle stacks, for one more
// slab. The list of idle stacks has a place for every stack: so co_stack_put()
// cannot fail. Returns false if there is no memory.
static bool enlarge_lists(void)
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

// Maps a slab with its guard pages. All its stacks are unused. Returns false
// with errno set if this is not possible.
static bool map_slab(void)
{
    if (pool.slab_count == 0)
        set_up_thread();
    size_t size = pool.stride * SLAB_STACKS;
    char *slab =
        mmap(NULL, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab == MAP_FAILED)
        return false;
    if (guard(slab) != 0 || !enlarge_lists()) {
        munmap(slab, size);
        errno = ENOMEM;
        return false;
    }
    pool.slabs[pool.slab_count++] = slab;
    pool.unused = slab;
    pool.unused_count = SLAB_STACKS;
    return true;
}

// ---- Stacks

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

// Gives the memory of the COOL_STACKS warm stacks that have been idle longest
// back to the system.
static void cool_down(void)
{
    struct iovec coldest[COOL_STACKS];
    for (size_t i = 0; i < COOL_STACKS; i++)
        coldest[i] = (struct iovec){pool.idle[pool.cold_count++],
                                    co_stack_usable_size()};
    advise(coldest, COOL_STACKS, MADV_DONTNEED);
}

void co_stack_put(void *low)
{
    pool.idle[pool.idle_count++] = low;
    if (pool.idle_count - pool.cold_count >= WARM_STACKS + COOL_STACKS)
        cool_down();
}

size_t co_stack_count(void)
{
    return pool.idle_size - pool.unused_count;
}

void *co_stack_at(size_t at)
{
    return pool.slabs[at / SLAB_STACKS] + at % SLAB_STACKS * pool.stride +
           pool.page_size;
}

// Skips the pages that are not in memory: they were never touched, or the
// system has taken them back. Then searches for the first byte that is not
// zero. AddressSanitizer must not check this function: it would report the
// reads, because they are not in declared variables.
__attribute__((no_sanitize("address"))) size_t co_stack_touched(void *low)
{
    const char *at = low, *top = at + co_stack_usable_size();
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
