// co_loop.c - a scheduler: which of many coroutines runs next, and sleeping.
//
// A coroutine started with co_go() is always in one of three places: running,
// in the queue of those that are ready, or parked, and then something has to
// wake it: a descriptor (co_io.c), a timer, or another coroutine.

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "co.h"
#include "co_internal.h"

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    TURN_NS = NS_PER_MS,  // and CO_BUDGET: how long a turn may last
};

struct timer {
    int64_t due_ns;
    struct co *waiter;
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
    struct timer *timers;    // a heap: timers[1] is due first
    size_t timer_count, timers_size;
};

static _Thread_local struct loop loop;

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

void co_wake(struct co *c)
{
    if (c->ready)
        return;
    c->ready = true;
    append(&loop.ready, c);
    loop.ready_count++;
}

// ---- Timers
//
// A binary heap (Williams, CACM 7(6), 1964). Each coroutine knows the place of
// its timer, so that one which is no longer needed can be taken out.

static void place(struct timer t, size_t at)
{
    loop.timers[at] = t;
    t.waiter->timer = at;
}

static void sift_up(struct timer t, size_t at)
{
    for (; at > 1 && loop.timers[at / 2].due_ns > t.due_ns; at /= 2)
        place(loop.timers[at / 2], at);
    place(t, at);
}

static void sift_down(struct timer t, size_t at)
{
    for (size_t child; (child = 2 * at) <= loop.timer_count; at = child) {
        if (child < loop.timer_count &&
            loop.timers[child + 1].due_ns < loop.timers[child].due_ns)
            child++;
        if (loop.timers[child].due_ns >= t.due_ns)
            break;
        place(loop.timers[child], at);
    }
    place(t, at);
}

// Makes room for `count` timers, so that setting one cannot fail.
static bool reserve_timers(size_t count)
{
    if (count < loop.timers_size)  // timers[0] is not used.
        return true;
    size_t size = 2 * count + 64;
    struct timer *timers = realloc(loop.timers, size * sizeof *timers);
    if (timers == NULL)
        return false;
    loop.timers = timers;
    loop.timers_size = size;
    return true;
}

static void set_timer(struct co *c, int64_t due_ns)
{
    sift_up((struct timer){due_ns, c}, ++loop.timer_count);
}

static void clear_timer(struct co *c)
{
    size_t at = c->timer;
    struct timer last = loop.timers[loop.timer_count--];

    c->timer = 0;
    if (last.waiter == c)
        return;
    if (at > 1 && loop.timers[at / 2].due_ns > last.due_ns)
        sift_up(last, at);
    else
        sift_down(last, at);
}

static void wake_due(void)
{
    if (loop.timer_count == 0)
        return;
    int64_t now = now_ns();
    while (loop.timer_count > 0 && loop.timers[1].due_ns <= now) {
        struct co *c = loop.timers[1].waiter;
        clear_timer(c);
        c->timed_out = !c->ready;  // If so, what it waits for came first.
        co_wake(c);
    }
}

// How long nothing can happen but events of descriptors; -1: no limit.
static int idle_ms(void)
{
    if (loop.ready_count > 0 || loop.paused.first != NULL)
        return 0;
    if (loop.timer_count == 0)
        return -1;
    int64_t left_ns = loop.timers[1].due_ns - now_ns();
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

int co_go(void (*fn)(void *arg), void *arg)
{
    // One timer for each: a coroutine that another one resumed may wait too,
    // but then the other cannot.
    struct co *c =
        reserve_timers(loop.alive_count + 1) ? co_new(task_main, arg) : NULL;
    if (c == NULL)
        return -1;
    c->task = fn;
    loop.alive_count++;
    co_wake(c);
    return 0;
}

// LESSON round-robin: every coroutine that is ready now gets one turn, in the
// order in which they became ready; those that become ready meanwhile come in
// the next round. Nobody can be overtaken twice.
static void run_round(void)
{
    for (size_t left = loop.ready_count; left > 0; left--) {
        struct co *c = take_first(&loop.ready);
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

// LESSON scheduler: this loop is all there is. Run those that can run; then
// sleep until a descriptor is ready or a timer due; wake who waits for that,
// and after them those that paused.
int co_run(void)
{
    loop.self = co_current();
    while (loop.alive_count > 0) {
        run_round();
        if (loop.alive_count > 0 && co_wait_events(idle_ms()) != 0)
            return -1;
        wake_due();
        while (loop.paused.first != NULL)
            co_wake(take_first(&loop.paused));
    }
    free(loop.timers);
    loop.timers = NULL;
    loop.timers_size = 0;
    co_forget_events();
    return 0;
}

// ---- Waiting

void co_park(void)
{
    assert(co_self() != NULL);
    co_jump(loop.self, NULL);
}

void co_pause(void)
{
    append(&loop.paused, co_self());
    co_park();
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

int co_park_for(int timeout_ms)
{
    struct co *self = co_self();

    self->timed_out = false;
    if (timeout_ms >= 0)
        set_timer(self, now_ns() + (int64_t)timeout_ms * NS_PER_MS);
    co_park();
    if (self->timer != 0)
        clear_timer(self);
    if (!self->timed_out)
        return 0;
    errno = ETIMEDOUT;
    return -1;
}

void co_sleep(int ms)
{
    if (ms > 0)
        co_park_for(ms);
}

void co_sem_wait(struct co_sem *sem)
{
    if (sem->count > 0) {
        sem->count--;
        return;
    }
    append(&sem->waiters, co_self());
    co_park();
}

// Hands the count to the first who waits, so that nobody can come in between.
void co_sem_post(struct co_sem *sem)
{
    if (sem->waiters.first != NULL)
        co_wake(take_first(&sem->waiters));
    else
        sem->count++;
}

void co_limit_waits(int ms)
{
    co_self()->wait_limit_ms = ms;
}
