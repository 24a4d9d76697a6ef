// co_internal.h - what the layers of the runtime know of each other.

#ifndef CO_INTERNAL_H
#define CO_INTERNAL_H

#include "co.h"

struct loop;

// A coroutine. It lies at the top of its own stack, where the first calls touch
// memory anyway: a coroutine at rest costs one page.
struct co {
    void *sp;            // what co_switch() saved; valid while paused
    struct co *resumer;  // whom co_yield() goes back to
    bool done;

    // Owned by the scheduler.
    bool ready;           // in the queue of those that can run
    bool interruptible;   // waiting, and to be woken by a limit or co_cancel()
    bool cancelled;       // no further wait will succeed
    int wait_errno;       // why the last wait ended; 0: it was woken
    int wait_limit_ms;    // of waits for descriptors; 0: none
    int64_t deadline_ns;  // of all waits; 0: none
    size_t timer;         // its place in the heap, from 1; 0: no timer
    struct co *next;      // in the queue it is in, if any
    struct co_queue *line;  // that queue, where co_cancel() has to take it out
    struct co *next_async;  // the same for co_wake_async()
    struct loop *loop;
    void (*task)(void *arg);  // what co_go() was given

    // Owned by co_group.c.
    struct co_group *group;
    struct co *group_next, *group_before;
    int (*member)(void *arg);

    // Owned by co.c. The last three are for co_tools.h.
    void *(*fn)(void *arg);
    void *arg;
    const char *name;
    void *stack;  // its lowest address
    size_t stack_size;
    void *fake_stack;         // AddressSanitizer's
    void *fiber;              // ThreadSanitizer's
    unsigned valgrind_stack;  // valgrind's number for it
};

// Leaves the running coroutine (or the thread's own stack) for `to`, passing
// `value`. Returns the value of whoever comes back. Every change of stacks in
// the whole runtime is a call of this.
void *co_jump(struct co *to, void *value);

// The running coroutine, where the thread's own stack counts as one.
struct co *co_current(void);

// As co_go(). Returns the coroutine, which has not run yet, or NULL.
struct co *co_start(void (*fn)(void *arg), void *arg);

// Parks the running coroutine until co_wake() or for at most `timeout_ms` (-1:
// no limit). Returns 0 when woken, or -1 with ETIMEDOUT or ECANCELED.
int co_park_for(int timeout_ms);

// Parks the running coroutine until co_wake(), whatever happens.
void co_park_firmly(void);

// Counts one successful call, and lets the others run when the budget of this
// turn is used up.
void co_spend(void);

// Opens what co_wait_events() needs. Returns an eventfd, writing to which ends
// a wait, or -1.
int co_open_events(void);

// Waits up to `timeout_ms` (-1: no limit) for events of descriptors, and wakes
// the coroutines that wait for them. Returns 0, or -1.
int co_wait_events(int timeout_ms);

// Closes all that, and forgets what epoll was told. No coroutine may be
// waiting.
void co_close_events(void);

// Arranges for the message about a stack that is too small, in this thread.
void co_catch_overflow(void);

#endif
