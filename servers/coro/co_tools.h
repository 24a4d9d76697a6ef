// co_tools.h - telling the sanitizers, and valgrind, about stacks that change.
//
// AddressSanitizer wants to know which stack we are on, ThreadSanitizer takes
// each coroutine for a thread of its own ("fiber"). Without them, the functions
// called at each switch are empty. Valgrind wants to know only where stacks
// are. It is told by a few instructions that do nothing on a real processor, so
// they are in every program that was built where valgrind's header is.

#ifndef CO_TOOLS_H
#define CO_TOOLS_H

#include <sys/epoll.h>

#include "co_internal.h"

#ifdef __has_feature  // clang; gcc defines the two names itself.
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#include <signal.h>
#endif

#if defined __has_include  // not part of C11
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAS_VALGRIND 1
#endif
#endif

static inline void tools_created(struct co *c)
{
    (void)c;
#ifdef HAS_VALGRIND
    c->valgrind_stack =
        VALGRIND_STACK_REGISTER(c->stack, (char *)c->stack + c->stack_size);
    // Under valgrind (else it is 0) nothing that the last user has left on this
    // stack is to be relied on, though it may be written to again.
    if (c->valgrind_stack != 0)
        VALGRIND_MAKE_MEM_UNDEFINED(c->stack, (char *)c - (char *)c->stack);
#endif
#ifdef __SANITIZE_ADDRESS__
    // A stack that is used again carries the marks of its last use.
    ASAN_UNPOISON_MEMORY_REGION(c->stack, c->stack_size);
#endif
#ifdef __SANITIZE_THREAD__
    c->fiber = __tsan_create_fiber(0);
#endif
}

static inline void tools_freeing(struct co *c)
{
    (void)c;
#ifdef HAS_VALGRIND
    if (c->valgrind_stack != 0)
        VALGRIND_STACK_DEREGISTER(c->valgrind_stack);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(c->fiber);
#endif
}

// To be called right before co_switch().
static inline void tools_leaving(struct co *from, const struct co *to)
{
    (void)from, (void)to;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(from->done ? NULL : &from->fake_stack,
                                   to->stack, to->stack_size);
#endif
#ifdef __SANITIZE_THREAD__
    if (from->fiber == NULL)  // The thread's own stack.
        from->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

// To be called first on the other side. `from` is whom we come from: this is
// how the bounds of the thread's own stack become known.
static inline void tools_arrived(struct co *self, struct co *from)
{
    (void)self, (void)from;
#ifdef __SANITIZE_ADDRESS__
    const void *stack;
    __sanitizer_finish_switch_fiber(self->fake_stack, &stack,
                                    &from->stack_size);
    from->stack = (void *)(uintptr_t)stack;
#endif
}

// Between tools_mute(true) and tools_mute(false) valgrind says nothing: for
// looking at what a coroutine has left below its stack pointer.
static inline void tools_mute(bool mute)
{
    (void)mute;
#ifdef HAS_VALGRIND
    if (mute)
        VALGRIND_DISABLE_ERROR_REPORTING;
    else
        VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

// ThreadSanitizer keeps a signal until the fiber in which it arrived makes a
// system call, and when fibers change at that moment it is lost. So signals are
// held from tools_hold_signals() to tools_let_signals(), but for the time in
// which the thread waits.
struct tools_signals {
#ifdef __SANITIZE_THREAD__
    sigset_t before;
#else
    char none;
#endif
};

static inline void tools_hold_signals(struct tools_signals *held)
{
    (void)held;
#ifdef __SANITIZE_THREAD__
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &held->before);
#endif
}

static inline void tools_let_signals(const struct tools_signals *held)
{
    (void)held;
#ifdef __SANITIZE_THREAD__
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
#endif
}

static inline int tools_epoll_wait(int epoll, struct epoll_event *events,
                                   int count_max, int timeout_ms,
                                   const struct tools_signals *held)
{
    (void)held;
#ifdef __SANITIZE_THREAD__
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, &held->before, &mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    // This alone delivers no signal as long as there are events at once.
    return epoll_pwait(epoll, events, count_max, timeout_ms, &held->before);
#else
    return epoll_wait(epoll, events, count_max, timeout_ms);
#endif
}

#endif
