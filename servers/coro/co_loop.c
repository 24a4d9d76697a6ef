// co_loop.c - a scheduler: which of many coroutines runs next, and sleeping.
//
// A coroutine started with co_go() is always in one of three places: running,
// in the queue of those that are ready, or parked, and then something has to
// wake it: a descriptor (co_io.c), a timer, another coroutine or thread.

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"
#include "co_timers.h"

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    TURN_NS = NS_PER_MS,  // and CO_BUDGET: how long a turn may last
};

struct loop {
    struct co *self;        // whoever called co_run()
    size_t alive_count;     // coroutines started and not yet ended
    struct co *ended;       // one that has just ended and is to be freed
    struct co_queue ready;  // those that can run
    size_t ready_count;
    struct co_queue paused;  // those that gave up the rest of their turn
    int budget;              // calls left in this turn
    int64_t busy_since_ns;   // when the third call of this turn was made
    struct timers timers;    // one for each coroutine, at most

    // How other threads reach this one.
    struct co *_Atomic async;  // those they woke, the last one first
    atomic_int async_event;    // an eventfd that ends our wait; -1: none yet
    atomic_int async_wakers;   // threads that are about to write to it
};

static _Thread_local struct loop loop = {.async_event = -1};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

// ---- Queues

static void append(struct co_queue *queue, struct co *c)
{
    c->next = NULL;
    if (queue->first == NULL)
        queue->first = c;
    else
        queue->last->next = c;
    queue->last = c;
}

static struct co *take_first(struct co_queue *queue)
{
    struct co *c = queue->first;
    queue->first = c->next;
    return c;
}

// Takes `c` out, if it is there.
static void remove_from(struct co_queue *queue, const struct co *c)
{
    struct co *before = NULL, **at = &queue->first;
    while (*at != NULL && *at != c) {
        before = *at;
        at = &before->next;
    }
    if (*at == NULL)
        return;
    *at = c->next;
    if (queue->last == c)
        queue->last = before;
}

void co_wake(struct co *c)
{
    if (c->ready)
        return;
    c->ready = true;
    append(&loop.ready, c);
    loop.ready_count++;
}

// LESSON wake-from-outside: only this thread may touch its queues. Others push
// onto a list, and whoever finds it empty rings: the eventfd ends a sleep in
// epoll_wait(), even one that has not begun yet.
void co_wake_async(struct co *c)
{
    struct loop *l = c->loop;
    atomic_fetch_add(&l->async_wakers, 1);
    struct co *first = atomic_load(&l->async);
    do
        c->next_async = first;
    while (!atomic_compare_exchange_weak(&l->async, &first, c));
    // From here on `c` may run, and end.
    int event = atomic_load(&l->async_event);
    if (first == NULL && event >= 0)
        eventfd_write(event, 1);
    atomic_fetch_sub(&l->async_wakers, 1);
}

static void wake_async(void)
{
    if (atomic_load(&loop.async) == NULL)
        return;  // As most often; and cheaper than the exchange.
    struct co *last = atomic_exchange(&loop.async, NULL), *first = NULL;
    while (last != NULL) {  // The first came first: turn the list round.
        struct co *before = last->next_async;
        last->next_async = first;
        first = last;
        last = before;
    }
    for (; first != NULL; first = first->next_async)
        co_wake(first);
}

// ---- Ends of waits

// Ends a wait with an error, unless what it waits for came first.
static void interrupt(struct co *c, int reason)
{
    if (!c->interruptible || c->ready)
        return;
    c->wait_errno = reason;
    if (c->line != NULL)
        remove_from(c->line, c);
    co_wake(c);
}

static void wake_due(void)
{
    struct timers *timers = &loop.timers;
    if (timers->count == 0)
        return;
    int64_t now = now_ns();
    while (timers->count > 0 && timers_next_ns(timers) <= now) {
        struct co *c = timers->heap[1].waiter;
        timers_clear(timers, c);
        interrupt(c, ETIMEDOUT);
    }
}

// How long nothing can happen but events of descriptors; -1: no limit.
static int idle_ms(void)
{
    if (loop.ready_count > 0 || loop.paused.first != NULL)
        return 0;
    if (loop.timers.count == 0)
        return -1;
    int64_t left_ns = timers_next_ns(&loop.timers) - now_ns();
    if (left_ns <= 0)
        return 0;
    // Rounded up, or we would come back too early and ask again and again.
    int64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

// ---- Running

static void *task_main(void *arg)
{
    struct co *self = co_self();

    self->task(arg);
    loop.alive_count--;
    loop.ended = self;  // It cannot free the stack it stands on.
    return NULL;
}

struct co *co_start(void (*fn)(void *arg), void *arg)
{
    // One timer for each: a coroutine that another one resumed may wait too,
    // but then the other cannot.
    if (timers_reserve(&loop.timers, loop.alive_count + 1) != 0)
        return NULL;
    struct co *c = co_new(task_main, arg);
    if (c == NULL)
        return NULL;
    c->task = fn;
    c->loop = &loop;
    loop.alive_count++;
    co_wake(c);
    return c;
}

int co_go(void (*fn)(void *arg), void *arg)
{
    return co_start(fn, arg) != NULL ? 0 : -1;
}

// LESSON prefetch: with thousands of clients, the stack of the next one is no
// longer in the cache. Its first lines are fetched while this one computes, and
// the struct of the one after it, which says where its stack is.
static void prefetch_after(const struct co *c)
{
    enum { LINES = 8, LINE_SIZE = 64, FOR_WRITING = 1 };
    const struct co *next = c->next;
    if (next == NULL)
        return;
    for (size_t i = 0; i < LINES; i++)
        __builtin_prefetch((const char *)next->sp + i * LINE_SIZE, FOR_WRITING);
    if (next->next != NULL)
        __builtin_prefetch(next->next);
}

// LESSON round-robin: every coroutine that is ready now gets one turn, in the
// order in which they became ready; those that become ready meanwhile come in
// the next round. Nobody can be overtaken twice.
static void run_round(void)
{
    for (size_t left = loop.ready_count; left > 0; left--) {
        struct co *c = take_first(&loop.ready);
        prefetch_after(c);
        loop.ready_count--;
        c->ready = false;
        loop.budget = CO_BUDGET;
        if (c->resumer == NULL)
            c->resumer = loop.self;
        co_jump(c, NULL);
        if (loop.ended != NULL) {
            co_free(loop.ended);
            loop.ended = NULL;
        }
    }
}

// Gives back what the loop holds, when no other thread is using it any more.
static void close_loop(void)
{
    atomic_store(&loop.async_event, -1);
    while (atomic_load(&loop.async_wakers) > 0)
        sched_yield();
    timers_free(&loop.timers);
    co_close_events();
}

// LESSON scheduler: this loop is all there is. Run those that can run; then
// sleep until a descriptor is ready or a timer due; wake who waits for that,
// and after them those that paused.
int co_run(void)
{
    loop.self = co_current();
    atomic_store(&loop.async_event, co_open_events());
    int result = atomic_load(&loop.async_event) < 0 ? -1 : 0;
    while (loop.alive_count > 0 && result == 0) {
        run_round();
        wake_async();
        if (loop.alive_count > 0)
            result = co_wait_events(idle_ms());
        wake_async();
        wake_due();
        while (loop.paused.first != NULL)
            co_wake(take_first(&loop.paused));
    }
    if (result == 0)
        close_loop();
    return result;
}

// ---- Waiting

void co_park_firmly(void)
{
    assert(co_self() != NULL);
    co_jump(loop.self, NULL);
}

void co_pause(void)
{
    append(&loop.paused, co_self());
    co_park_firmly();
}

// LESSON budget: a client that always has another request ready would never let
// go, as no call would have to wait. So a turn ends after some calls, or, if
// there is much to compute between them, after a millisecond. Most turns have
// two calls, and do not pay for a look at the clock.
void co_spend(void)
{
    loop.budget--;
    if (loop.budget == CO_BUDGET - 3)
        loop.busy_since_ns = now_ns();
    else if (loop.budget <= 0 || (loop.budget < CO_BUDGET - 3 &&
                                  now_ns() - loop.busy_since_ns > TURN_NS))
        co_pause();
}

// When a wait that may last `timeout_ms` must end; 0: never.
static int64_t end_of_wait_ns(const struct co *c, int timeout_ms)
{
    if (timeout_ms < 0)
        return c->deadline_ns;
    int64_t due_ns = now_ns() + (int64_t)timeout_ms * NS_PER_MS;
    return c->deadline_ns > 0 && c->deadline_ns < due_ns ? c->deadline_ns
                                                         : due_ns;
}

int co_park_for(int timeout_ms)
{
    struct co *self = co_self();
    int64_t due_ns = end_of_wait_ns(self, timeout_ms);

    self->wait_errno = self->cancelled ? ECANCELED : 0;
    if (!self->cancelled) {
        if (due_ns > 0)
            timers_set(&loop.timers, self, due_ns);
        self->interruptible = true;
        co_park_firmly();
        self->interruptible = false;
        if (self->timer != 0)
            timers_clear(&loop.timers, self);
    }
    if (self->wait_errno == 0)
        return 0;
    errno = self->wait_errno;
    return -1;
}

int co_park(void)
{
    return co_park_for(-1);
}

int co_sleep(int ms)
{
    if (ms <= 0)
        return 0;
    const struct co *self = co_self();
    int64_t due_ns = now_ns() + (int64_t)ms * NS_PER_MS;
    bool cut_short = self->deadline_ns > 0 && self->deadline_ns < due_ns;
    if (co_park_for(ms) == 0)
        return 0;
    return errno == ETIMEDOUT && !cut_short ? 0 : -1;
}

int co_limit_waits(int ms)
{
    struct co *self = co_self();
    int before_ms = self->wait_limit_ms;
    self->wait_limit_ms = ms;
    return before_ms;
}

void co_set_deadline(int ms)
{
    co_self()->deadline_ns = ms < 0 ? 0 : now_ns() + (int64_t)ms * NS_PER_MS;
}

void co_cancel(struct co *c)
{
    c->cancelled = true;
    interrupt(c, ECANCELED);
}

int co_sem_wait(struct co_sem *sem)
{
    struct co *self = co_self();
    if (sem->count > 0) {
        sem->count--;
        return 0;
    }
    if (self->cancelled) {
        errno = ECANCELED;
        return -1;
    }
    append(&sem->waiters, self);
    self->line = &sem->waiters;
    int result = co_park();
    self->line = NULL;
    return result;
}

// Hands the count to the first who waits, so that nobody can come in between.
void co_sem_post(struct co_sem *sem)
{
    if (sem->waiters.first != NULL)
        co_wake(take_first(&sem->waiters));
    else
        sem->count++;
}
