// co_tools.h - telling the sanitizers about stacks that change.
//
// AddressSanitizer wants to know which stack we are on, ThreadSanitizer takes
// each coroutine for a thread of its own. Without them, all of this is empty.

#ifndef CO_TOOLS_H
#define CO_TOOLS_H

#include "co_internal.h"

#ifdef __has_feature  // clang; gcc defines the two names itself.
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static inline void tools_created(struct co *c)
{
    // A stack that is used again carries the marks of its last use.
    ASAN_UNPOISON_MEMORY_REGION(c->stack, c->stack_size);
}

static inline void tools_leaving(struct co *from, const struct co *to)
{
    __sanitizer_start_switch_fiber(from->done ? NULL : &from->fake_stack,
                                   to->stack, to->stack_size);
}

// `from` is where we come from: this is how the thread's own stack is learnt.
static inline void tools_arrived(struct co *self, struct co *from)
{
    const void *stack;
    __sanitizer_finish_switch_fiber(self->fake_stack, &stack,
                                    &from->stack_size);
    from->stack = (void *)(uintptr_t)stack;
}

static inline void tools_freeing(struct co *c)
{
    (void)c;
}

#elif defined(__SANITIZE_THREAD__)

#include <sanitizer/tsan_interface.h>
#include <signal.h>

static inline void tools_created(struct co *c)
{
    c->fiber = __tsan_create_fiber(0);
}

// ThreadSanitizer keeps a signal until the fiber in which it arrived makes its
// next system call, and that may never happen. So signals are held while
// coroutines run; only the thread's own stack (NULL) receives them.
static inline void hold_signals(int how)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGALRM);
    pthread_sigmask(how, &signals, NULL);
}

static inline void tools_leaving(struct co *from, const struct co *to)
{
    if (to->stack != NULL)
        hold_signals(SIG_BLOCK);
    if (from->fiber == NULL)
        from->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
}

static inline void tools_arrived(struct co *self, struct co *from)
{
    (void)from;
    if (self->stack == NULL)
        hold_signals(SIG_UNBLOCK);
}

static inline void tools_freeing(struct co *c)
{
    __tsan_destroy_fiber(c->fiber);
}

#else

static inline void tools_created(struct co *c)
{
    (void)c;
}

static inline void tools_leaving(struct co *from, const struct co *to)
{
    (void)from, (void)to;
}

static inline void tools_arrived(struct co *self, struct co *from)
{
    (void)self, (void)from;
}

static inline void tools_freeing(struct co *c)
{
    (void)c;
}

#endif

#endif
