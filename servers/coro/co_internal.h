// co_internal.h - what the layers of the runtime know of each other.

#ifndef CO_INTERNAL_H
#define CO_INTERNAL_H

#include "co.h"

// A coroutine. It lies at the top of its own stack, where the first calls touch
// memory anyway: a coroutine at rest costs one page.
struct co {
    void *sp;            // what co_switch() saved; valid while paused
    struct co *resumer;  // whom co_yield() goes back to
    void *(*fn)(void *arg);
    void *arg;
    bool done;

    // Owned by the scheduler.
    void (*task)(void *arg);  // what co_go() was given; arg is shared
    struct co *next;          // in the queue it is in, if any
    bool ready;               // in the queue of those that can run
    bool timed_out;           // why the last wait ended
    int wait_limit_ms;        // 0: none
    size_t timer;             // its place in the heap, from 1; 0: no timer

    // Owned by co.c. The last two are for co_tools.h.
    void *stack;  // its lowest address
    size_t stack_size;
    void *fake_stack;  // AddressSanitizer's
    void *fiber;       // ThreadSanitizer's
};

// Leaves the running coroutine (or the thread's own stack) for `to`, passing
// `value`. Returns the value of whoever comes back. Every change of stacks in
// the whole runtime is a call of this.
void *co_jump(struct co *to, void *value);

// The running coroutine, where the thread's own stack counts as one.
struct co *co_current(void);

// Parks the running coroutine until co_wake() or for at most `timeout_ms` (-1:
// no limit). Returns 0 when woken, or -1 with ETIMEDOUT.
int co_park_for(int timeout_ms);

// Counts one successful call, and lets the others run when the budget of this
// turn is used up.
void co_spend(void);

// Closes epoll and forgets what it was told. No coroutine may be waiting.
void co_forget_events(void);

// Waits up to `timeout_ms` (-1: no limit) for events of descriptors, and wakes
// the coroutines that wait for them. Returns 0, or -1.
int co_wait_events(int timeout_ms);

#endif
