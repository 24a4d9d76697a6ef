// co_internal.h - what the layers of the runtime share; not for programs.
//
// Only the wait() of a poller blocks the thread.

#ifndef CO_INTERNAL_H
#define CO_INTERNAL_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "co.h"
#include "co_mail.h"
#include "co_tools.h"

#define CO_NEVER INT64_MAX  // as a point in time

// A coroutine. This struct is at the top of the coroutine's stack, in the page
// that the first calls of the coroutine use, too. So a suspended coroutine
// needs only one page. The fields that the scheduler uses are in the first
// cache line. Most fields start as 0 or NULL, because co_new() zeroes the whole
// struct anyway: any other start value would take one more store.
struct co {
    void *sp;                  // what co_switch() saved; valid while suspended
    uintptr_t state;           // its state and its resumer: see below
    struct co *next;           // the next coroutine in its queue, if any
    struct co *previous;       // in its queue; undefined for the first one
    struct co_queue *queue;    // of the semaphore that it waits for, or NULL
    int64_t deadline_ns;       // of all its waiting calls; 0: none
    unsigned limit_ms_plus_1;  // of its waits for descriptors; 0: none
    unsigned timer;            // its place in the heap, from 1; 0: no timer
    short wait_errno;          // why the last wait ended; 0: its event came
    bool permit;               // its next co_park() returns at once
    bool cancelled;
    int fd;  // the descriptor that it waited for last

    struct co *innermost;        // the resumed coroutine that waits, or NULL
    struct co_mail mail;         // sent by co_wake_async()
    struct co_mailbox *mailbox;  // of its thread

    // `fn` and `arg` are the arguments of co_new(). co_go() stores its function
    // in `task`, co_group_go() stores its own in `member`.
    void *(*fn)(void *arg);
    void *arg;
    union {
        void (*task)(void *arg);
        int (*member)(void *arg);
    };
    struct co_group *group;
    struct co *group_next, *group_previous;

    const char *name;
    struct co_stack stack;
};

// ---- The state of a coroutine
//
// The field `state` contains both the state and the address of the resumer
// (NULL: none). Each resume changes both. With two fields it would need one
// more store, and resuming 100,000 coroutines one after the other would take 10
// % longer. The address of a coroutine is a multiple of 8, so its lowest three
// bits are free for one of eight states.

enum { CO_STATE_MASK = 7 };

static inline enum co_state co_state(const struct co *c)
{
    return (enum co_state)(c->state & CO_STATE_MASK);
}

static inline struct co *co_resumer(const struct co *c)
{
    return (struct co *)(c->state & ~(uintptr_t)CO_STATE_MASK);
}

// The next two functions are for a coroutine that is CO_RUNNING. Because this
// state is 0, the field `state` is simply the address of the resumer. So
// co_resume() and co_yield_value() need not mask any bits.
static inline uintptr_t co_running_for(const struct co *resumer)
{
    return (uintptr_t)resumer;
}

static inline struct co *co_running_resumer(const struct co *c)
{
    return (struct co *)c->state;
}

static_assert(CO_RUNNING == 0, "see co_running_for()");

// Returns true if a coroutine may change from state `from` to state `to`.
static inline bool co_may_become(enum co_state from, enum co_state to)
{
    switch (from) {
    case CO_NEW:
        return to == CO_RUNNING || to == CO_READY;
    case CO_YIELDED:
    case CO_READY:
        return to == CO_RUNNING;
    case CO_RUNNING:
        return to != CO_NEW && to != CO_RUNNING;
    case CO_PARKED:
    case CO_WAITING:
    case CO_UNINTERRUPTIBLE:
        return to == CO_READY;
    case CO_DONE:
        break;
    }
    return false;
}

// Changes the state of a coroutine, but not its resumer. Only three functions
// change the state of an existing coroutine without co_become(): co_resume()
// also sets the resumer, co_yield_value() also clears the resumer, and
// co_free() sets CO_DONE even if the coroutine has not returned.
static inline void co_become(struct co *c, enum co_state state)
{
    assert(co_may_become(co_state(c), state));
    c->state = (c->state & ~(uintptr_t)CO_STATE_MASK) | state;
}

// ---- Queues of coroutines, first in, first out

// Appends `c`, which must be in no queue.
static inline void co_queue_append(struct co_queue *queue, struct co *c)
{
    c->next = NULL;
    c->previous = queue->last;
    if (queue->first == NULL)
        queue->first = c;
    else
        queue->last->next = c;
    queue->last = c;
}

// Removes and returns the first coroutine of a queue that is not empty.
static inline struct co *co_queue_take(struct co_queue *queue)
{
    struct co *c = queue->first;
    queue->first = c->next;
    return c;
}

// Removes `c`, which must be in this queue.
static inline void co_queue_remove(struct co_queue *queue, struct co *c)
{
    if (queue->first == c)
        queue->first = c->next;
    else
        c->previous->next = c->next;
    if (queue->last == c)
        queue->last = c->previous;
    else
        c->next->previous = c->previous;
}

// Sets errno. Returns -1.
static inline int co_fail(int error)
{
    errno = error;
    return -1;
}

// ---- co.c

// Switches from the running coroutine, or from the thread's own stack, to `to`:
// there, the co_jump() in which `to` was suspended returns `value`. This call
// returns when another co_jump() switches back, with the value of that
// co_jump(). Only this function changes stacks.
void *co_jump(struct co *to, void *value);

// Returns the running coroutine. On the thread's own stack, returns a struct co
// that stands for this stack.
struct co *co_current(void);

// Returns the coroutine on stack number `at` of this thread, or NULL if there
// is none. `at` must be less than co_stack_count(). A coroutine never changes
// its stack.
struct co *co_at(size_t at);

// ---- co_loop.c

// Creates a coroutine that runs fn(arg). The scheduler runs the coroutine, and
// frees it when it is done. fn must end with `return co_finish();`. Returns the
// coroutine, which has not run yet, or NULL with ENOMEM.
struct co *co_start(void *(*fn)(void *arg), void *arg);

// Ends the running coroutine, which co_start() must have created. Does not
// return; the result is only for the `return` of fn.
void *co_finish(void);

// Returns true in a coroutine that co_run() runs, and in all coroutines that it
// has resumed, directly or through others.
bool co_in_loop(void);

// Suspends the running coroutine in `state` (CO_PARKED, CO_WAITING or
// CO_UNINTERRUPTIBLE) until co_end_wait() ends its wait. At `due_ns` the wait
// fails with ETIMEDOUT; for CO_UNINTERRUPTIBLE, `due_ns` must be CO_NEVER.
// Returns 0, or -1 with the error that was passed to co_end_wait().
int co_suspend(enum co_state state, int64_t due_ns);

// Ends the wait of `c`. If `error` is 0, the wait succeeds, else it fails with
// `error`. Has no effect if the wait has already ended, and `c` has not run
// since.
void co_end_wait(struct co *c, int error);

// Counts a waiting call that is about to return. If the turn has lasted long
// enough (see co.h), reschedules the running coroutine.
void co_spend(void);

// Returns the time at which the wait of `c` ends at the latest; CO_NEVER: no
// limit.
int64_t co_due_ns(const struct co *c);

// Returns the address of this thread's counter of turns. The loop adds one at
// the beginning of each turn. Other threads may read the counter.
const atomic_uint *co_turn_count(void);

// Returns the time on the monotonic clock.
int64_t co_now_ns(void);

// Returns the time `ms` milliseconds from now; CO_NEVER for -1.
int64_t co_time_in(int ms);

// The functions by which a loop waits for events.
struct co_poller {
    // Called when the loop starts. Returns 0, or -1 with errno set.
    int (*open)(void);
    // Waits up to `timeout_ms` (-1: without limit) for mail and other events,
    // with the signal mask `mask` unless it is NULL. Ends the waits of the
    // coroutines whose event has come. Returns 0, or -1 with errno set.
    int (*wait)(int timeout_ms, const sigset_t *mask);
    // Called when the loop has ended: no coroutine waits any more.
    void (*close)(void);
};

// Sets the poller of all loops. co_io.c calls it before main(). So co_loop.c
// calls functions of co_io.c, but does not depend on that file.
void co_set_poller(const struct co_poller *p);

// ---- co_wait.c

// Checks whether a waiting call may begin. Returns 0, or -1 with EPERM,
// ECANCELED or ETIMEDOUT (see co.h).
int co_begin_wait(void);

// Calls co_suspend(CO_WAITING, ...), and returns the same. The wait ends at
// `due_ns`, or earlier at the earliest deadline of the coroutine and its
// resumers. Fails with ECANCELED if one of them was cancelled.
int co_wait_until(int64_t due_ns);

// Returns the time at which a wait for a descriptor must fail if it begins now,
// because of co_limit_waits(); CO_NEVER: no limit.
int64_t co_limit_due_ns(void);

// ---- co_io.c

// Returns the descriptor that `c` waits for, and sets `event` to EPOLLIN or
// EPOLLOUT. Returns -1 if `c` waits for no descriptor.
int co_awaited_fd(const struct co *c, uint32_t *event);

// ---- co_offload.c

// Starts a thread in which all signals are blocked. So the kernel delivers
// signals to the other threads, where they can interrupt blocking calls.
// Returns 0 or an error number.
int co_start_thread(pthread_t *thread, void *(*fn)(void *arg), void *arg);

#endif
