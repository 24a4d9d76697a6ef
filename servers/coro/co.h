// co.h - stackful coroutines, with waiting calls over epoll.
//
// A coroutine is a function that can pause: it runs on a stack of its own until
// it yields or waits, and nothing ever interrupts it in between. There are
// three layers, each usable without the next:
//
//     co.c          coroutines: resume and yield, passing values
//     co_loop.c     a scheduler: which of many coroutines runs next, and when
//     co_io.c       calls that wait for a descriptor while others run
//
// with two more on top of them:
//
//     co_group.c    several coroutines that succeed or fail together
//     co_offload.c  a blocking function, run by another thread
//
// and below them co_timers.c (whose wait ends when), co_stack.c and co_pages.c
// (where stacks come from), co_overflow.c (who ran over the end of one) and
// co_switch.h (the exchange of one stack for another, per architecture).
//
// A coroutine belongs to the thread that created it; each thread may have some,
// and a scheduler, of its own.
//
// Functions returning an int or ssize_t give -1 and set errno on failure.

#ifndef CO_H
#define CO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct co;

// Coroutines in line, first come, first served. One can be in one line only.
struct co_queue {
    struct co *first, *last;
};

enum {
    CO_STACK_KIB = 16,  // default size of a stack, its guard page included
    CO_BUDGET = 16,     // calls in a row before the others get their turn
};

// Sets the size of every stack, guard page included, rounded up to whole pages.
// Call it before the first coroutine is created: later there is no effect.
void co_set_stack_size(size_t size);

// ---- Coroutines

// Creates a coroutine that will run fn(arg); it starts with the first resume.
// Returns NULL with ENOMEM when there is no memory for a stack. The caller
// frees it.
struct co *co_new(void *(*fn)(void *arg), void *arg);

// Runs `c`, which must be paused and not done, until it yields or returns.
// co_yield() in there returns `value`; the first value of all goes nowhere, as
// nobody is waiting for it yet. Returns what `c` yields or returns.
void *co_resume(struct co *c, void *value);

// Pauses the running coroutine and makes the co_resume() that ran it return
// `value`. Returns the value of the next resume.
void *co_yield(void *value);

// Yields all that `inner` yields, and passes on to it what is sent in, until it
// is done ("yield from"). Returns what `inner` returned. The caller frees it.
void *co_delegate(struct co *inner);

// True when the function of `c` has returned.
bool co_done(const struct co *c);

// Frees `c`, which is done, or paused by co_yield(). If paused, whatever its
// functions hold is not cleaned up.
void co_free(struct co *c);

// The running coroutine, NULL on the thread's own stack.
struct co *co_self(void);

// Gives the running coroutine a name, for the message about a stack that is too
// small, and for debuggers. The string must stay valid.
void co_set_name(const char *name);

// How many bytes of its stack `c` has used at most; perhaps an earlier user of
// the same stack has.
size_t co_stack_used(const struct co *c);

// Returns the memory of all stacks of this thread to the system. Returns 0, or
// -1 with EBUSY while there are coroutines.
int co_release_stacks(void);

// ---- Scheduler

// Creates a coroutine that the scheduler will run, after those already waiting
// for their turn; it is freed when fn returns. Returns 0, or -1 with ENOMEM.
int co_go(void (*fn)(void *arg), void *arg);

// Runs the coroutines until none is left, and sleeps in epoll_wait() while none
// can run. Returns 0, or -1 if epoll fails. Of what it has used only the stacks
// are kept, for the next time.
int co_run(void);

// The rest is for coroutines that co_go() started, and those that they resume.
// What waits returns 0, or -1: with ECANCELED after co_cancel(), with ETIMEDOUT
// after co_set_deadline().

// Lets all others that can run go first, also those whose event has happened
// meanwhile.
void co_pause(void);

// Waits until somebody calls co_wake() for this coroutine.
int co_park(void);

// Ends the co_park() of `c`: it comes to the back of the queue. No effect if it
// is there already.
void co_wake(struct co *c);

// As co_wake(), from any thread and any signal handler. `c` must be waiting in
// co_park(), or about to, and for nothing but this call.
void co_wake_async(struct co *c);

// Waits `ms` milliseconds, at least; not at all for 0.
int co_sleep(int ms);

// Limits every later wait of the running coroutine for a descriptor to `ms`;
// then the call fails with ETIMEDOUT. 0 lifts the limit. Returns the limit so
// far.
int co_limit_waits(int ms);

// In `ms`, every wait of the running coroutine ends, and fails with ETIMEDOUT,
// as does every later one. Calls that need not wait still work. -1: never.
void co_set_deadline(int ms);

// Makes every wait of `c` fail with ECANCELED, the present one and all later
// ones, and so does every waiting call. So `c` ends by the way it takes when
// something fails, and cleans up.
void co_cancel(struct co *c);

// A counting semaphore, as sem_overview(7), for coroutines of one thread.
// co_sem_wait() waits while the count is zero, then takes one off; waiters are
// served in order. Initialise with {.count = n}.
struct co_sem {
    int count;
    struct co_queue waiters;
};
int co_sem_wait(struct co_sem *sem);
void co_sem_post(struct co_sem *sem);

// ---- Groups: several that succeed or fail together (co_group.c)

// Begins as {0}. Its fields are for co_group.c.
struct co_group {
    struct co *members;
    struct co *joiner;
    int error;
};

// Starts fn(arg) as a member. If fn returns anything but 0, with errno as the
// reason, the other members are cancelled. Returns 0, or -1 with ENOMEM.
int co_group_go(struct co_group *group, int (*fn)(void *arg), void *arg);

// Waits until all members have returned. Returns 0 if all of them did so with
// 0, else -1 with the errno of the first that did not. If the caller itself is
// cancelled, or its deadline passes, so are the members, and it waits for them
// all the same: when this returns, nothing of them is left.
int co_group_join(struct co_group *group);

// Cancels all members.
void co_group_cancel(struct co_group *group);

// ---- Other threads (co_offload.c)

// Sets how many threads co_offload() may use; without it, as many as there are
// cores. Call it before the first co_offload().
void co_set_offload_threads(int count);

// Runs fn(arg) in another thread, while
// other coroutines run in this one: for functions that block or compute for
// more than, say, 50 us. Waits until fn has returned, whatever happens, as it
// may be using what is on our stack. Returns 0, or -1 with EAGAIN when no
// thread could be started.
int co_offload(void (*fn)(void *arg), void *arg);

// ---- Waiting calls
//
// Each tries first and waits only if the kernel says "not now" (EAGAIN). The
// descriptor must be non-blocking, and at most one coroutine may read it and
// one write it at a time (EBUSY). Interruptions by signals are hidden. After
// CO_BUDGET calls in a row that did not have to wait, or after a millisecond of
// them, the others get their turn.

// As accept4(2): returns a non-blocking descriptor, to be closed with
// co_close(). Connections that were given up in the queue are skipped.
int co_accept(int listener);

// As recv(2) and send(2). co_send() may send less than `len`, and reports a
// vanished peer as EPIPE instead of raising SIGPIPE.
ssize_t co_recv(int fd, void *buf, size_t size);
ssize_t co_send(int fd, const void *buf, size_t len);

// Waits until `fd`, of any kind that epoll takes, has one of `events` (EPOLLIN
// or EPOLLOUT). Returns 0, or -1.
int co_poll(int fd, uint32_t events);

// Closes a descriptor used with these calls; whoever still waits for it gets
// EBADF. A plain close() would leave behind what is remembered about it.
int co_close(int fd);

#endif
