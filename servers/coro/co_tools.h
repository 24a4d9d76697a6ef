// co_tools.h - calls that inform sanitizers and valgrind about stacks.
//
// AddressSanitizer must know which stack is in use. ThreadSanitizer treats each
// stack as if it belonged to a thread of its own, a "fiber". Without
// sanitizers, the functions that are called at each switch are empty. Valgrind
// must only know where the stacks are. Programs inform it by a few
// instructions, which have no effect on a real processor. So every program
// contains them, if the header of valgrind was installed when it was built.
// Only co_tools_epoll_wait() blocks or fails.

#ifndef CO_TOOLS_H
#define CO_TOOLS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

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
#endif

#if defined __has_include  // not part of C11
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define CO_HAS_VALGRIND 1
#endif
#endif

// True if valgrind runs this program. Without this variable, co_new() and
// co_free() would execute valgrind's instructions each time, and a coroutine
// that returns at once would take 5 % longer. co_stack.c defines it.
extern bool co_tools_in_valgrind;

// Sets co_tools_in_valgrind. Call it once, before the first coroutine.
static inline void co_tools_start(void)
{
#ifdef CO_HAS_VALGRIND
    co_tools_in_valgrind = RUNNING_ON_VALGRIND != 0;
#endif
}

// The stack of a coroutine, and what the tools store for it.
struct co_stack {
    void *low;  // the lowest address
    size_t size;
#ifdef CO_HAS_VALGRIND
    unsigned valgrind_number;
#endif
#ifdef __SANITIZE_ADDRESS__
    void *fake_stack;
#endif
#ifdef __SANITIZE_THREAD__
    void *fiber;
#endif
};

// Tells the tools that a coroutine begins to use a stack. The coroutine will
// not read the lowest `unused_size` bytes of the stack before it writes them.
static inline void co_tools_created(struct co_stack *stack, size_t unused_size)
{
    (void)stack, (void)unused_size;
#ifdef CO_HAS_VALGRIND
    if (co_tools_in_valgrind) {
        stack->valgrind_number = VALGRIND_STACK_REGISTER(
            stack->low, (char *)stack->low + stack->size);
        VALGRIND_MAKE_MEM_UNDEFINED(stack->low, unused_size);
    }
#endif
#ifdef __SANITIZE_ADDRESS__
    // If the stack was used before, AddressSanitizer may still forbid parts of
    // it.
    ASAN_UNPOISON_MEMORY_REGION(stack->low, stack->size);
#endif
#ifdef __SANITIZE_THREAD__
    stack->fiber = __tsan_create_fiber(0);
#endif
}

// Tells the tools that a coroutine has ended, and that its stack will be given
// back.
static inline void co_tools_freeing(struct co_stack *stack)
{
    (void)stack;
#ifdef CO_HAS_VALGRIND
    if (co_tools_in_valgrind)
        VALGRIND_STACK_DEREGISTER(stack->valgrind_number);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(stack->fiber);
#endif
}

// Tells the tools that co_switch() follows at once, from one stack to another.
// `forever` means that no switch will ever lead back to `from`.
static inline void co_tools_leaving(struct co_stack *from, bool forever,
                                    const struct co_stack *to)
{
    (void)from, (void)forever, (void)to;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(forever ? NULL : &from->fake_stack, to->low,
                                   to->size);
#endif
#ifdef __SANITIZE_THREAD__
    if (from->fiber == NULL)  // The thread's own stack.
        from->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

// Tells the tools that a switch from the stack `from` has led to the stack
// `on`. The caller runs on `on`, and calls this function before any other.
// Stores the bounds of `from`, which AddressSanitizer then knows. For the
// thread's own stack, the runtime has no other way to learn them.
static inline void co_tools_arrived(const struct co_stack *on,
                                    struct co_stack *from)
{
    (void)on, (void)from;
#ifdef __SANITIZE_ADDRESS__
    const void *low;
    __sanitizer_finish_switch_fiber(on->fake_stack, &low, &from->size);
    from->low = (void *)(uintptr_t)low;
#endif
}

// Turns the reports of valgrind off (true), or on again (false). While they are
// off, the caller can read what a coroutine has left below its stack pointer.
static inline void co_tools_mute(bool mute)
{
    (void)mute;
#ifdef CO_HAS_VALGRIND
    if (mute)
        VALGRIND_DISABLE_ERROR_REPORTING;
    else
        VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

// Tells valgrind that `value` is defined, even if it was computed from
// undefined memory.
static inline void co_tools_defined(void *value, size_t size)
{
    (void)value, (void)size;
#ifdef CO_HAS_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(value, size);
#endif
}

// Blocks SIGINT and SIGTERM while coroutines run, but only with
// ThreadSanitizer: it delivers a signal only when the fiber in which the signal
// arrived makes a system call. If another fiber runs before that, the signal is
// lost. Stores the previous mask in `previous`, and returns `previous`. Without
// ThreadSanitizer, returns NULL.
static inline const sigset_t *co_tools_block_signals(sigset_t *previous)
{
    (void)previous;
#ifdef __SANITIZE_THREAD__
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, previous);
    return previous;
#else
    return NULL;
#endif
}

// Calls epoll_wait(2). With ThreadSanitizer, first unblocks the signals for a
// moment, so that those that have arrived are delivered. epoll_pwait() alone
// would deliver none if there are events already.
static inline int co_tools_epoll_wait(int epoll, struct epoll_event *events,
                                      int events_max, int timeout_ms,
                                      const sigset_t *previous)
{
    (void)previous;
#ifdef __SANITIZE_THREAD__
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, previous, &blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    return epoll_pwait(epoll, events, events_max, timeout_ms, previous);
#else
    return epoll_wait(epoll, events, events_max, timeout_ms);
#endif
}

// Restores the mask that co_tools_block_signals() has returned, unless it is
// NULL.
static inline void co_tools_unblock_signals(const sigset_t *previous)
{
    if (previous != NULL)
        pthread_sigmask(SIG_SETMASK, previous, NULL);
}

#endif
